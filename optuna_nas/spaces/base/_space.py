"""The base of all spaces: one decoding path, checked values, exact sizes, sound digests.

A space is a function of suggestions. A subclass says which decisions there are (``decide``) and
what they mean (``build_network``); everything that must hold for every space is done here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from optuna.distributions import BaseDistribution
from optuna.trial import FixedTrial, FrozenTrial

from optuna_nas._ground.bounds import MAX_TEXT
from optuna_nas._ground.checks import shown
from optuna_nas._ground.optuna_seam import fixed_params
from optuna_nas.spaces.base._architecture import Architecture, refuse_drift, refuse_other
from optuna_nas.spaces.base._authoring import check_class, check_fields, keyword_arguments
from optuna_nas.spaces.base._hooks import SpaceHooks
from optuna_nas.spaces.base._identity import jsonable, note_of
from optuna_nas.spaces.base._one_shot import OneShotDefaults
from optuna_nas.spaces.base._parts import arguments_to_build
from optuna_nas.spaces.base._relaxation import no_relaxation
from optuna_nas.spaces.decisions import (
    DecisionTrial,
    FixedParams,
    LiveTrial,
    NestedTrial,
    SizeEstimate,
    Source,
    count_leaves,
    estimate_leaves,
    size_of,
)

if TYPE_CHECKING:
    from torch import nn

    from optuna_nas.spaces.base._supernet import Supernet

__all__ = ["SearchSpace"]

MAX_PREFIX = 100


@dataclass(frozen=True, kw_only=True)
class SearchSpace(SpaceHooks):
    """A search space, base of all: ``suggest(trial) -> Architecture -> nn.Module``.

    A space of one's own is a subclass under ``@dataclass(frozen=True, kw_only=True)``. Its fields
    are its settings: numbers, strings, booleans and tuples of these. It must have

    - ``name``, by which studies and JSON texts know it;
    - :meth:`decide`, which asks a trial for the decisions and returns what they spell (the
      *genotype*: any value);
    - :meth:`build_network`, which makes the network of a genotype.

    Everything else has a default that is right, if not the best: :meth:`canonical` (equal networks
    under other decisions), :meth:`owns` and :attr:`conditional` (names), :meth:`format` and
    :meth:`encode` (the notation), :meth:`graph` (the picture), and, for a supernet,
    :meth:`relax`, :meth:`path`, :meth:`discretise` and :meth:`alpha_layout`.

    Class attributes:

    - ``name`` (str): Unlike that of any other space.
    - ``version`` (int, default 1): Raise it when the same decisions come to mean another network;
      studies and texts of the version before are then refused.
    - ``proxy`` (mapping, default empty): Build arguments of the smaller network that a search
      trains, such as ``{"cells": 5}``.
    - ``one_shot`` (:class:`~optuna_nas.spaces.base.OneShotDefaults`): Published settings of
      one-shot search in the space; by default those of DARTS and ENAS.
    - ``from_settings`` (bool, default True): Whether the settings of a JSON text are enough to
      make the space again; False where one of them is code.
    - ``not_in_digest`` (frozenset, default ``{"prefix"}``): Settings that change which networks
      are reached, but not which network a genotype is.

    Args:
        prefix: Put before the name of every decision, so that two spaces can live in one trial.

    Raises:
        ValueError: If ``prefix`` is neither empty nor a Python identifier.

    Example::

        from dataclasses import dataclass

        from torch import nn

        from optuna_nas.spaces import SearchSpace

        @dataclass(frozen=True, kw_only=True)
        class LayersSpace(SearchSpace):
            name = "layers"
            num_layers: int = 3

            def decide(self, trial):
                names = [f"layer_{i}_width" for i in range(1, self.num_layers + 1)]
                return [trial.suggest_categorical(name, (8, 16, 32)) for name in names]

            def build_network(self, genotype, *, num_classes=10, in_features=64):
                layers, before = [nn.Flatten()], in_features
                for width in genotype:
                    layers += [nn.Linear(before, width), nn.ReLU()]
                    before = width
                return nn.Sequential(*layers, nn.Linear(before, num_classes))
    """

    version: ClassVar[int] = 1
    one_shot: ClassVar[OneShotDefaults] = OneShotDefaults()
    proxy: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    from_settings: ClassVar[bool] = True
    not_in_digest: ClassVar[frozenset[str]] = frozenset({"prefix"})

    prefix: str = ""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        check_class(cls, SearchSpace)

    def __post_init__(self) -> None:
        check_fields(type(self))
        is_text = isinstance(self.prefix, str) and len(self.prefix) <= MAX_PREFIX
        if not is_text or (self.prefix and not self.prefix.isidentifier()):
            raise ValueError(
                f"`prefix` must be empty or a Python identifier of at most {MAX_PREFIX} "
                f"characters, but got prefix={shown(self.prefix)}. "
                'Take something like prefix="encoder_".'
            )

    def __call__(self, trial: Any, /, **arguments: Any) -> nn.Module:
        """Let a trial decide, and build the network: for use within a larger network.

        In a ``@function_space`` function the decisions become those of the outer architecture,
        under this space's ``prefix``. In the supernet of the function this one's own supernet
        stands in its place.

        Args:
            trial: The first argument of the function, or a trial as :meth:`suggest` takes it.
            arguments: Of ``architecture.build`` or, with its own defaults, of :meth:`supernet`;
                each reading takes its own.

        Raises:
            ValueError: If another space in the function has the same prefix.
            TypeError: If there is no such argument; in a supernet, if the space has none.

        Example::

            from torch import nn
            from optuna_nas.spaces import DARTSSpace, function_space

            @function_space
            def net(trial, num_outputs=2):
                encoder = DARTSSpace(prefix="enc_")(trial, cells=3, channels=8, num_classes=0)
                return nn.Sequential(encoder, nn.Linear(encoder.num_features, num_outputs))
        """
        if isinstance(trial, DecisionTrial):
            network: nn.Module = trial.build_part(self, self.prefix, arguments)
            return network
        return self.suggest(trial).build(**arguments_to_build(self, arguments))

    # What a space is

    @property
    def settings(self) -> dict[str, Any]:
        """The fields in JSON-able form (tuples as lists)."""
        return {f.name: jsonable(getattr(self, f.name)) for f in fields(self)}

    @property
    def identity(self) -> dict[str, Any]:
        """Name, version and settings: what a study or a JSON text keeps of a space."""
        return {"space": self.name, "version": self.version, "settings": self.settings}

    @property
    def build_arguments(self) -> dict[str, Any]:
        """Names and defaults of the arguments of ``architecture.build``."""
        return keyword_arguments(self.build_network)

    @property
    def can_be_relaxed(self) -> bool:
        """Whether the space writes the hook :meth:`relax`."""
        return type(self).relax is not SearchSpace.relax

    @property
    def supernet_arguments(self) -> dict[str, Any]:
        """Names and defaults of the arguments of :meth:`supernet` beside ``fixed``.

        Raises:
            TypeError: If the space has no supernet.
        """
        if not self.can_be_relaxed:
            raise no_relaxation(self)
        return keyword_arguments(self.relax)

    @property
    def num_architectures(self) -> int:
        """Exact number of different decision sequences.

        Those of a conditional space are counted one by one, unless it says its number itself.

        Raises:
            ValueError: If there are more than a million to be counted, or if a float is
                suggested.
        """
        if self.conditional:
            return self._count
        return math.prod(size_of(d) for d in self.distributions().values())

    def estimate_size(self, *, samples: int = 200, seed: int = 0) -> SizeEstimate:
        """Estimate the number of decision sequences by Knuth's random walks.

        Args:
            samples: Number of walks (the decisions are made once for each), at least 2.
            seed: Seed of the walks.

        Raises:
            ValueError: If a float is suggested, or ``samples`` is below 2.
        """
        return estimate_leaves(self._walk, self, samples=samples, seed=seed)

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return what each decision chooses from, as Grid and BruteForce samplers want it.

        Raises:
            ValueError: If later decisions depend on earlier ones, so that there is no such list.
        """
        if self.conditional:
            raise ValueError(
                f"{self} has no fixed list of decisions: some are asked only after others have "
                "been made. Fix what varies (such as num_layers=6), or run its suggest() under a "
                "sampler that takes conditional spaces."
            )
        return {self.prefix + name: d for name, d in self._first_decisions.items()}

    # From decisions to architectures

    def suggest(self, trial: Any) -> Architecture:
        """Let a trial decide: only ``trial.suggest_*`` calls.

        Args:
            trial: A live trial, or a ``FixedTrial``. A ``FrozenTrial`` is read instead
                (:meth:`architecture`), so that ``objective(study.best_trial)`` works.

        Raises:
            ValueError: If enqueued values do not fit this space or come from another one, or
                the study has used the same names with other choices.
            TypeError: If ``trial`` is no trial.
        """
        if isinstance(trial, FrozenTrial):
            return self.architecture(trial)
        if not hasattr(trial, "suggest_categorical"):
            raise TypeError(
                f"`trial` must be an Optuna trial, but got {trial!r}. To decode parameters use "
                "space.architecture(params)."
            )
        note = note_of(trial, self.prefix)
        if note is not None:
            refuse_other(self, note, f"trial {trial.number} (enqueued or retried)")
        source = LiveTrial(trial, self)
        architecture = self._run(source, source.fixed)
        if note is not None:
            refuse_drift(architecture, note["params"])
        return architecture

    def architecture(self, source: FrozenTrial | FixedTrial | Mapping[str, Any]) -> Architecture:
        """Read an architecture: :meth:`suggest` on decisions that have been made.

        Args:
            source: A finished trial (its attribute ``optuna_nas:architecture`` counts more than
                its parameters, since one-shot trials have no others), a ``FixedTrial``, or
                parameters. What belongs to others, such as ``lr``, is passed over.

        Raises:
            ValueError: If a decision is missing, does not fit, or is left over.
            TypeError: For a live trial, which takes :meth:`suggest`, and for anything else.
        """
        if isinstance(source, FrozenTrial):
            note = note_of(source, self.prefix)
            if note is not None:
                refuse_other(self, note, f"trial {source.number}")
                return self._decode_exactly(note["params"])
            return self._decode(source.params)
        if isinstance(source, FixedTrial):
            return self._decode(fixed_params(source))
        if isinstance(source, Mapping):
            return self._decode(source)
        way_out = (
            "A live trial has not decided yet: use space.suggest(trial)."
            if hasattr(source, "suggest_categorical")
            else "For text use space.parse(text) or Architecture.from_json(text)."
        )
        raise TypeError(
            "`source` must be a finished trial, a FixedTrial or a mapping of parameters, but got "
            f"{type(source).__name__}. {way_out}"
        )

    def parse(self, text: str) -> Architecture:
        """Read the space's notation, which ``str(architecture)`` writes.

        Raises:
            ValueError: If the text is wrong; the message points at the place.
        """
        if not isinstance(text, str) or len(text) > MAX_TEXT:
            raise ValueError(
                f"`text` must be a text of at most {MAX_TEXT:,} characters, but got {shown(text)}."
            )
        return self._decode_exactly({self.prefix + k: v for k, v in self.encode(text).items()})

    def digest(self, params: Mapping[str, Any]) -> str:
        """Return the digest of the architecture with these decisions (see there)."""
        return self._decode(params).digest

    def supernet(self, *, fixed: Mapping[str, Any] | None = None, **arguments: Any) -> Supernet:
        """Make all networks of the space in one module, on shared weights.

        Args:
            fixed: Decisions that are made beforehand, by name; they have no alpha, and nothing
                is made for their other choices.
            arguments: Arguments of the hook ``relax``, such as ``num_classes=10,
                in_channels=3, cells=5, channels=16``; the defaults are those of the search in
                the paper.

        Raises:
            TypeError: If the space has no relaxation, or does not take one of the arguments.
            ValueError: If ``fixed`` holds something that the space does not ask for, or a value
                that does not fit.
        """
        from optuna_nas.nn.networks import built_within_memory
        from optuna_nas.spaces.base._supernet import Supernet

        self._check_arguments(self.supernet_arguments, arguments)
        network, choices = built_within_memory(
            lambda: self.relax(fixed or {}, **arguments), lambda: f"The supernet of {self}"
        )
        return Supernet(self, network, choices)

    def build_part(
        self, trial: DecisionTrial, prefix: str, arguments: Mapping[str, Any]
    ) -> tuple[Architecture, nn.Module]:
        """Let the trial of an outer space decide, and build the network; a trial calls it."""
        architecture = self._decided(NestedTrial(trial, self, prefix))
        return architecture, architecture.build(**arguments_to_build(self, arguments))

    # How it is done

    @cached_property
    def _count(self) -> int:
        return count_leaves(self._walk, self)

    def _walk(self, source: Source) -> None:
        self.decide(DecisionTrial(source, self))

    def _run(self, source: Source, known: Mapping[str, Any]) -> Architecture:
        architecture = self._decided(DecisionTrial(source, self, self.prefix))
        params = architecture.params
        left = [k for k in known if k not in params and self._owns_full(k)]
        if left:
            raise ValueError(
                f"{self} did not ask for {shown(sorted(left))}: these parameters belong to "
                "another architecture, or to a space with other settings. Use that space, or "
                "leave them out."
            )
        return architecture

    def _decided(self, trial: DecisionTrial) -> Architecture:
        genotype = self.decide(trial)
        self._check_names(trial.params.keys())
        params = {self.prefix + name: value for name, value in trial.params.items()}
        return Architecture(self, tuple(sorted(params.items())), genotype)

    def _decode(self, params: Mapping[str, Any]) -> Architecture:
        return self._run(FixedParams(params, self), params)

    def _decode_exactly(self, params: Mapping[str, Any]) -> Architecture:
        """Decode parameters among which there is nothing of others."""
        architecture = self._decode(params)
        left = sorted(params.keys() - architecture.params.keys())
        if left:
            raise ValueError(f"{self} does not ask for {shown(left)}. Leave them out.")
        return architecture

    def _owns_full(self, name: str) -> bool:
        return name.startswith(self.prefix) and self.owns(name.removeprefix(self.prefix))

    def _check_arguments(self, known: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        unknown = sorted(given.keys() - known.keys())
        if unknown:
            takes = ", ".join(f"{name}={default!r}" for name, default in known.items())
            raise TypeError(f"{self} does not take the build arguments {unknown}, only {takes}.")

    def _build_checked(self, genotype: Any, arguments: Mapping[str, Any]) -> nn.Module:
        from optuna_nas.nn.networks import built_within_memory

        self._check_arguments(self.build_arguments, arguments)
        return built_within_memory(lambda: self.build_network(genotype, **arguments), self.__str__)
