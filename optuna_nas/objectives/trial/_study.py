"""A study knows what it is: what was searched, on which data, for how long.

Trials that were judged differently cannot be compared, so going on with other settings is an
error that lists the differences.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from optuna.exceptions import ExperimentalWarning
from optuna.study import StudyDirection

from optuna_nas import _optuna_seam as seam
from optuna_nas._attributes import (
    Attribute,
    fields,
    integer,
    json_value,
    list_of,
    mapping,
    number,
    text,
    truth,
)
from optuna_nas._per_process import PerProcess
from optuna_nas.keys import STUDY_KEY
from optuna_nas.objectives.trial._value import TrialValue
from optuna_nas.training import Recipe

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study

__all__ = ["SettledStudies", "differences", "read_identity"]

_ANYTHING = mapping(json_value)
_DATA = fields(
    {"name": text()},
    {
        "in_channels": integer(1),
        "image_size": list_of(integer(1), at_least=2, at_most=2),
        **{f"{part}_size": integer() for part in ("train", "val", "test")},
        "split_seed": integer(),
    },
    others=json_value,
)
_REWARD = fields(
    {"target": number()}, {"cost": text(), "exponent": number(), "hard": truth}, others=json_value
)
_PARTS = {
    "epochs": integer(1),
    "score": text(),
    "data": _DATA,
    "reward": _REWARD,
    **dict.fromkeys(("build", "recipe", "supernet"), _ANYTHING),
}
_OF_A_SPACE = fields(
    {"space": text(), "settings": _ANYTHING, "version": json_value}, _PARTS, others=json_value
)
_OF_A_NETWORK = fields({"scaled": text()}, _PARTS, others=json_value)


def _identity(value: object) -> dict[str, Any]:
    """Decode what an objective of this package has written, of whatever version."""
    is_scaled = isinstance(value, dict) and "scaled" in value
    return (_OF_A_NETWORK if is_scaled else _OF_A_SPACE)(value)


STUDY = Attribute(STUDY_KEY, _identity)


def read_identity(study: Study) -> dict[str, Any] | None:
    """What the study says of itself, or None if no objective of this package ran in it.

    Raises:
        ValueError: If that is damaged.
    """
    return STUDY.require(study)


class _Judge(Protocol):
    """An objective that returns one number, the more the better."""

    @property
    def identity(self) -> dict[str, Any]:
        """What it judges, ready for JSON."""


class SettledStudies(PerProcess):
    """The studies that an objective has been found to fit; each is asked once.

    Args:
        value: What trials return.
        metric: Name of the metric, in plots and in the dashboard.
    """

    def __init__(
        self, value: TrialValue | None = None, metric: str = "validation accuracy"
    ) -> None:
        self._value = value or TrialValue()
        self.metrics = self._value.names(metric)
        self._forget()

    def _forget(self) -> None:
        self._settled: set[tuple[BaseStorage, int]] = set()

    def settle(self, study: Study, judge: _Judge, *, alone: bool = True) -> None:
        """Write what the study is, or check that it is this.

        Args:
            study: The study that a trial belongs to.
            judge: The objective.
            alone: Whether a single value must be the only one of a trial.

        Raises:
            ValueError: If the study has other directions or other settings; all differences of
                the settings are named.
        """
        if seam.study_key(study) in self._settled:
            return
        self._check_directions(study, judge, alone=alone)
        _settle_identity(study, judge.identity, self.metrics)
        self._settled.add(seam.study_key(study))

    def _check_directions(self, study: Study, judge: _Judge, *, alone: bool) -> None:
        wanted = self._value.directions
        if study.directions == [StudyDirection[direction.upper()] for direction in wanted]:
            return
        name = type(judge).__name__
        if len(wanted) > 1:
            raise ValueError(
                f"{name} returns {', '.join(self.metrics)}, but the study {study.study_name!r} "
                f"has other directions: create it with directions={wanted}."
            )
        if alone or len(study.directions) == 1:
            raise ValueError(
                f"{name} returns one number, the more the better, but the study "
                f"{study.study_name!r} does not maximise one value: create it with "
                'direction="maximize".'
            )


def _settle_identity(study: Study, identity: Mapping[str, Any], metrics: Sequence[str]) -> None:
    ours = json.loads(json.dumps(identity))
    theirs = _completed(read_identity(study))
    if theirs is None:
        study.set_user_attr(STUDY_KEY, ours)
        _name_metrics(study, metrics)
        return
    different = differences("", theirs, ours)
    if different:
        raise ValueError(
            f"The study {study.study_name!r} was begun with other settings: "
            f"{'; '.join(different)}. Go on with the study's own settings, or take another "
            "study_name."
        )


def _completed(identity: dict[str, Any] | None) -> dict[str, Any] | None:
    """Add the settings of a recipe that there were not yet when the study was begun."""
    if identity is None or "recipe" not in identity:
        return identity
    return {**identity, "recipe": {**Recipe().to_dict(), **identity["recipe"]}}


def _name_metrics(study: Study, metrics: Sequence[str]) -> None:
    """Say in plots and in the dashboard what the values are, unless the user has said so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        if len(study.directions) == len(metrics) and study.metric_names is None:
            study.set_metric_names(list(metrics))


def differences(path: str, theirs: Any, ours: Any) -> list[str]:
    """Say where two JSON-able values differ, with the path to each place."""
    if theirs == ours:
        return []
    if isinstance(theirs, dict) and isinstance(ours, dict):
        keys = sorted({*theirs, *ours})
        return [
            difference
            for key in keys
            for difference in differences(f"{path}.{key}", theirs.get(key), ours.get(key))
        ]
    return [f"{path.lstrip('.')} was {theirs!r} and is now {ours!r}"]
