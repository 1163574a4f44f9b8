"""The typed identity of a study: all settings by which the values of its trials can be compared.

A study keeps it as JSON (``optuna_nas:study``), whose keys never change.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from optuna_nas._ground.attributes import Decode, fields, integer, json_value, list_of, text
from optuna_nas.objectives.identity._parts import (
    ANYTHING,
    DARTSIdentity,
    DataIdentity,
    FunctionIdentity,
    Part,
    ProxyIdentity,
    RewardIdentity,
    ScaledIdentity,
    SharedWeightsIdentity,
    SpaceIdentity,
)
from optuna_nas.objectives.trial import METRIC, Value, reward_from_identity
from optuna_nas.training import Recipe, Task, task_from_identity

if TYPE_CHECKING:
    from optuna_nas.spaces import SearchSpace
    from optuna_nas.training import Data

__all__ = ["StudyIdentity", "differences", "recipe_from"]

_NOTHING: Mapping[str, Any] = {}


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class StudyIdentity:
    """Identity of a study: what is searched, on which data, and how its trials are evaluated.

    Two identities are equal when their JSON is.

    Attributes:
        space: Search space; None where sizes of a network are searched.
        objective: Name of the objective's class, where the study keeps it.
        data: Data that networks are trained and validated on.
        task: Loss, metric and direction; None: those of ``Task.classification()``.
        epochs: Number of epochs of a trial.
        build: Arguments for ``architecture.build``.
        supernet: Arguments for ``space.supernet``.
        recipe: Recipe of networks or the supernet, with the fields that its version knew; see
            :meth:`training_recipe`.
        score: Rule by which epochs make the value.
        reward: Reward that trials return instead of the metric.
        costs: Costs that they return beside it.
        latency: Meter of the latency, if that is one of the costs.
        evaluator: Evaluator of the user's that trains networks; None: this package does.
        proxy: Settings of a :class:`ProxyObjective`.
        darts: Settings of a :class:`DARTSObjective`.
        shared_weights: Settings of a :class:`SharedWeightsObjective`.
        function: Training loop of the user's own.
        scaled: Settings of an objective that scales a network.
        more: Settings of an objective of the user's own, or of another version.

    Example::

        from optuna_nas.objectives import StudyIdentity, read_identity

        identity = read_identity(study)
        print(identity.space.name, identity.data.name, identity.epochs)
        assert StudyIdentity.from_json(identity.to_json()) == identity
    """

    space: SpaceIdentity | None = None
    objective: str | None = None
    data: DataIdentity | None = None
    task: Mapping[str, Any] | None = None
    epochs: int | None = None
    build: Mapping[str, Any] | None = None
    supernet: Mapping[str, Any] | None = None
    recipe: Mapping[str, Any] | None = None
    score: str | None = None
    reward: RewardIdentity | None = None
    costs: list[str] | None = None
    latency: Any = None
    evaluator: Any = None
    proxy: ProxyIdentity | None = None
    darts: DARTSIdentity | None = None
    shared_weights: SharedWeightsIdentity | None = None
    function: FunctionIdentity | None = None
    scaled: ScaledIdentity | None = None
    more: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(
        cls,
        space: SearchSpace,
        data: Data | None,
        value: Mapping[str, Any] = _NOTHING,
        **parts: Any,
    ) -> Self:
        """Return the identity of an objective.

        Args:
            space: What it searches.
            data: What it evaluates by; None: no data of this package.
            value: What its trials return, as ``TrialValue.identity`` says it.
            parts: Further attributes.
        """
        returned = dict(value)
        if "reward" in returned:
            returned["reward"] = RewardIdentity.from_json(returned["reward"])
        return cls(
            space=SpaceIdentity.from_json(space.identity),
            data=None if data is None else DataIdentity.from_json(data.identity),
            **returned,
            **parts,
        )

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Decode what an objective of this package has written, of whatever version.

        Raises:
            ValueError: If it is malformed: "must be ..., but is ...".
        """
        items = ANYTHING(value)
        read: dict[str, Any] = {}
        if "scaled" not in items:
            SpaceIdentity.from_json(items)  # says what is missing
        for name, part in _PARTS.items():
            if part.stands_in(items):
                read[name] = part.from_json(items)
                items = {k: item for k, item in items.items() if k not in part._fields()}
        read |= fields({}, _SINGLE)(items)
        return cls(**read, more={k: item for k, item in items.items() if k not in _SINGLE})

    def to_json(self) -> dict[str, Any]:
        """Return the identity as a study keeps it."""
        written: dict[str, Any] = {}
        for name in _PARTS:
            part: Part | None = getattr(self, name)
            written |= {} if part is None else part.to_json()
        for name in _SINGLE:
            value = getattr(self, name)
            if value is not None:
                written[name] = value.to_json() if isinstance(value, Part) else value
        return {**written, **self.more}

    def differences(self, other: StudyIdentity) -> list[str]:
        """Say where another identity differs from this one, a text for each place.

        Settings of a recipe that were not there when this one was written have their defaults.
        """
        return differences("", _read_back(self._completed()), _read_back(other.to_json()))

    def training_recipe(self, **changes: Any) -> Recipe:
        """Return the recipe, with changes; fields that it lacks have their defaults.

        Raises:
            ValueError: If it has a field that a recipe has not, or a value is out of range.
        """
        return recipe_from({**(self.recipe or {}), **changes})

    def value(self) -> Value:
        """Return the argument ``value`` of an objective whose trials return the same.

        Raises:
            ValueError: If the reward is none of this package.
        """
        if self.reward is not None:
            return reward_from_identity(self.reward.to_json())
        return (METRIC, *self.costs) if self.costs else METRIC

    def training_task(self) -> Task | None:
        """Return the task; None if it is one of the user's own.

        Raises:
            ValueError: If a setting is out of range.
        """
        return Task.classification() if self.task is None else task_from_identity(self.task)

    @property
    def measured_by(self) -> Any:
        """Settings of the meter that a trial's value depends on, or its name; else None."""
        return self.latency if self.reward is None else self.reward.latency

    def evaluated_alone(self) -> StudyIdentity:
        """Return the identity of a study that trains what this one finds, each on its own.

        That of a one-shot search trains for as long as the search trains what it derives; any
        other is returned as it is.
        """
        found = None if self.darts is None else self.darts.evaluation
        if self.darts is None and self.shared_weights is None:
            return self
        return StudyIdentity(
            space=self.space,
            data=self.data,
            task=self.task,
            epochs=self.epochs if found is None else found.epochs,
            build=self.build,
            recipe=self.recipe if found is None or found.recipe is None else found.recipe,
            score="last",
        )

    def _completed(self) -> dict[str, Any]:
        written = self.to_json()
        if self.recipe is not None:
            written["recipe"] = {**Recipe().to_dict(), **self.recipe}
        return written

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StudyIdentity):
            return NotImplemented
        return bool(_read_back(self.to_json()) == _read_back(other.to_json()))


