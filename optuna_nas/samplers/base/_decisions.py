"""Decisions: the discrete parameters that an architecture sampler decides, with their choices.

A :class:`Decision` is the name of a parameter with its distribution, seen as numbered choices; an
:class:`Assignment` is a decision with the number of the choice that was made.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

__all__ = ["Assignment", "Decides", "Decision", "DecisionTable", "as_decides"]

Decides = Callable[[str, BaseDistribution], bool]

MAX_INT_VALUES = 64


@dataclass(frozen=True, eq=False)
class Decision:
    """A parameter that the sampler decides: its name and its choices.

    Decisions are compared by identity, since they are the keys of every table that a sampler
    keeps; within a study there is one for each name and list of choices.

    Args:
        name: Name of the parameter.
        distribution: Categorical, or an integer range without log.
        size: Number of choices, at least 1.
    """

    name: str
    distribution: CategoricalDistribution | IntDistribution
    size: int
    _made: dict[int, Assignment] = field(default_factory=dict, init=False, repr=False)

    @property
    def choices(self) -> list[Any]:
        """The values of all choices, in order."""
        return [self.value(index) for index in range(self.size)]

    def index(self, value: Any) -> int | None:
        """Find the number of the choice ``value``; None if it is not one of the choices."""
        dist = self.distribution
        try:
            internal = int(dist.to_internal_repr(value))
        except (OverflowError, TypeError, ValueError):  # such as of an infinite integer
            return None
        if isinstance(dist, IntDistribution):
            internal, remainder = divmod(internal - dist.low, dist.step)
            if remainder:
                return None
        return internal if 0 <= internal < self.size else None

    def value(self, index: int) -> Any:
        """Return the value of the choice with the number ``index``, in [0, size)."""
        dist = self.distribution
        if isinstance(dist, CategoricalDistribution):
            return dist.choices[index]
        return dist.low + index * dist.step

    def assignment(self, index: int) -> Assignment:
        """Return the assignment of the choice with the number ``index``.

        It is one object for each choice: histories of thousands of trials hold them.
        """
        made = self._made.get(index)
        if made is None:
            made = self._made[index] = Assignment(self, index)
        return made


class Assignment(NamedTuple):
    """A decision that was made: which choice was taken.

    Args:
        decision: The decision.
        index: Number of the choice.

    Example::

        best = history.best
        best.decisions["op_3"].value         # "skip_connect"
        best.decisions["op_3"].alternatives  # the assignments that differ from it
    """

    decision: Decision
    index: int  # type: ignore[assignment]  # hides tuple.index, of no use here

    @property
    def value(self) -> Any:
        """Value of the parameter."""
        return self.decision.value(self.index)

    @property
    def alternatives(self) -> list[Assignment]:
        """The other choices of the same decision; empty if it has one choice only."""
        others = (index for index in range(self.decision.size) if index != self.index)
        return [self.decision.assignment(index) for index in others]


@dataclass
class DecisionTable:
    """Gives the one :class:`Decision` of a name and its choices.

    Args:
        decides: Which parameters the sampler decides.
    """

    decides: Decides
    _decisions: dict[Any, Decision | None] = field(default_factory=dict)

    def get(self, name: str, distribution: BaseDistribution) -> Decision | None:
        """Return the decision of a parameter; None if the sampler leaves it to ``hp_sampler``."""
        key: Any
        if isinstance(distribution, CategoricalDistribution):
            # 1, 1.0 and True are equal in Python and different choices in a storage.
            key = (name, distribution.choices, tuple(map(type, distribution.choices)))
        elif isinstance(distribution, IntDistribution):
            key = (name, distribution.low, distribution.high, distribution.step, distribution.log)
        else:
            key = (name, distribution)
        try:
            return self._decisions[key]
        except KeyError:
            decision = self._decisions[key] = self._new(name, distribution)
            return decision

    def _new(self, name: str, distribution: BaseDistribution) -> Decision | None:
        if not self.decides(name, distribution):
            return None
        if isinstance(distribution, CategoricalDistribution):
            return Decision(name, distribution, len(distribution.choices))
        if isinstance(distribution, IntDistribution) and not distribution.log:
            size = (distribution.high - distribution.low) // distribution.step + 1
            return Decision(name, distribution, size)
        raise ValueError(
            f"`decides` gives the parameter {name!r} to the architecture sampler, but it can only "
            f"decide categoricals and integers without log, not {distribution}. Leave it to "
            "`hp_sampler`."
        )


def as_decides(decides: Decides | Collection[str] | None) -> Decides:
    """Turn the ``decides`` argument of a sampler into a function.

    Raises:
        TypeError: If ``decides`` is a string, or neither a function nor a collection.
    """
    if decides is None:
        return _small_and_discrete
    if callable(decides):
        return decides
    if isinstance(decides, str) or not isinstance(decides, Collection):
        raise TypeError(
            "`decides` must be a function of (name, distribution), a collection of parameter "
            f"names, or None, but got {decides!r}."
        )
    names = frozenset(decides)
    return partial(_is_named, names)


def _is_named(names: frozenset[str], name: str, distribution: BaseDistribution) -> bool:
    return name in names


def _small_and_discrete(name: str, distribution: BaseDistribution) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return True
    if not isinstance(distribution, IntDistribution) or distribution.log:
        return False
    return (distribution.high - distribution.low) // distribution.step < MAX_INT_VALUES
