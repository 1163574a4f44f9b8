"""The settings of a study: those of the first trial that finishes.

Trials that were evaluated differently cannot be compared, so going on with other settings is an
error that lists the differences. A trial that fails binds nobody: settings with a mistake in them
must not take the name of a study. Until a trial has finished, the running ones keep the settings
that they are evaluated with, so that a search that was killed in its first trial can go on.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import optuna
from optuna.study import StudyDirection
from optuna.trial import Trial, TrialState

from optuna_nas._ground import optuna_seam as seam
from optuna_nas._ground.attributes import Attribute, fields, text, truth
from optuna_nas._ground.per_process import PerProcess
from optuna_nas.keys import (
    CHECKPOINT_KEY,
    REFUSED_KEY,
    SETTINGS_KEY,
    STUDY_KEY,
    WORKER_KEY,
)
from optuna_nas.objectives.identity._study_identity import StudyIdentity
from optuna_nas.objectives.trial import TrialValue

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial

__all__ = ["STUDY", "StudyCheck", "read_identity", "recorded_identity", "was_refused"]

STUDY = Attribute(STUDY_KEY, StudyIdentity.from_json)

SETTINGS = Attribute(
    SETTINGS_KEY, fields({"identity": StudyIdentity.from_json, "finishes": truth})
)

REFUSED = Attribute(REFUSED_KEY, text(100_000))

_UNFINISHED = (TrialState.RUNNING, TrialState.WAITING)
_KEPT_STATES = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)


def read_identity(study: Study) -> StudyIdentity | None:
    """Return the settings of a study: recorded ones, else those of its first unfinished trial.

    Returns:
        None if no trial of an objective of this package runs or has finished.

    Raises:
        ValueError: If what is recorded is damaged.
    """
    recorded = recorded_identity(study)
    if recorded is not None:
        return recorded
    for trial in study.get_trials(deepcopy=False, states=_UNFINISHED):
        settings = SETTINGS.read(trial)
        if settings is not None:
            identity: StudyIdentity = settings["identity"]
            return identity
    return None


def recorded_identity(study: Study) -> StudyIdentity | None:
    """Return the settings that are binding for a study; None before a trial has finished.

    Raises:
        ValueError: If they are damaged.
    """
    return STUDY.require(study)


def was_refused(trial: FrozenTrial) -> bool:
    """Whether a trial failed because of its settings, so that it is none of the search's."""
    return REFUSED.read(trial) is not None


class _Identified(Protocol):
    """An objective, as far as its study is concerned."""

    @property
    def identity(self) -> StudyIdentity:
        """Its settings."""


