"""The baseline of every search: the best of a random search within the same number of epochs.

References:
    Li and Talwalkar, Random Search and Reproducibility for Neural Architecture Search, arXiv
    1902.07638. Yu et al., Evaluating the Search Phase of Neural Architecture Search, arXiv
    1902.08142.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_nas._ground import optuna_seam as seam
from optuna_nas.final._candidate import Candidate, of_trial
from optuna_nas.objectives import fail_dead_trials
from optuna_nas.objectives.identity import was_refused
from optuna_nas.objectives.trial import COPY
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.stores import optimize

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

    from optuna_nas.spaces import SearchSpace
    from optuna_nas.training import Data, Recipe, Task

__all__ = ["RANDOM", "epochs_spent", "random_search", "random_search_pick"]

RANDOM = "random search"
_SEED = 190_207_638
_TRIALS_PER_TRIAL = 10  # a small space repeats itself, and repetitions cost no epochs


def epochs_spent(study: Study) -> int:
    """Return how many epochs the trials of a study were trained, copied results left out."""
    return sum(_epochs(trial) for trial in study.get_trials(deepcopy=False))


def random_search(
    study: Study,
    objective: Callable[[Trial], float | tuple[float, ...]],
    space: SearchSpace,
    *,
    seed: int = _SEED,
    max_trials: int | None = None,
) -> Study:
    """Search at random until as many epochs are spent as another search has spent.

    It is a study of its own in the same storage, called as the other one with ``-random`` behind,
    with the same objective and pruner. It goes on where it was interrupted.

    Args:
        study: The other search.
        objective: Objective of the other search.
        space: Space that is searched.
        seed: Seed of the sampler; not that of the search, whose first trials may be alike.
        max_trials: An upper limit on trials, for searches that are too expensive to be repeated.

    Raises:
        ValueError: If the other search has spent no epochs that are known of.
    """
    budget = epochs_spent(study)
    if budget == 0:
        raise ValueError(
            f"The study {study.study_name!r} must have reported epochs, which a random search of "
            "equal budget would spend, but has reported none: leave random search out."
        )
    storage, _ = seam.study_key(study)
    random_study = optuna.create_study(
        storage=storage,
        study_name=f"{study.study_name}-random",
        direction=study.direction,
        sampler=RandomSearchSampler(seed=seed, space=space),
        pruner=study.pruner,
        load_if_exists=True,
    )
    fail_dead_trials(random_study)
    limit = _TRIALS_PER_TRIAL * len(study.get_trials(deepcopy=False))
    limit = limit if max_trials is None else min(limit, max_trials)

    def is_over() -> bool:
        return epochs_spent(random_study) >= budget or len(_ended(random_study)) >= limit

    def stop_in_time(random_study: Study, _: FrozenTrial) -> None:
        if is_over():
            random_study.stop()

    if not is_over():
        optimize(random_study, objective, callbacks=[stop_in_time])
    return random_study


def random_search_pick(
    random_study: Study,
    space: SearchSpace,
    data: Data,
    *,
    epochs: int,
    task: Task | None = None,
    build: Mapping[str, Any] | None = None,
    recipe: Callable[[FrozenTrial], Recipe] | None = None,
) -> Candidate:
    """Return the best architecture that a random search has found within a number of epochs.

    Args:
        random_study: The random search: :func:`random_search`, or any study of yours.
        space: Space that it searches.
        data: Data on which the network will be trained.
        epochs: The budget; later trials are not looked at.
        task: Task for which it will be; None: that of the data.
        build: See :func:`of_architecture`.
        recipe: See :func:`found`.

    Raises:
        ValueError: If no trial was complete by then.
    """
    considered: list[FrozenTrial] = []
    spent = 0
    for trial in _ended(random_study):
        if spent >= epochs:
            break
        considered.append(trial)
        spent += _epochs(trial)
    complete = [trial for trial in considered if trial.state == TrialState.COMPLETE]
    if not complete:
        raise ValueError(
            f"The random search {random_study.study_name!r} must have a complete trial within "
            f"{epochs} epochs, but has none: give the search more trials."
        )
    sign = -1 if random_study.direction == StudyDirection.MAXIMIZE else 1
    best = min(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number))
    return of_trial(
        random_study,
        best,
        space,
        data,
        name=f"random-{best.number}",
        task=task,
        build=build,
        recipe=recipe,
        role=RANDOM,
        origin={"search_trials": len(considered), "search_epochs": spent},
    )


def _epochs(trial: FrozenTrial) -> int:
    is_own = COPY.read(trial) is None and not was_refused(trial)
    return len(trial.intermediate_values) if is_own else 0


def _ended(study: Study) -> list[FrozenTrial]:
    trials = study.get_trials(deepcopy=False)
    return [trial for trial in trials if trial.state.is_finished() and not was_refused(trial)]
