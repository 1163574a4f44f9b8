"""Which trials of a study are the best, each architecture counted once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_nas.objectives._training import DIGEST_KEY

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

__all__ = ["best_trials"]


def best_trials(study: Study, count: int) -> list[FrozenTrial]:
    """Return the best complete trials with different architectures, best first.

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
    chosen: dict[Any, FrozenTrial] = {}
    for trial in sorted(complete, key=lambda t: (sign * (t.value or 0.0), t.number)):
        chosen.setdefault(trial.user_attrs.get(DIGEST_KEY, trial.number), trial)
    return list(chosen.values())[:count]
