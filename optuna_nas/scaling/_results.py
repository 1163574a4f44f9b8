"""Measurements of a study of scaled networks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_nas._ground.attributes import (
    Attribute,
    fields,
    integer,
    number,
    optional,
    pass_over,
    text,
)
from optuna_nas._ground.checks import require_choice
from optuna_nas.keys import RESULT_KEY

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

__all__ = [
    "DIMENSIONS",
    "METRICS",
    "RESULT",
    "ScalingResult",
    "pareto_front",
    "read_results",
]

RESULT = Attribute(
    RESULT_KEY,
    fields(
        {
            "network": text(),
            "width": number(),
            "depth": number(),
            "resolution": integer(1),
            "epochs": integer(),
            "macs": integer(),
            "params": integer(),
        },
        {"rule": text(), "latency_ms": optional(number(at_least=0.0))},
    ),
)

DIMENSIONS = ("width", "depth", "resolution")
METRICS = ("macs", "params", "latency_ms")


@dataclass(frozen=True, kw_only=True)
class ScalingResult:
    """One network of a study.

    Attributes:
        trial: Number of the trial.
        network: Name of the base network.
        width: As the network counts it.
        depth: Likewise.
        resolution: Pixels.
        epochs: How long it was trained.
        rule: Name of the strategy that chose the sizes; empty where the study chose them.
        macs: Multiply-adds of an image.
        params: Parameters.
        latency_ms: As measured; None where it was not.
        accuracy: In [0, 1].
    """

    trial: int
    network: str
    width: float
    depth: float
    resolution: int
    epochs: int
    rule: str = ""
    macs: int
    params: int
    latency_ms: float | None = None
    accuracy: float

    @property
    def error(self) -> float:
        """1 - accuracy."""
        return 1 - self.accuracy

    def cost(self, metric: str) -> float:
        """One of ``METRICS``.

        Raises:
            ValueError: If there is no such metric, or it was not measured.
        """
        require_choice("metric", metric, METRICS)
        value = getattr(self, metric)
        if value is None:
            raise ValueError(
                f"`metric` must be one that the study has measured, but trial {self.trial} has no "
                f"{metric}: give the objective a `latency`."
            )
        return float(value)


def read_results(study: Study) -> tuple[ScalingResult, ...]:
    """Return the complete trials of a study of scaled networks, in order.

    Raises:
        ValueError: If the study has none, or minimises.
    """
    if study.direction != StudyDirection.MAXIMIZE:
        raise ValueError(f"`study` must maximise accuracy, but {study.study_name!r} minimises.")
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    found: list[tuple[int, Any, float]] = [
        (trial.number, facts, trial.values[0])
        for trial in complete
        if (facts := RESULT.read(trial)) is not None and _is_finite(trial)
    ]
    if not found:
        raise ValueError(
            f"`study` must have complete trials of scaled networks, but {study.study_name!r} has "
            "none: run a CompoundScalingObjective, ScalingStudyObjective or StrategyObjective."
        )
    return tuple(
        ScalingResult(trial=number, accuracy=value, **facts) for number, facts, value in found
    )


def _is_finite(trial: FrozenTrial) -> bool:
    if math.isfinite(trial.values[0]):
        return True
    pass_over(trial, RESULT_KEY, f"must be of a finite accuracy, but is of {trial.values[0]}")
    return False


def pareto_front(results: Iterable[ScalingResult], metric: str) -> tuple[ScalingResult, ...]:
    """Return the results that no other one beats in accuracy at the same cost or less.

    Args:
        results: Results of one regime, or their fronts mean little.
        metric: One of ``METRICS``.

    Returns:
        From the cheapest to the most expensive.
    """
    front: list[ScalingResult] = []
    for result in sorted(results, key=lambda r: (r.cost(metric), -r.accuracy)):
        if not front or result.accuracy > front[-1].accuracy:
            front.append(result)
    return tuple(front)
