"""The parts of a study's identity: values that know how their JSON is read.

Every field is decoded where it is read, since other programs write to a storage as well. A field
that is None was not there; keys that this version does not know are kept in ``more``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from optuna_nas._ground.attributes import (
    Decode,
    fields,
    integer,
    json_value,
    list_of,
    mapping,
    number,
    optional,
    text,
    truth,
)
from optuna_nas._ground.checks import shown
from optuna_nas.spaces import SPACES, space_from_settings

if TYPE_CHECKING:
    from optuna_nas.spaces import SearchSpace

__all__ = [
    "ANYTHING",
    "DARTSIdentity",
    "DataIdentity",
    "EvaluationIdentity",
    "FunctionIdentity",
    "Part",
    "ProxyIdentity",
    "RewardIdentity",
    "ScaledIdentity",
    "SharedWeightsIdentity",
    "SpaceIdentity",
]

ANYTHING = mapping(json_value)
_NOTHING: Mapping[str, Any] = {}


def _kept(decode: Decode[Any], *, key: str | None = None, always: bool = False) -> Any:
    """Declare a field of a part.

    Args:
        decode: Decoder of its JSON.
        key: Its name in the JSON; None: the field's own.
        always: Whether it is written even if it is None, and must be there when it is read.
    """
    metadata = {"decode": decode, "key": key, "always": always}
    if always:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(metadata=metadata, default=None)


class Part:
    """Base of the parts of an identity: dataclasses whose fields say how their JSON is read."""

    @classmethod
    def _fields(cls) -> dict[str, dataclasses.Field[Any]]:
        """Fields by their key in the JSON; ``more``, which has no key, is not among them."""
        kept = [field for field in dataclasses.fields(cls) if field.metadata]  # type: ignore[arg-type]
        return {field.metadata["key"] or field.name: field for field in kept}

    @classmethod
    def _decoder(cls, others: Decode[Any] | None) -> Decode[dict[str, Any]]:
        by_key = cls._fields()
        decoders = {key: field.metadata["decode"] for key, field in by_key.items()}
        required = {key for key, field in by_key.items() if field.metadata["always"]}
        return fields(
            {key: decode for key, decode in decoders.items() if key in required},
            {key: decode for key, decode in decoders.items() if key not in required},
            others=others,
        )

    @classmethod
    def stands_in(cls, items: Mapping[str, Any]) -> bool:
        """Whether a mapping has all fields that the part is always written with."""
        always = {key for key, field in cls._fields().items() if field.metadata["always"]}
        return always <= items.keys()

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Decode a part.

        Raises:
            ValueError: If it is malformed: "must be ..., but is ...".
        """
        keeps_more = any(field.name == "more" for field in dataclasses.fields(cls))  # type: ignore[arg-type]
        read = cls._decoder(json_value if keeps_more else None)(value)
        known = cls._fields()
        given = {field.name: read[key] for key, field in known.items() if key in read}
        more = {key: item for key, item in read.items() if key not in known}
        return cls(**given, **({"more": more} if keeps_more else {}))

    def to_json(self) -> dict[str, Any]:
        """Return the part as a study keeps it."""
        written = {}
        for key, field in self._fields().items():
            value = getattr(self, field.name)
            if value is not None or field.metadata["always"]:
                written[key] = value.to_json() if isinstance(value, Part) else value
        return {**written, **getattr(self, "more", _NOTHING)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpaceIdentity(Part):
    """The search space.

    Attributes:
        name: ``space.name``.
        settings: Its settings.
        version: Version of the meaning of its decisions.
    """

    name: str = _kept(text(), key="space", always=True)
    settings: Mapping[str, Any] = _kept(ANYTHING, always=True)
    version: Any = _kept(json_value, always=True)

    @property
    def is_ours(self) -> bool:
        """Whether it is one of this package, which needs not be given again."""
        return self.name in SPACES

    @property
    def shown_name(self) -> str:
        """The name that the user knows it by: that of the function that is a space."""
        return str(self.settings.get("function", self.name))

    def make(self) -> SearchSpace:
        """Make the space.

        Raises:
            ValueError: If it is not one of this package, or of another version of it.
        """
        if not self.is_ours:
            raise ValueError(
                "`space` must be given, since the study searches a space of your own "
                f"({shown(self.shown_name)}), which is never imported from a name in a storage: "
                "pass space=..."
            )
        return space_from_settings(self.to_json())


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataIdentity(Part):
    """Data and their splits.

    Attributes:
        name: Name for ``load_data``, or that of data of the user's own.
        in_channels: Number of channels, where there are some.
        image_size: Height and width, likewise.
        train_size: Examples to train with.
        val_size: Examples to validate with.
        test_size: Examples to test with.
        split_seed: Chooses the splits.
        stream: Whether examples are read from their files in training.
        target: Columns of a file that are predicted.
        task: Task of those columns, "regression" or "classification".
        more: Further keys that name them, such as ``content_hash``.
    """

    name: str = _kept(text(), always=True)
    in_channels: int | None = _kept(integer(1))
    image_size: list[int] | None = _kept(list_of(integer(1), at_least=2, at_most=2))
    train_size: int | None = _kept(integer())
    val_size: int | None = _kept(integer())
    test_size: int | None = _kept(integer())
    split_seed: int | None = _kept(integer())
    stream: bool | None = _kept(truth)
    target: Any = _kept(json_value)
    task: Any = _kept(json_value)
    more: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def inputs(self) -> Any:
        """Inputs of networks, for ``InputSpec.of``; None: they are not kept."""
        return self.input_size or self.more.get("inputs")

    @property
    def input_size(self) -> tuple[int, int, int] | None:
        """Channels, height and width, if they are kept."""
        if self.in_channels is None or self.image_size is None:
            return None
        height, width = self.image_size
        return self.in_channels, height, width

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of ``load_data`` beside the name, which make the same splits."""
        sizes = ("train_size", "val_size", "test_size")
        names = (*sizes, "split_seed", "stream", "target", "task")
        kept = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        size = {} if self.image_size is None else {"image_size": tuple(self.image_size)}
        return kept | size


@dataclasses.dataclass(frozen=True, kw_only=True)
class RewardIdentity(Part):
    """The reward that trials return.

    Attributes:
        cost: Cost of the network, ``"latency_ms"``, ``"macs"`` or ``"params"``.
        target: The paper's T, in the same unit.
        exponent: The paper's alpha = beta.
        hard: Whether up to the target a cost is free.
        latency: Meter of the latency, if that is the cost: its settings, or a name.
        more: Settings of a reward of the user's own.
    """

    target: float = _kept(number(), always=True)
    cost: str | None = _kept(text())
    exponent: float | None = _kept(number())
    hard: bool | None = _kept(truth)
    latency: Any = _kept(json_value)
    more: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProxyIdentity(Part):
    """The zero-cost proxy that scores untrained networks.

    Attributes:
        name: One of ``optuna_nas.objectives.proxies.PROXIES``.
        batch_size: Examples that it looks at.
        seed: Seed of weights and examples.
    """

    name: str = _kept(text(), key="proxy", always=True)
    batch_size: int = _kept(integer(1), always=True)
    seed: int = _kept(integer(), always=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationIdentity(Part):
    """Training of a network that a one-shot search has derived, on its own.

    Attributes:
        epochs: At least 1.
        recipe: How; None: as the supernet.
        evaluator: Evaluator of the user's that trains it; None: this package does.
    """

    epochs: int = _kept(integer(1), always=True)
    recipe: Mapping[str, Any] | None = _kept(optional(ANYTHING), always=True)
    evaluator: Any = _kept(json_value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DARTSIdentity(Part):
    """A search by alphas.

    Attributes:
        order: Order of alpha's gradient, 1 or 2.
        alpha: Recipe of alpha.
        alpha_share: Share of the training examples that alpha learns from.
        mixing: From alpha to mixing weights.
        selection: Rule by which the architecture is derived; None: by alpha.
        stop: Rule that ends the search early; None: there is none.
        value: Value of a trial, ``"derived"`` or ``"one_shot"``.
        evaluation: Training of the derived network; None with ``"one_shot"``.
    """

    order: int = _kept(integer(1, 2), always=True)
    alpha: Mapping[str, Any] = _kept(ANYTHING, always=True)
    alpha_share: float = _kept(number(0.0, 1.0), always=True)
    mixing: Mapping[str, Any] = _kept(ANYTHING, always=True)
    selection: Mapping[str, Any] | None = _kept(optional(ANYTHING), always=True)
    stop: Mapping[str, Any] | None = _kept(optional(ANYTHING), always=True)
    value: str = _kept(text(), always=True)
    evaluation: EvaluationIdentity | None = _kept(EvaluationIdentity.from_json, key="judge")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SharedWeightsIdentity(Part):
    """A search with weights that all children share.

    Attributes:
        schedule: ``"alternate"`` or ``"pretrain"``.
        seed: Seed of weights, data order and uniformly drawn children.
        children_per_epoch: Trials after an epoch of ``"alternate"``.
    """

    schedule: str = _kept(text(), always=True)
    seed: int = _kept(integer(), always=True)
    children_per_epoch: int | None = _kept(integer(1))


@dataclasses.dataclass(frozen=True, kw_only=True)
class FunctionIdentity(Part):
    """A training loop of the user's own.

    Attributes:
        name: Name of the function.
        version: Hash of its source, or what the user says instead.
        inputs: Inputs of the networks, as text; None: they are not known.
    """

    name: str = _kept(text(), key="training_function", always=True)
    version: str = _kept(text(), key="training_function_version", always=True)
    inputs: str | None = _kept(text(100_000), key="inputs")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScaledIdentity(Part):
    """The sizes of one network.

    Attributes:
        objective: Name of the objective's class.
        base: The network that is scaled.
        evaluation: Evaluator of each size: its settings, or the name of one of the user's.
    """

    objective: str = _kept(text(), key="scaled", always=True)
    base: Any = _kept(json_value)
    evaluation: Any = _kept(json_value, key="judge")
