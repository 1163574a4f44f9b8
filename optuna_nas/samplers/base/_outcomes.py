"""One order of outcomes for every sampler: complete, then pruned, infeasible and failed trials.

Under a pruner most trials of a study end pruned, so a sampler that learns from complete trials
only learns from few. Here every finished trial has a place in one total order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_nas._ground.trials import violation

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

__all__ = ["Outcome", "outcome_key"]

Outcome = tuple[int, float, float]


def outcome_key(trial: FrozenTrial, directions: Sequence[StudyDirection]) -> Outcome:
    """Return the sort key of a finished trial; smaller is better.

    Complete trials come first, by value; then pruned ones, by how far they came and then by the
    value there; then infeasible ones (a constraint above 0), by total violation; then failed
    ones. Trials of equal outcome have equal keys.

    Args:
        trial: A finished trial.
        directions: Directions of the study. With several, all complete and feasible trials are
            equal.

    Returns:
        A tuple of three floats, comparable with those of other trials of the study.
    """
    sign = -1.0 if directions[0] == StudyDirection.MAXIMIZE else 1.0
    if trial.state == TrialState.FAIL:
        return (3, 0.0, 0.0)
    if (violated := violation(trial)) > 0.0:
        return (2, violated, 0.0)
    if trial.state == TrialState.COMPLETE:
        return (0, sign * trial.values[0] if len(directions) == 1 else 0.0, 0.0)
    step = trial.last_step
    if step is None:
        return (1, math.inf, math.inf)
    value = sign * trial.intermediate_values[step]
    return (1, -float(step), math.inf if math.isnan(value) else value)
