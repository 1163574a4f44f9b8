"""The trial on which a function makes a supernet: what is not fixed stays open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution, CategoricalDistribution

from optuna_nas.spaces.base import SearchSpace, arguments_to_relax
from optuna_nas.spaces.decisions import DecisionTrial, DepthDistribution, FixedParams
from optuna_nas.spaces.function._mixture import Mixture, MixtureError, open_decision
from optuna_nas.spaces.function._relaxed import RelaxedFunction, RelaxedPart

if TYPE_CHECKING:
    from optuna_nas.nn.supernets import Board

__all__ = ["SupernetTrial"]


class SupernetTrial(DecisionTrial):
    """Answers with the fixed values, and with a :class:`Mixture` where there is none.

    A decision with a single possible value is made.

    Args:
        fixed: Values by full name.
        space: The space that asks, for messages.
        board: Place where the candidates' weights are read in a forward pass.
        prefix: Put before every name.

    Attributes:
        choices: Choices by name without prefix; a single one where it is decided.
    """

    def __init__(
        self, fixed: Mapping[str, Any], space: object, board: Board, prefix: str = ""
    ) -> None:
        super().__init__(FixedParams(fixed, space), space, prefix)
        self.choices: dict[str, tuple[Any, ...]] = {}
        self._fixed = fixed
        self._board = board
        self._relaxed: dict[str, RelaxedPart] = {}

    @property
    def hooks(self) -> RelaxedFunction:
        """The spaces that have their own supernets, as the whole supernet reads them."""
        return RelaxedFunction(dict(self._relaxed))

    def check_use(self) -> None:
        """Refuse fixed values that were not asked for, and open decisions that choose nothing."""
        left = sorted(self._fixed.keys() - {self._prefix + name for name in self.choices})
        if left:
            raise ValueError(
                f"`fixed` must hold decisions of {self._space}, but it did not ask for {left}. "
                "Leave them out."
            )
        for value in self.params.values():
            if isinstance(value, Mixture) and not value.used:
                raise MixtureError(open_decision(value.name, "must not be left without use"))

    def build_part(self, space: SearchSpace, prefix: str, arguments: Mapping[str, Any]) -> Any:
        """Put the supernet of a space in its place; its network, if all of it is fixed."""
        fixed = {
            space.prefix + name: value
            for full_name, value in self._fixed.items()
            if full_name.startswith(self._prefix + prefix)
            and space.owns(name := full_name.removeprefix(self._prefix + prefix))
        }
        if _decides(space, fixed):
            return super().build_part(space, prefix, arguments)
        from optuna_nas.nn.supernets import NestedSupernet

        self._claim(space, prefix)
        if not space.can_be_relaxed:
            self._fail(
                MixtureError(
                    f"{space} has no supernet, since it does not write `relax`, so the supernet "
                    f"of {self._space} cannot leave it open: decide on all of it beforehand, by "
                    f"space.supernet(fixed={{{self._prefix + prefix + '...'!r}: ...}})."
                )
            )
        network, choices = space.relax(fixed, **arguments_to_relax(space, arguments))
        for name, values in choices.items():
            self._offer(prefix + name, values)
        self._relaxed[prefix] = RelaxedPart(space, choices)
        return NestedSupernet(network, prefix, tuple(choices), self._board)

    def _decide(self, name: str, distribution: BaseDistribution) -> Any:
        full_name = self._prefix + name
        if name in self.params:
            return super()._decide(name, distribution)
        if full_name in self._fixed:
            value = super()._decide(name, distribution)
            self._offer(name, (value,))
            return value
        if distribution.single():
            categorical = isinstance(distribution, CategoricalDistribution)
            value = distribution.choices[0] if categorical else distribution.low  # type: ignore[attr-defined]
            self._offer(name, (value,))
        elif isinstance(distribution, CategoricalDistribution):
            value = Mixture(full_name, distribution.choices, self._board)
            self._offer(name, value.choices)
        elif isinstance(distribution, DepthDistribution):
            depths = tuple(range(distribution.low, distribution.high + 1))
            value = Mixture(full_name, depths, self._board)
            self._offer(name, depths)
        else:
            self._fail(
                MixtureError(
                    f"`{full_name}` is a number, which a supernet cannot leave open. If it is "
                    f"that of layers, stack them by repeat(trial, {name!r}, make_layer, low=..., "
                    "high=...); else decide beforehand: "
                    f"space.supernet(fixed={{{full_name!r}: ...}})."
                )
            )
        self.params[name] = value
        self.distributions[name] = distribution
        return value

    def _offer(self, name: str, choices: tuple[Any, ...]) -> None:
        """Note the choices of an alpha, which no other may have the name of."""
        if name in self.choices:
            self._fail(
                ValueError(
                    f"`{name}` is an alpha of {self._space} itself and of a space within it: give "
                    "that space another `prefix`."
                )
            )
        self.choices[name] = choices


def _decides(space: SearchSpace, fixed: Mapping[str, Any]) -> bool:
    """Tell whether fixed values are all decisions of a space."""
    if not fixed:
        return False
    try:
        space.architecture(fixed)
    except ValueError:
        if not space.can_be_relaxed:  # then nothing else would name the mistake
            raise
        return False
    return True
