"""Every use of Optuna's private API, in one place, written against Optuna 5.0."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study.study import _SYSTEM_ATTR_METRIC_NAMES
from optuna.trial import BaseTrial, FixedTrial, FrozenTrial, Trial, TrialState

from optuna_nas._ground.attributes import Attribute, integer, list_of, mapping

if TYPE_CHECKING:
    from optuna.artifacts._protocol import ArtifactStore as _ArtifactStore
    from optuna.study import Study

    ArtifactStore: TypeAlias = _ArtifactStore

FAILED_TRIAL = Attribute("failed_trial", integer(), system=True)
"""Optuna's own: number of the trial that this one tries again."""

RETRY_HISTORY = Attribute("retry_history", list_of(integer()), system=True)
"""Optuna's own: numbers of the trials that this one tries again, the first one first."""

FIXED_PARAMS: Attribute[dict[str, Any]] = Attribute(
    "fixed_params", mapping(lambda value: value), system=True
)
"""Optuna's own: what was enqueued; which values fit is seen when they are asked for."""


def some_trials(study: Study, numbers: Iterable[int], first: int) -> list[FrozenTrial]:
    """The trials of some numbers and all from ``first`` on, uncopied.

    Other processes' trials are read from the storage at most once per trial of this thread.
    """
    if not in_one_process(study):
        trials = study._get_trials(deepcopy=False, use_cache=True)
        return [*(trials[number] for number in numbers), *trials[first:]]
    storage, found = study._storage, []
    for number in itertools.chain(numbers, itertools.count(first)):  # a list of all costs more
        try:
            trial_id = storage.get_trial_id_from_study_id_trial_number(study._study_id, number)
        except KeyError:
            break
        found.append(storage.get_trial(trial_id))
    return found


def read_afresh(study: Study) -> None:
    """Let :func:`some_trials` see what others did since this thread's last trial began."""
    study._thread_local.cached_all_trials = None


def study_key(study: Study) -> tuple[BaseStorage, int]:
    """Key of a study within this process (Hyperband's brackets are one study)."""
    return study._storage, study._study_id


def in_one_process(study: Study) -> bool:
    """Whether no other process can take part in the study."""
    return isinstance(study._storage, InMemoryStorage)


def set_trial_attribute(study: Study, trial: FrozenTrial, key: str, value: Any) -> None:
    """Write a system attribute of an unfinished trial (a sampler has no other way to write)."""
    study._storage.set_trial_system_attr(trial._trial_id, key, value)


def is_live(trial: object) -> TypeGuard[Trial]:
    """Whether a trial is being run in a study; a ``FixedTrial`` belongs to none."""
    return isinstance(trial, Trial)


def study_of(trial: object) -> Study | None:
    """Return the study of a live trial, None for any other."""
    return trial.study if is_live(trial) else None


def takes_reports(trial: object) -> bool:
    """Whether Optuna takes reports of a trial: not in studies with several objectives."""
    study = study_of(trial)
    return study is None or len(study.directions) == 1


def trial_attributes(trial: Trial) -> dict[str, Any]:
    """System attributes of a live trial, read afresh."""
    return dict(trial.storage.get_trial_system_attrs(trial._trial_id))


def name_metrics(study: Study, names: Sequence[str]) -> None:
    """Do ``study.set_metric_names`` without its warning.

    To silence a warning is to change the filters of all threads, and Python then shows again
    what it has shown once.
    """
    storage, study_id = study_key(study)
    storage.set_study_system_attr(study_id, _SYSTEM_ATTR_METRIC_NAMES, [*names])


def first_number(trial: BaseTrial) -> int:
    """Number of the trial that this one tries again after a crash, else its own."""
    if not is_live(trial):
        return trial.number
    first = FAILED_TRIAL.read_in(trial_attributes(trial), trial)
    return trial.number if first is None else first


def reported_steps(trial: BaseTrial) -> set[int]:
    """Steps that a live trial has values of, such as those that a retried trial inherits."""
    if not is_live(trial):
        return set()
    return set(trial.storage.get_trial(trial._trial_id).intermediate_values)


def stored_state(trial: Trial) -> TrialState:
    """State of a live trial in the storage, where another process may have ended it."""
    return trial.storage.get_trial(trial._trial_id).state


def enqueued_params(trial: FrozenTrial) -> dict[str, Any]:
    """Parameters that were enqueued for a trial, as a sampler sees it."""
    return FIXED_PARAMS.read(trial) or {}


def fixed_params(trial: object) -> dict[str, Any]:
    """Parameters enqueued for a live trial or given to a ``FixedTrial``; else empty."""
    if isinstance(trial, FixedTrial):
        return dict(trial._params)
    fixed = getattr(trial, "_fixed_params", {})
    return dict(fixed) if isinstance(fixed, dict) else {}


def changes_distribution(error: ValueError) -> bool:
    """Whether Optuna refuses a parameter that has had another distribution in the study.

    It has no exception for that: only the text tells it from other wrong arguments.
    """
    return any(text in str(error) for text in ("dynamic value space", "distribution kind"))