_PARTS: Mapping[str, type[Part]] = {
    "scaled": ScaledIdentity,
    "space": SpaceIdentity,
    "proxy": ProxyIdentity,
    "darts": DARTSIdentity,
    "shared_weights": SharedWeightsIdentity,
    "function": FunctionIdentity,
}
"""Parts whose fields stand beside those of the others in the JSON."""

_SINGLE: Mapping[str, Decode[Any]] = {
    "objective": text(),
    "data": DataIdentity.from_json,
    "task": ANYTHING,
    "epochs": integer(1),
    "build": ANYTHING,
    "supernet": ANYTHING,
    "recipe": ANYTHING,
    "score": text(),
    "reward": RewardIdentity.from_json,
    "costs": list_of(text()),
    "latency": json_value,
    "evaluator": json_value,
}


def recipe_from(kept: Mapping[str, Any]) -> Recipe:
    """Return the recipe of some fields.

    Raises:
        ValueError: If one is no field of a recipe, or a value is out of range.
    """
    unknown = sorted(kept.keys() - {field.name for field in dataclasses.fields(Recipe)})
    if unknown:
        raise ValueError(
            f"The recipe of a study must have fields of this version's Recipe, but has {unknown}: "
            "use the release of optuna-nas that wrote it."
        )
    return Recipe(**kept)


def _read_back(value: Any) -> Any:
    """The value as a storage gives it back: tuples are lists there."""
    return json.loads(json.dumps(value))


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
