"""Which trials of a study are the best, each architecture counted once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_nas.objectives._training import DIGEST_KEY

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

__all__ = ["DERIVED_KEY", "best_trials", "derived_accuracies"]

DERIVED_KEY = "optuna_nas:derived"
"""User attribute of a study: (trial, accuracy on all validation images) of the children that
``SharedWeightsObjective.derive`` has scored last."""


def derived_accuracies(study: Study) -> dict[int, float]:
    """Return what :meth:`SharedWeightsObjective.derive` has found last, by trial number."""
    return {number: accuracy for number, accuracy in study.user_attrs.get(DERIVED_KEY, [])}


def best_trials(study: Study, count: int) -> list[FrozenTrial]:
    """Return the best complete and feasible trials with different architectures, best first.

    In a study on shared weights, those that were scored on all validation images come first; a
    value of their trials is that of a batch.

    Args:
        study: With a single objective.
        count: How many at most.

    Raises:
        ValueError: If the study has several objectives, where no trial is simply the best.
    """
    if len(study.directions) > 1:
        raise ValueError(
            f"The study {study.study_name!r} must have a single objective, but has "
            f"{len(study.directions)}: choose among study.best_trials."
        )
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
    derived = derived_accuracies(study)

    def rank(trial: FrozenTrial) -> tuple[float, float, int]:
        return (-derived.get(trial.number, -1.0), sign * (trial.value or 0.0), trial.number)

    chosen: dict[Any, FrozenTrial] = {}
    feasible = [t for t in complete if all(value <= 0.0 for value in t.constraints.values())]
    for trial in sorted(feasible, key=rank):
        chosen.setdefault(trial.user_attrs.get(DIGEST_KEY, trial.number), trial)
    return list(chosen.values())[:count]
