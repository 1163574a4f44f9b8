"""The base of all spaces: one decoding path, checked values, exact sizes, sound digests.

A space is a function of suggestions. A subclass says which decisions there are (``decide``) and
what they mean (``build_network``); everything that must hold for
every space is done here.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from optuna.distributions import BaseDistribution
from optuna.trial import FixedTrial, FrozenTrial

from optuna_nas._bounds import MAX_TEXT
from optuna_nas._checks import shown
from optuna_nas._optuna_seam import fixed_params
from optuna_nas.keys import ARCHITECTURE_KEY
from optuna_nas.spaces.base._architecture import Architecture
from optuna_nas.spaces.base._decisions import (
    DecisionTrial,
    FirstChoices,
    FixedParams,
    LiveTrial,
    Source,
)
from optuna_nas.spaces.base._identity import read_architecture
from optuna_nas.spaces.base._one_shot import AlphaLayout, OneShotDefaults
from optuna_nas.spaces.base._relaxation import Choices, no_relaxation
from optuna_nas.spaces.base._sizes import size_of

if TYPE_CHECKING:
    from torch import nn

    from optuna_nas.drawing import Graph
    from optuna_nas.spaces.base._supernet import Supernet

__all__ = ["SearchSpace"]

MAX_PREFIX = 100
_NOTE_WAY_OUT = "Leave that trial out, or give its decisions: space.architecture(trial.params)."


@dataclass(frozen=True, kw_only=True)
class SearchSpace(ABC):
    """What can be built: ``suggest(trial) -> Architecture -> nn.Module``.

    Subclasses are ``@dataclass(frozen=True, kw_only=True)`` whose fields are numbers, strings and
    tuples (they are the settings in the JSON), with the class constants ``name``, ``version``
    and, where the paper searched with a smaller network, ``proxy``. They write:

    - ``decide(trial) -> genotype``: the decisions, by ``suggest_categorical`` and
      ``suggest_int`` only. Choices depend on the name and the settings alone.
    - ``build_network(genotype, *, ...) -> nn.Module``: its keyword arguments are the build
      arguments.
    - ``canonical(genotype)``: a JSON-able form that is equal only for equal networks.
    - ``owns(name) -> bool``: whether a name (without prefix) belongs to spaces of this kind.
    - ``format(genotype) -> str`` and ``encode(text) -> params``: the field's notation.
    - ``graph(genotype) -> Graph``: the picture.
    - ``relax(fixed, *, ...) -> (nn.Module, choices)``, where the space has a supernet, and
      ``path`` and ``discretise``, where its alphas are not one for each decision.

    Args:
        prefix: Put before the name of every decision, so that two spaces can live in one trial.

    Raises:
        ValueError: If ``prefix`` is neither empty nor a Python identifier.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    one_shot: ClassVar[OneShotDefaults] = OneShotDefaults()
    proxy: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    # Settings that change which networks are reached, but not what a genotype computes.
    not_in_digest: ClassVar[frozenset[str]] = frozenset({"prefix"})

    prefix: str = ""

    def __post_init__(self) -> None:
        is_text = isinstance(self.prefix, str) and len(self.prefix) <= MAX_PREFIX
        if not is_text or (self.prefix and not self.prefix.isidentifier()):
            raise ValueError(
                f"`prefix` must be empty or a Python identifier of at most {MAX_PREFIX} "
                f"characters, but got prefix={shown(self.prefix)}. "
                'Take something like prefix="encoder_".'
            )

    # What a space is

    @property
    def settings(self) -> dict[str, Any]:
        """The fields in JSON-able form (tuples as lists)."""
        return {f.name: _jsonable(getattr(self, f.name)) for f in fields(self)}

    @property
    def identity(self) -> dict[str, Any]:
        """Name, version and settings: what a study or a JSON text keeps of a space."""
        return {"space": self.name, "version": self.version, "settings": self.settings}

    @property
    def build_arguments(self) -> dict[str, Any]:
        """Names and defaults of what ``architecture.build`` takes."""
        return _keywords(self.build_network)

    @property
    def supernet_arguments(self) -> dict[str, Any]:
        """Names and defaults of what ``supernet`` takes beside ``fixed``.

        Raises:
            TypeError: If the space has no supernet.
        """
        if type(self).relax is SearchSpace.relax:
            raise no_relaxation(self)
        return _keywords(self.relax)

    @property
    def num_architectures(self) -> int:
        """Exact number of different decision sequences."""
        return math.prod(size_of(d) for d in self.distributions().values())

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
        trial = DecisionTrial(FirstChoices(), self)
        self.decide(trial)
        return {self.prefix + name: d for name, d in trial.distributions.items()}

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
        note = self._note_of(trial)
        if note is not None:
            self._refuse_other(note, f"trial {trial.number} (enqueued or retried)")
        source = LiveTrial(trial, self)
        architecture = self._run(source, source.fixed)
        if note is not None:
            self._refuse_drift(architecture, note["params"])
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
            note = self._note_of(source)
            if note is not None:
                self._refuse_other(note, f"trial {source.number}")
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
        """Read the field's own notation, which ``str(architecture)`` writes.

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
            arguments: Such as ``num_classes=10, in_channels=3, cells=5, channels=16``; the
                defaults are those of the search in the paper.

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

    # What a subclass writes

    @property
    def conditional(self) -> bool:
        """Whether some decisions are asked only after others have been made."""
        return False

    @abstractmethod
    def decide(self, trial: DecisionTrial) -> Any:
        """Ask for the decisions and return the genotype that they spell."""

    @abstractmethod
    def build_network(self, *args: Any, **kwargs: Any) -> nn.Module:
        """``build_network(genotype, *, ...)``: build the network with a paper's defaults."""

    @abstractmethod
    def canonical(self, genotype: Any) -> Any:
        """Return a JSON-able form that only equal networks share."""

    @abstractmethod
    def owns(self, name: str) -> bool:
        """Tell whether spaces of this kind, with whatever settings, may ask for ``name``."""

    @abstractmethod
    def format(self, genotype: Any) -> str:
        """Write the field's notation."""

    @abstractmethod
    def encode(self, text: str) -> Mapping[str, Any]:
        """Read the field's notation as decisions without prefix."""

    @abstractmethod
    def graph(self, genotype: Any) -> Graph:
        """Describe the picture."""

    # What a subclass with a supernet writes

    def relax(self, *args: Any, **kwargs: Any) -> tuple[nn.Module, Choices]:
        """``relax(fixed, *, ...)``: the network, and what each alpha chooses from.

        The network is called with images and, for each name, mixing weights or the number of the
        only choice that takes part. A name with a single choice gets no alpha.
        """
        raise no_relaxation(self)

    def path(self, architecture: Architecture) -> Mapping[str, Any]:
        """Return what an architecture chooses for each alpha that it uses."""
        return {name.removeprefix(self.prefix): value for name, value in architecture.items}

    def discretise(self, weights: Mapping[str, Mapping[Any, float]]) -> Mapping[str, Any]:
        """Return the decisions to which mixing weights by choice lead; ties keep the first."""
        return {name: max(of, key=of.__getitem__) for name, of in weights.items()}

    def alpha_layout(self, choices: Choices) -> AlphaLayout:
        """Return what the alphas of a supernet stand for; by default one cell of operations.

        Args:
            choices: Choices of each alpha, by name without prefix.
        """
        return AlphaLayout(choices=choices)

    # How it is done

    def _run(self, source: Source, known: Mapping[str, Any]) -> Architecture:
        trial = DecisionTrial(source, self, self.prefix)
        genotype = self.decide(trial)
        params = {self.prefix + name: value for name, value in trial.params.items()}
        left = [k for k in known if k not in params and self._owns_full(k)]
        if left:
            raise ValueError(
                f"{self} did not ask for {shown(sorted(left))}: these parameters belong to "
                "another architecture, or to a space with other settings. Use that space, or "
                "leave them out."
            )
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

    def _note_of(self, trial: Any) -> Mapping[str, Any] | None:
        """Read a trial's note of its architecture, unless it speaks of another prefix."""
        user_attrs = trial.user_attrs
        if ARCHITECTURE_KEY not in user_attrs:
            return None
        what = f"The attribute `{ARCHITECTURE_KEY}` of trial {trial.number}"
        note = read_architecture(user_attrs[ARCHITECTURE_KEY], what, _NOTE_WAY_OUT)
        return note if note["settings"].get("prefix", "") == self.prefix else None

    def _refuse_other(self, identity: Mapping[str, Any], whose: str) -> None:
        """Raise if the identity of a space is not ours, naming the differences."""
        theirs = {**self._default_settings(), **identity["settings"]}
        ours = self.settings
        pairs = [
            ("space", self.name, identity["space"]),
            ("version", self.version, identity["version"]),
        ]
        if self.name == identity["space"]:
            pairs += [(k, ours.get(k), theirs.get(k)) for k in sorted({*ours, *theirs})]
        different = [f"{k}={shown(a)} here, {k}={shown(b)} there" for k, a, b in pairs if a != b]
        if different:
            raise ValueError(
                f"The architecture of {whose} belongs to another space than {self}: "
                f"{'; '.join(different)}. Use the space it was made in, or "
                "space.architecture(params) if only its decisions are wanted."
            )

    def _default_settings(self) -> dict[str, Any]:
        return {f.name: _jsonable(f.default) for f in fields(self) if f.default is not MISSING}

    def _refuse_drift(self, architecture: Architecture, noted: Mapping[str, Any]) -> None:
        decided = architecture.params
        if decided != noted:
            names = sorted(k for k in {*decided, *noted} if decided.get(k) != noted.get(k))
            raise ValueError(
                f"The trial was to judge a given architecture of {self}, but {names} were decided "
                "otherwise: the space has changed since then, or they were enqueued differently. "
                "Enqueue with architecture.enqueue(study)."
            )

    def _build_checked(self, genotype: Any, arguments: Mapping[str, Any]) -> nn.Module:
        from optuna_nas.nn.networks import built_within_memory

        self._check_arguments(self.build_arguments, arguments)
        return built_within_memory(lambda: self.build_network(genotype, **arguments), self.__str__)

    def _check_arguments(self, known: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        unknown = sorted(given.keys() - known.keys())
        if unknown:
            takes = ", ".join(f"{name}={default!r}" for name, default in known.items())
            raise TypeError(f"{self} does not take the build arguments {unknown}, only {takes}.")

    def _digest(self, genotype: Any) -> str:
        settings = {k: v for k, v in self.settings.items() if k not in self.not_in_digest}
        parts = [self.name, self.version, settings, self.canonical(genotype)]
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def _jsonable(value: Any) -> Any:
    return [_jsonable(v) for v in value] if isinstance(value, tuple) else value


def _keywords(function: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
