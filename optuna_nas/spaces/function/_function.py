"""Any function of a trial that returns a network is a space.

Loops and conditions in plain Python are the search space; nothing is declared beforehand.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pickle
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, overload

from optuna.distributions import BaseDistribution
from optuna.exceptions import TrialPruned

from optuna_nas._ground.checks import shown
from optuna_nas._ground.json import parse_json
from optuna_nas._ground.source import hash_of_source
from optuna_nas.drawing import Graph
from optuna_nas.spaces.base import Architecture, Choices, SearchSpace
from optuna_nas.spaces.decisions import DecisionTrial, FixedParams, NestedTrial, draw_decisions
from optuna_nas.spaces.function._supernet_trial import SupernetTrial

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FunctionSpace", "MetaDeviceWarning", "function_space"]


class Decisions(NamedTuple):
    """The genotype of a function space.

    Args:
        made: Decisions as (name, value) without prefix, in the order asked.
        parts: Architectures of other spaces that the function calls, by their prefix.
    """

    made: tuple[tuple[str, Any], ...]
    parts: Mapping[str, Architecture]


class MetaDeviceWarning(UserWarning):
    """A function space cannot be suggested from on torch's meta device, only on a real one."""


@dataclass(frozen=True, kw_only=True)
class FunctionSpace(SearchSpace):
    """The space of all networks that a function can return. Made by :func:`function_space`.

    ``suggest`` runs the function on torch's meta device (nothing is allocated) and records what
    it suggests; ``build`` runs it again on what was recorded. A function that breaks there, by
    ``.item()`` or ``.to("cpu")``, is run on the real device instead, after one warning.

    ``digest`` is the hash of the decisions and of the function's source, with the plain values
    that it has as defaults or from around it, and of the functions, classes and constants of
    your own that it uses: equal digests mean equal networks, but not the reverse. Not covered are
    installed libraries, modules that are imported within the function, and names that are made
    while it runs (``getattr``).

    Args:
        function: ``function(trial, **build_arguments) -> nn.Module``, a plain function that can
            be found by its name. It sees ``trial.suggest_categorical``, ``suggest_int`` and
            ``suggest_float`` only; all arguments but the first have defaults.
        prefix: See :class:`SearchSpace`. All parameters that start with it belong to the space.

    Raises:
        TypeError: If ``function`` is a lambda, a method or another callable object, or has an
            argument without a default.
    """

    name: ClassVar[str] = "function"
    from_settings: ClassVar[bool] = False  # a function is code
    _runs_on_meta: ClassVar[bool] = True  # until an instance finds out otherwise

    function: Callable[..., nn.Module]

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_function(self.function)

    def __call__(self, trial: Any, /, **arguments: Any) -> nn.Module:
        """Call the function, for instance from another function space.

        Without a prefix that is the function as it was written. With one it stands before the
        names of its decisions, whose trial then takes what a space is given alone.
        """
        if not self.prefix:
            return self.function(trial, **arguments)
        if isinstance(trial, DecisionTrial):
            return self.function(NestedTrial(trial, self, self.prefix, shares=True), **arguments)
        return super().__call__(trial, **arguments)

    def __repr__(self) -> str:
        prefix = f", prefix={self.prefix!r}" if self.prefix else ""
        return f"FunctionSpace({self.function.__qualname__}{prefix})"

    @property
    def settings(self) -> dict[str, Any]:
        """The function's name and the prefix. Nothing is ever imported from that name.

        The module is left out, so that a study made by ``python nets.py`` is known again when
        ``nets`` is imported.
        """
        return {"function": self.function.__qualname__, "prefix": self.prefix}

    @cached_property
    def source_hash(self) -> str:
        """Hash of the function's source and its helpers': changed ones get other digests."""
        return hash_of_source([self.function])

    @property
    def build_arguments(self) -> dict[str, Any]:
        return {
            p.name: p.default
            for p in list(inspect.signature(self.function).parameters.values())[1:]
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        }

    @property
    def conditional(self) -> bool:
        return True

    def decide(self, trial: DecisionTrial) -> Decisions:
        failure = self._fails_on_meta(trial) if self._runs_on_meta else None
        if failure is not None:
            trial.restart()
        if failure is not None or not self._runs_on_meta:
            self._run_on_real_device(trial)
        if failure is not None:
            object.__setattr__(self, "_runs_on_meta", False)
            warnings.warn(
                f"{self} is run on the real device when it is suggested from, since torch's meta "
                f"device does not carry it ({type(failure).__name__}: {failure}). Suggesting "
                "then allocates the whole network each time; avoid .item(), .to(...) and the "
                "like in the function.",
                MetaDeviceWarning,
                stacklevel=2,
            )
        return Decisions(tuple(trial.params.items()), dict(trial.parts))

    def _fails_on_meta(self, trial: DecisionTrial) -> Exception | None:
        import torch

        try:
            with torch.device("meta"):
                module = self.function(trial)
        except TrialPruned:
            raise
        except Exception as error:
            if error is trial.error:  # a decision was refused: no device would help
                raise
            return error
        self._check_module(module)
        return None

    def _run_on_real_device(self, trial: DecisionTrial) -> None:
        import torch

        with torch.random.fork_rng(devices=[]):  # suggesting leaves the random state alone
            module = self.function(trial)
        self._check_module(module)

    def _check_arguments(self, known: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        parameters = inspect.signature(self.function).parameters.values()
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            super()._check_arguments(known, given)

    def build_network(self, genotype: Decisions, **arguments: Any) -> nn.Module:
        recorded = dict(genotype.made)
        trial = DecisionTrial(_Recorded(recorded, self), self)
        module = self.function(trial, **arguments)
        self._check_module(module)
        left = sorted(recorded.keys() - trial.params.keys())
        if left:
            raise ValueError(
                f"{self} did not ask for {left} when it was built, but did when it was "
                f"suggested from. {_MUST_REPEAT}"
            )
        return module

    @property
    def supernet_arguments(self) -> dict[str, Any]:
        return self.build_arguments

    def relax(self, fixed: Mapping[str, Any], **arguments: Any) -> tuple[nn.Module, Choices]:
        """Run the function once, with everything left open that is not fixed."""
        from optuna_nas.nn.supernets import Board, SwitchedNetwork

        board = Board(self.prefix)
        trial = SupernetTrial(fixed, self, board, self.prefix)
        module = self.function(trial, **arguments)
        self._check_module(module)
        trial.check_use()
        return SwitchedNetwork(module, board, trial.hooks), trial.choices

    def _check_module(self, module: object) -> None:
        from torch import nn

        if not isinstance(module, nn.Module):
            raise TypeError(
                f"{self} must return a torch.nn.Module, but returned {module!r}. Is there a "
                "`return` at the end of the function?"
            )

    def canonical(self, genotype: Decisions) -> Any:
        form = {"source": self.source_hash, "decisions": sorted(genotype.made)}
        # The digests know the versions and settings of the spaces; the decisions themselves stay,
        # since the function may do other things with networks that are equal up to channels.
        digests = {prefix: inner.digest for prefix, inner in genotype.parts.items()}
        return {**form, "spaces": digests} if digests else form

    def owns(self, name: str) -> bool:
        return bool(self.prefix)  # names are not known beforehand

    def format(self, genotype: Decisions) -> str:
        return json.dumps(dict(sorted(genotype.made)))

    def encode(self, text: str) -> dict[str, Any]:
        try:
            params = parse_json(text, "the text")
        except ValueError as error:
            raise ValueError(
                f"Architectures of {self} are written as JSON, such as "
                f'{{"depth": 3}}, but got {shown(text)}: {error}'
            ) from error
        if not isinstance(params, dict):
            raise ValueError(
                f"Architectures of {self} are written as a JSON object, but got {shown(text)}."
            )
        return params

    def graph(self, genotype: Decisions) -> Graph:
        return draw_decisions(dict(genotype.made), start=self.function.__name__)

    def __copy__(self) -> FunctionSpace:
        return self

    def __deepcopy__(self, memo: object) -> FunctionSpace:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle a reference by qualified name, as pickle does with functions."""
        module, name = self.function.__module__, self.function.__qualname__
        if "<locals>" in name:
            raise pickle.PicklingError(
                f"{self} cannot be pickled, since it is defined within another function. Move "
                "it to the top level of a module."
            )
        return _find, (module, name, self.prefix)


class _Recorded(FixedParams):
    """Decisions that were suggested before, when the function runs again to build."""

    def ask(self, name: str, distribution: BaseDistribution) -> Any:
        if name not in self._params:
            raise ValueError(
                f"{self._space} asked for `{name}` when it was built, but not when it was "
                f"suggested from. {_MUST_REPEAT}"
            )
        return super().ask(name, distribution)


_MUST_REPEAT = (
    "The same decisions must be asked for each time: they may depend on earlier decisions, but "
    "not on build arguments, randomness or anything outside."
)


@overload
def function_space(function: Callable[..., nn.Module], /) -> FunctionSpace: ...


@overload
def function_space(*, prefix: str = "") -> Callable[[Callable[..., nn.Module]], FunctionSpace]: ...


def function_space(
    function: Callable[..., nn.Module] | None = None, /, *, prefix: str = ""
) -> FunctionSpace | Callable[[Callable[..., nn.Module]], FunctionSpace]:
    """Make a plain function a space (a decorator).

    Args:
        function: ``function(trial, **build_arguments) -> nn.Module``; see
            :class:`FunctionSpace`.
        prefix: Put before the name of every decision.

    Returns:
        The space, which can still be called as the function.

    Example::

        @function_space
        def my_net(trial, num_classes=10, in_channels=3):
            layers, channels = [], in_channels
            for i in range(trial.suggest_int("num_layers", 1, 3)):
                width = trial.suggest_categorical(f"layer_{i}_width", [16, 32])
                layers += [nn.Conv2d(channels, width, 3), nn.ReLU()]
                channels = width
            return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                                 nn.Linear(channels, num_classes))

        model = my_net.architecture(study.best_trial).build(num_classes=100)
    """
    if function is None:
        return lambda f: FunctionSpace(function=f, prefix=prefix)
    return FunctionSpace(function=function, prefix=prefix)


def _find(module: str, name: str, prefix: str) -> FunctionSpace:
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    function = found.function if isinstance(found, FunctionSpace) else found
    return FunctionSpace(function=function, prefix=prefix)


def _check_function(function: object) -> None:
    if not isinstance(function, FunctionType):
        raise TypeError(
            f"A function space is made from a plain function, but got {function!r}. Methods and "
            "callable objects hold values that neither JSON nor the digest would know: write a "
            "`def` that takes a trial."
        )
    if function.__name__ == "<lambda>":
        raise TypeError(
            "A function space must have a name to be found by, but got a lambda. Write a `def`."
        )
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].name in ("self", "cls"):
        raise TypeError(
            f"The first argument of {function.__qualname__} must be the trial. For a function in "
            "a class put @staticmethod above @function_space."
        )
    needed = [
        p.name
        for p in parameters[1:]
        if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    if needed:
        raise TypeError(
            f"The build arguments of {function.__qualname__} need defaults, with which `suggest` "
            f"runs it, but {needed} have none."
        )
