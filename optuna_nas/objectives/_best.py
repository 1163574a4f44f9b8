"""The best trials of a study, each architecture counted once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_nas._ground.attributes import Attribute, integer, list_of, number
from optuna_nas._ground.checks import require_int
from optuna_nas._ground.trials import violation
from optuna_nas.keys import DERIVED_KEY
from optuna_nas.objectives._base import DIGEST
from optuna_nas.objectives.identity import STUDY

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

__all__ = ["best_trials", "derived_metrics"]


def _scored(value: object) -> tuple[int, float]:
    trial, metric = list_of(number(), at_least=2, at_most=2)(value)
    return integer()(trial), number()(metric)


def _shares(value: object) -> list[tuple[int, float]]:
    found = list_of(_scored)(value)
    for _, metric in found:
        number(0.0, 1.0)(metric)
    return found


DERIVED = Attribute(DERIVED_KEY, list_of(_scored))
SHARES = Attribute(DERIVED_KEY, _shares)  # of studies without a task: a metric in [0, 1]


def derived_metrics(study: Study) -> dict[int, float]:
    """Return what :meth:`SharedWeightsObjective.derive` has found last, by trial number."""
    kept = STUDY.read(study)
    derived = SHARES if kept is None or kept.task is None else DERIVED
    return dict(derived.read(study) or ())


def best_trials(study: Study, count: int) -> list[FrozenTrial]:
    """Return the best complete and feasible trials with different architectures, best first.

    In a study on shared weights, those that were scored on all validation examples come first; a
    value of their trials is that of a batch.

    Args:
        study: With a single objective.
        count: How many at most.

    Raises:
        ValueError: If the study has several objectives, where no trial is simply the best.
    """
    require_int("count", count, at_least=0)
    if len(study.directions) > 1:
        raise ValueError(
            f"The study {study.study_name!r} must have a single objective, but has "
            f"{len(study.directions)}: choose among study.best_trials."
        )
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
    derived = derived_metrics(study)

    def rank(trial: FrozenTrial) -> tuple[float, float, int]:
        scored = sign * derived[trial.number] if trial.number in derived else math.inf
        return (scored, sign * (trial.value or 0.0), trial.number)

    chosen: dict[Any, FrozenTrial] = {}
    feasible = [trial for trial in complete if violation(trial) <= 0.0]
    for trial in sorted(feasible, key=rank):
        digest = DIGEST.read(trial)
        chosen.setdefault(trial.number if digest is None else digest, trial)
    return list(chosen.values())[:count]
