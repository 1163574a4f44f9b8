"""What a sampler decides: discrete suggestions, seen as numbered choices.

A :class:`Slot` is a name with its distribution; a decision is a slot and the index of a choice.
Randomness is keyed by (seed, trial number, label), so that a restarted or parallel search draws
what an undisturbed one draws.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

__all__ = ["Decides", "Draw", "Slot", "SlotTable", "as_decides"]

Decides = Callable[[str, BaseDistribution], bool]

MAX_INT_VALUES = 64


@dataclass(frozen=True, eq=False)
class Slot:
    """One decision that a trial can meet: a name and the choices it has.

    Slots are compared by identity; a :class:`SlotTable` gives one slot per name and choices.

    Args:
        name: Name of the parameter.
        distribution: Categorical, or an integer range without log.
        size: Number of choices.
    """

    name: str
    distribution: CategoricalDistribution | IntDistribution
    size: int

    def index(self, value: Any) -> int | None:
        """Number of the choice ``value``, or None if it is not one of the choices."""
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
        """The choice with the number ``index``."""
        dist = self.distribution
        if isinstance(dist, CategoricalDistribution):
            return dist.choices[index]
        return dist.low + index * dist.step


@dataclass
class SlotTable:
    """Gives the one :class:`Slot` of a name and its choices, and says what a sampler decides."""

    decides: Decides
    _slots: dict[Any, Slot | None] = field(default_factory=dict)

    def get(self, name: str, distribution: BaseDistribution) -> Slot | None:
        """The slot of a parameter, or None if the sampler leaves it to ``hp_sampler``."""
        key: Any
        if isinstance(distribution, CategoricalDistribution):
            # 1, 1.0 and True are equal in Python and different choices in a storage.
            key = (name, distribution.choices, tuple(map(type, distribution.choices)))
        elif isinstance(distribution, IntDistribution):
            key = (name, distribution.low, distribution.high, distribution.step, distribution.log)
        else:
            key = (name, distribution)
        try:
            return self._slots[key]
        except KeyError:
            slot = self._slots[key] = self._new(name, distribution)
            return slot

    def _new(self, name: str, distribution: BaseDistribution) -> Slot | None:
        if not self.decides(name, distribution):
            return None
        if isinstance(distribution, CategoricalDistribution):
            return Slot(name, distribution, len(distribution.choices))
        if isinstance(distribution, IntDistribution) and not distribution.log:
            size = (distribution.high - distribution.low) // distribution.step + 1
            return Slot(name, distribution, size)
        raise ValueError(
            f"`decides` gives the parameter {name!r} to the architecture sampler, but it can only "
            f"decide categoricals and integers without log, not {distribution}. Leave it to "
            "`hp_sampler`."
        )


def as_decides(decides: Decides | Collection[str] | None) -> Decides:
    """Turn the ``decides`` argument of a sampler into a function.

    Raises:
        TypeError: If ``decides`` is a string or nothing that can decide.
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


@dataclass(frozen=True)
class Draw:
    """Randomness of one trial, keyed by what it is used for.

    Equal (seed, number, attempt, label) give equal draws on every machine: NumPy promises that
    ``SeedSequence`` keeps its output across releases.

    Args:
        seed: The sampler's seed.
        number: The trial's number.
        attempt: Raised when a proposal turned out to be taken by another worker.
        stream: Sets apart what is not drawn for a trial.
    """

    seed: int
    number: int
    attempt: int = 0
    stream: int = 0

    def indices(self, label: str, size: int, count: int) -> list[int]:
        """``count`` independent uniform integers in [0, size)."""
        return [(word * size) >> 32 for word in self._words(label, count)]

    def index(self, label: str, size: int) -> int:
        """One uniform integer in [0, size)."""
        return self.indices(label, size, 1)[0]

    def uniform(self, label: str) -> float:
        """One uniform number in [0, 1)."""
        return self._words(label, 1)[0] / 2**32

    def permutation(self, label: str, size: int) -> list[int]:
        """The integers below ``size`` in random order."""
        words = self._words(label, size)
        return sorted(range(size), key=words.__getitem__)

    def _words(self, label: str, count: int) -> list[int]:
        key = [self.seed, self.number, zlib.crc32(label.encode()), self.attempt]
        key += [self.stream] * (self.stream > 0)
        words: list[int] = np.random.SeedSequence(key).generate_state(count, np.uint32).tolist()
        return words
