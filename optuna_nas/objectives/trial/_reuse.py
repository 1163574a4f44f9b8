"""Reuses results: a trial whose run equals an earlier complete one's repeats it instead.

Equal means equal: everything that the result depends on but luck, see :func:`run_key`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from optuna_nas._ground import optuna_seam as seam
from optuna_nas._ground.attributes import Attribute, number, pass_over
from optuna_nas._ground.checks import require_int
from optuna_nas.keys import ACCURACY_KEY, COPY_KEY, RUN_KEY
from optuna_nas.objectives.trial._costs import COST_ATTRIBUTES
from optuna_nas.objectives.trial._runs import RUN, TrialsByKey
from optuna_nas.samplers.base import REPEAT

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

    from optuna_nas.objectives.trial._run import TrialRun

__all__ = ["METRIC_BESIDE", "ReusableRuns"]

METRIC_BESIDE = Attribute(ACCURACY_KEY, number())

Score = Callable[[list[float]], float]


class ReusableRuns:
    """Complete trials of studies whose results can be reused, by run.

    Args:
        epochs: Number of reports that a trial must have, at least 1; None: any.
        score: Makes a trial's value of its reports; None: it need not depend on them.
        within: Least and largest number that a report can be. Default: 0 to 1.

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(
        self,
        epochs: int | None,
        score: Score | None,
        *,
        within: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        if epochs is not None:
            require_int("epochs", epochs, at_least=1)
        self._score = score
        self._complete = TrialsByKey(
            functools.partial(_reusable_key, epochs=epochs, score=score, within=within)
        )

    def repeat(self, run: TrialRun, key: str) -> float | None:
        """Repeat the reports of an earlier trial that was the same run.

        Trials that the sampler wants evaluated again are never copies.

        Args:
            run: The trial.
            key: Key of its run.

        Returns:
            Its value; None if there is no such trial.
        """
        study = run.study
        if study is None or not run.takes_reports:
            return None
        if REPEAT.read_in(seam.trial_attributes(run.trial), run.trial):
            return None
        earlier = self._complete.find(study, key)
        return None if earlier is None else self._copied(run.trial, earlier)

    def _copied(self, trial: Trial, earlier: FrozenTrial) -> float:
        trial.set_user_attr(COPY_KEY, earlier.number)
        for attribute in (*COST_ATTRIBUTES, METRIC_BESIDE):  # those that hold for the copy too
            value = attribute.read(earlier)
            if value is not None:
                trial.set_user_attr(attribute.key, value)
        reports = sorted(earlier.intermediate_values.items())
        for epoch, value in reports:
            trial.report(value, epoch)
        if self._score is None:
            return float(earlier.values[0])
        return self._score([value for _, value in reports])


def _reusable_key(
    trial: FrozenTrial, epochs: int | None, score: Score | None, within: tuple[float, float]
) -> str | None:
    """Run key of a complete trial whose result can be reused, else None."""
    if trial.state != TrialState.COMPLETE or (key := RUN.read(trial)) is None:
        return None
    steps = sorted(trial.intermediate_values)
    reports = [trial.intermediate_values[step] for step in steps]
    right_steps = epochs is None or steps == list(range(1, epochs + 1))
    if right_steps and all(within[0] <= r <= within[1] for r in reports):
        value = trial.values[0] if score is None else score(reports)
        if math.isclose(value, trial.values[0], rel_tol=1e-6, abs_tol=1e-12):
            return key
    number = "" if epochs is None else f"{epochs} "
    rule = f"{number}reports in [{within[0]:g}, {within[1]:g}] that make the trial's value"
    pass_over(trial, RUN_KEY, f"must be of {rule}, but is not")
    return None
