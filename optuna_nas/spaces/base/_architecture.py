"""An architecture as a value: a space and the decisions that were made in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

from optuna_nas._ground.checks import shown
from optuna_nas.drawing import Graph, to_plotly
from optuna_nas.keys import ARCHITECTURE_KEY
from optuna_nas.spaces.base._identity import jsonable, read_architecture
from optuna_nas.spaces.decisions import DecisionTrial, FixedParams, draw_decisions, write_decisions

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from optuna.study import Study
    from torch import nn

    from optuna_nas.spaces.base._space import SearchSpace

__all__ = ["Architecture", "refuse_drift", "refuse_other"]

_WAY_OUT = (
    "It must come from Architecture.to_json(). For the field's own notation use space.parse(text)."
)


@dataclass(frozen=True)
class Architecture:
    """One point of a space: frozen, hashable, JSON both ways, never pickled by us.

    Get one from ``space.suggest(trial)``, ``space.architecture(trial_or_params)``,
    ``space.parse(text)`` or :meth:`from_json`. Two architectures are equal when their spaces and
    their decisions are; compare ``digest`` to ask whether they compute the same network.

    Args:
        space: Space in which the decisions were made.
        items: The decisions as ``(name, value)``, sorted by name.
        genotype: Value that the space made of them. Not part of equality.

    Example::

        from optuna_nas.spaces import Architecture, published

        architecture = published.NASBENCH201_RESNET
        model = architecture.build(num_classes=100)
        assert Architecture.from_json(architecture.to_json()) == architecture
    """

    space: SearchSpace
    items: tuple[tuple[str, Any], ...]
    genotype: Any = field(compare=False, repr=False)

    @property
    def params(self) -> dict[str, Any]:
        """The decisions as a trial's parameters, to be enqueued or decoded as they stand."""
        return dict(self.items)

    @cached_property
    def digest(self) -> str:
        """Equal digests compute the same network with the same build arguments.

        The order of channels is left open, and so is the number of parameters that never take
        part. Settings of the space are covered.
        """
        space = self.space
        settings = {k: v for k, v in space.settings.items() if k not in space.not_in_digest}
        form = space.canonical(self.genotype)
        if form is None:
            form = {name.removeprefix(space.prefix): value for name, value in self.items}
        parts = [space.name, space.version, settings, form]
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()

    def build(self, **arguments: Any) -> nn.Module:
        """Build the network.

        Args:
            arguments: Build arguments of the space (``space.build_arguments`` has names and
                defaults), such as ``num_classes=10, in_channels=3``.

        Returns:
            A freshly initialised module that maps ``(B, in_channels, H, W)`` to
            ``(B, num_classes)``, unless the space says otherwise.

        Raises:
            TypeError: If the space does not take one of the arguments.
        """
        return self.space._build_checked(self.genotype, arguments)

    def graph(self) -> Graph:
        """Return the architecture as nodes and arrows, for :mod:`optuna_nas.drawing`."""
        graph = self.space.graph(self.genotype)
        return draw_decisions(self._in_order(), start=self.space.name) if graph is None else graph

    def plot(self) -> go.Figure:
        """Draw the architecture as a plotly figure."""
        figure: go.Figure = to_plotly(self.graph())
        return figure

    def to_json(self) -> str:
        """Write the space (name, version, settings) and the decisions as JSON text."""
        return json.dumps({**self.space.identity, "params": self.params})

    @staticmethod
    def from_json(text: str, space: SearchSpace | None = None) -> Architecture:
        """Read what :meth:`to_json` wrote.

        Args:
            text: The JSON text.
            space: The space it belongs to. It may be left out for the spaces of this package
                (they are found by name); a user's own space is never imported from a name that
                stands in a text, and must be given.

        Raises:
            ValueError: If the text is no such JSON, belongs to another space or other settings,
                or its decisions do not fit.
        """
        # The catalogue knows all spaces, and all spaces know architectures: here the circle opens.
        from optuna_nas.spaces._catalogue import space_from_settings

        data = read_architecture(text, "The text", _WAY_OUT)
        if space is None:
            space = space_from_settings(data)
        else:
            refuse_other(space, data, "this text")
        return space._decode_exactly(data["params"])

    def enqueue(self, study: Study, **more_params: Any) -> None:
        """Have a study evaluate this architecture next.

        Args:
            study: A study whose objective suggests from this space. On another space, or other
                settings, its trial fails with a ``ValueError`` that names the difference.
            more_params: Values for further parameters of the objective, such as ``lr=0.1``;
                what is not given is sampled.

        Raises:
            ValueError: If ``more_params`` names a decision of the architecture.
        """
        params = self.params
        doubled = sorted(params.keys() & more_params.keys())
        if doubled:
            raise ValueError(
                f"`more_params` must not decide what the architecture has decided, but got "
                f"{doubled}. Change the architecture instead: "
                "space.architecture({**architecture.params, ...})."
            )
        study.enqueue_trial({**params, **more_params}, {ARCHITECTURE_KEY: self.to_json()})

    def __str__(self) -> str:
        text = self.space.format(self.genotype)
        return write_decisions(self._in_order()) if text is None else text

    def _in_order(self) -> dict[str, Any]:
        """Return the decisions, without prefix, in the order in which the space asks for them."""
        trial = DecisionTrial(FixedParams(self.params, self.space), self.space, self.space.prefix)
        self.space.decide(trial)
        return trial.params


def refuse_other(space: SearchSpace, identity: Mapping[str, Any], whose: str) -> None:
    """Raise unless an identity is that of a space, naming the differences.

    Settings that the identity leaves out have their defaults, so that a space may get further
    settings without becoming another one.

    Args:
        space: The space at hand.
        identity: The identity that was noted.
        whose: The owner of the note, for the message.

    Raises:
        ValueError: If they differ.
    """
    defaults = {f.name: jsonable(f.default) for f in fields(space) if f.default is not MISSING}
    theirs = {**defaults, **identity["settings"]}
    ours = space.settings
    pairs = [
        ("space", space.name, identity["space"]),
        ("version", space.version, identity["version"]),
    ]
    if space.name == identity["space"]:
        pairs += [(k, ours.get(k), theirs.get(k)) for k in sorted({*ours, *theirs})]
    different = [f"{k}={shown(a)} here, {k}={shown(b)} there" for k, a, b in pairs if a != b]
    if different:
        raise ValueError(
            f"The architecture of {whose} belongs to another space than {space}: "
            f"{'; '.join(different)}. Use the space it was made in, or "
            "space.architecture(params) if only its decisions are wanted."
        )


def refuse_drift(architecture: Architecture, noted: Mapping[str, Any]) -> None:
    """Raise unless a trial decided what its note says.

    Raises:
        ValueError: If it decided otherwise.
    """
    decided = architecture.params
    if decided != noted:
        names = sorted(k for k in {*decided, *noted} if decided.get(k) != noted.get(k))
        raise ValueError(
            f"The trial was to evaluate a given architecture of {architecture.space}, but {names} "
            "were decided otherwise: the space has changed since then, or they were enqueued "
            "differently. Enqueue with architecture.enqueue(study)."
        )