class StudyCheck(PerProcess):
    """Checks that studies have the settings of an objective, and records them.

    A study that was found to have them is not asked again.

    Args:
        value: Value of the trials.
        metric: Name of the metric, in plots and in the dashboard.
    """

    def __init__(self, value: TrialValue | None = None, metric: str = "validation metric") -> None:
        self._value = value or TrialValue()
        self.metrics = self._value.names(metric)
        self._forget()

    def _forget(self) -> None:
        self._equal: set[tuple[BaseStorage, int]] = set()

    def check(self, study: Study, objective: _Identified, *, alone: bool = True) -> None:
        """Check that an objective can evaluate a study; nothing is written.

        Args:
            study: Any study.
            objective: The objective.
            alone: Whether a single value must be the only one of a trial.

        Raises:
            ValueError: If the study has other directions or other settings; all differences of
                the settings are named.
        """
        if seam.study_key(study) in self._equal:
            return
        self._check_directions(study, objective, alone=alone)
        recorded = recorded_identity(study)
        if recorded is None:
            return
        _check_settings(study, recorded, objective.identity)
        self._equal.add(seam.study_key(study))

    def begin(self, trial: Trial, objective: _Identified, *, alone: bool = True) -> None:
        """Check the study of a trial; if it has no settings yet, the trial keeps them.

        Raises:
            ValueError: As :meth:`check`. The trial is marked, and one that was enqueued waits
                again.
        """
        study = trial.study
        if seam.study_key(study) in self._equal:
            return
        try:
            self.check(study, objective, alone=alone)
        except ValueError as e:
            _refuse(trial, e, requeue=True)
            raise
        if seam.study_key(study) in self._equal:
            return
        earlier, identity = SETTINGS.read(trial), objective.identity
        if earlier is not None and earlier["identity"] != identity:
            # Queued again after a crash of another run, whose state is of no use to this one.
            if CHECKPOINT_KEY in trial.user_attrs:
                trial.set_user_attr(CHECKPOINT_KEY, f"checkpoint-{uuid.uuid4().hex}")
        _write_settings(trial, identity, finishes=False)

    def finish(self, trial: Trial, objective: _Identified) -> None:
        """Record the settings of a trial that is about to finish, if it is the first one.

        Raises:
            ValueError: If a trial with other settings was faster. The trial is marked.
        """
        study = trial.study
        if seam.study_key(study) in self._equal:
            return
        identity = objective.identity
        try:
            recorded = recorded_identity(study)
            if recorded is not None:
                _check_settings(study, recorded, identity)
            else:
                # Writing first and reading then: of two trials that finish at the same time, at
                # least one sees the other.
                _write_settings(trial, identity, finishes=True)
                _check_others(study, trial, identity)
        except ValueError as e:
            _refuse(trial, e, requeue=False)
            raise
        if recorded is None:
            study.set_user_attr(STUDY_KEY, identity.to_json())
            _name_metrics(study, self.metrics)
        self._equal.add(seam.study_key(study))

    def _check_directions(self, study: Study, objective: _Identified, *, alone: bool) -> None:
        wanted = self._value.directions
        if study.directions == [StudyDirection[direction.upper()] for direction in wanted]:
            return
        name = type(objective).__name__
        if len(wanted) > 1:
            raise ValueError(
                f"{name} returns {', '.join(self.metrics)}, but the study {study.study_name!r} "
                f"has other directions: create it with directions={wanted}."
            )
        if alone or len(study.directions) == 1:
            is_error = wanted[0] == "minimize"
            better, verb = ("less", "minimise") if is_error else ("more", "maximise")
            raise ValueError(
                f"{name} returns one number, the {better} the better, but the study "
                f"{study.study_name!r} does not {verb} one value: create it with "
                f'direction="{wanted[0]}".'
            )


def _check_settings(study: Study, theirs: StudyIdentity, ours: StudyIdentity) -> None:
    if different := theirs.differences(ours):
        raise ValueError(
            f"The study {study.study_name!r} was created with other settings: "
            f"{'; '.join(different)}. Go on with the study's own settings, or take another "
            "study_name."
        )


def _check_others(study: Study, trial: Trial, identity: StudyIdentity) -> None:
    """Refuse to finish beside a trial of other settings that does so."""
    for other in study.get_trials(deepcopy=False, states=_KEPT_STATES):
        settings = SETTINGS.read(other)
        if other.number != trial.number and settings is not None and settings["finishes"]:
            _check_settings(study, settings["identity"], identity)


def _write_settings(trial: Trial, identity: StudyIdentity, *, finishes: bool) -> None:
    trial.set_user_attr(SETTINGS_KEY, {"identity": identity.to_json(), "finishes": finishes})


def _refuse(trial: Trial, error: ValueError, *, requeue: bool) -> None:
    """Mark a trial that Optuna is going to fail, and give back what was enqueued for it."""
    trial.set_user_attr(REFUSED_KEY, f"{error}")
    kept = seam.trial_attributes(trial)
    if requeue and seam.FIXED_PARAMS.key in kept:
        own = (WORKER_KEY, REFUSED_KEY)
        user_attrs = {key: value for key, value in trial.user_attrs.items() if key not in own}
        trial.study.add_trial(
            optuna.create_trial(state=TrialState.WAITING, user_attrs=user_attrs, system_attrs=kept)
        )


def _name_metrics(study: Study, metrics: Sequence[str]) -> None:
    """Say in plots and in the dashboard what the values are, unless the user has said so."""
    if len(study.directions) == len(metrics) and study.metric_names is None:
        seam.name_metrics(study, metrics)
