"""The trial as a space sees it that stands within another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from optuna.distributions import BaseDistribution

from optuna_nas.spaces.decisions._decisions import DecisionTrial

__all__ = ["NestedTrial"]


class NestedTrial(DecisionTrial):
    """Passes decisions on to the trial of the outer space, under a prefix.

    Args:
        outer: The trial of the outer space.
        space: The inner space, for messages.
        prefix: Put before the names of the inner space's decisions.
        shares: Whether a name that the outer trial has decided before is the same decision, as it
            is for functions that call each other; if not, it is an error.
    """

    def __init__(
        self, outer: DecisionTrial, space: object, prefix: str, *, shares: bool = False
    ) -> None:
        super().__init__(outer._source, space, outer._prefix + prefix)
        self._outer = outer
        self._part = prefix
        self._shares = shares

    def build_part(self, space: Any, prefix: str, arguments: Mapping[str, Any]) -> Any:
        return self._outer.build_part(space, self._part + prefix, arguments)

    def _decide(self, name: str, distribution: BaseDistribution) -> Any:
        if name in self.params:
            return self._decided(name, distribution)
        outer_name = self._part + name
        if outer_name in self._outer.params and not self._shares:
            self._fail(
                ValueError(
                    f"`{outer_name}` is a decision of {self._space}, but {self._outer._space} has "
                    "asked for it before: give the inner space another `prefix`."
                )
            )
        value = self._outer._decide(outer_name, distribution)
        self.params[name] = value
        self.distributions[name] = distribution
        return value

    def _fail(self, error: Exception) -> NoReturn:
        self._outer._fail(error)
