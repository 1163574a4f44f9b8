"""What a study of scaled networks has measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna.study import StudyDirection
from optuna.trial import TrialState

if TYPE_CHECKING:
    from optuna.study import Study

__all__ = ["DIMENSIONS", "METRICS", "RESULT_KEY", "ScalingResult", "pareto_front", "read_results"]

RESULT_KEY = "optuna_nas:scaled"
"""User attribute of a trial: the network that it judged and what that costs."""

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
        if metric not in METRICS:
            raise ValueError(f"`metric` must be one of {METRICS}, but got metric={metric!r}.")
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
        (trial.number, trial.user_attrs[RESULT_KEY], trial.values[0])
        for trial in complete
        if RESULT_KEY in trial.user_attrs
    ]
    if not found:
        raise ValueError(
            f"`study` must have complete trials of scaled networks, but {study.study_name!r} has "
            "none: run a CompoundScalingObjective, ScalingStudyObjective or StrategyObjective."
        )
    return tuple(
        ScalingResult(trial=number, accuracy=value, **facts) for number, facts, value in found
    )


def pareto_front(results: Iterable[ScalingResult], metric: str) -> tuple[ScalingResult, ...]:
    """Return the results that no other one beats in accuracy at the same cost or less.

    Args:
        results: Of one regime, or their fronts mean little.
        metric: One of ``METRICS``.

    Returns:
        From the cheapest to the dearest.
    """
    front: list[ScalingResult] = []
    for result in sorted(results, key=lambda r: (r.cost(metric), -r.accuracy)):
        if not front or result.accuracy > front[-1].accuracy:
            front.append(result)
    return tuple(front)
