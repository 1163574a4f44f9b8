"""The trial on which a function makes a supernet: what is not fixed stays open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution, CategoricalDistribution

from optuna_nas.spaces.decisions import DecisionTrial, FixedParams
from optuna_nas.spaces.function._mixture import Mixture, MixtureError, open_decision

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
    """

    def __init__(
        self, fixed: Mapping[str, Any], space: object, board: Board, prefix: str = ""
    ) -> None:
        super().__init__(FixedParams(fixed, space), space, prefix)
        self._fixed = fixed
        self._board = board

    @property
    def choices(self) -> dict[str, tuple[Any, ...]]:
        """Choices by name without prefix; a single one where it is decided."""
        return {
            name: value.choices if isinstance(value, Mixture) else (value,)
            for name, value in self.params.items()
        }

    def check_use(self) -> None:
        """Refuse fixed values that were not asked for, and open decisions that choose nothing."""
        left = sorted(self._fixed.keys() - {self._prefix + name for name in self.params})
        if left:
            raise ValueError(
                f"`fixed` must hold decisions of {self._space}, but it did not ask for {left}. "
                "Leave them out."
            )
        for value in self.params.values():
            if isinstance(value, Mixture) and not value.used:
                raise MixtureError(open_decision(value.name, "must not be left without use"))

    def _decide(self, name: str, distribution: BaseDistribution) -> Any:
        full_name = self._prefix + name
        if name in self.params or full_name in self._fixed:
            return super()._decide(name, distribution)
        value: Any
        if distribution.single():
            categorical = isinstance(distribution, CategoricalDistribution)
            value = distribution.choices[0] if categorical else distribution.low  # type: ignore[attr-defined]
        elif isinstance(distribution, CategoricalDistribution):
            value = Mixture(full_name, distribution.choices, self._board)
        else:
            self._fail(
                MixtureError(
                    f"`{full_name}` is a number, which a supernet cannot leave open. Decide "
                    f"beforehand: space.supernet(fixed={{{full_name!r}: ...}})."
                )
            )
        self.params[name] = value
        self.distributions[name] = distribution
        return value
