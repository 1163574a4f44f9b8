"""Decisions as rows of numbers, for surrogate models, in conditional spaces too.

Letters: ``N`` architectures, ``D`` decisions, ``T`` codes of all decisions together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import CategoricalDistribution

from optuna_nas.samplers.predictor._shared_features import SharedFeatures

if TYPE_CHECKING:
    from optuna_nas.samplers.base._decisions import Slot
    from optuna_nas.samplers.base._trie import Step

__all__ = ["Codes", "Encoding", "Floats"]

Codes: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]


class Encoding:
    """Gives each architecture a row of codes, one per decision name; 0 says it was not asked for.

    Columns are in the order of their names, so that a row does not depend on which trial came
    first.

    Args:
        slots: Those that may be met. Several of one name (ranges that grow) share a column.

    Example::

        encoding = Encoding([slot_a, slot_b])
        encoding.encode([{"a": (slot_a, 2)}])  # [[3, 0]]
    """

    def __init__(self, slots: Iterable[Slot]) -> None:
        by_name: dict[str, list[Slot]] = {}
        for slot in slots:
            by_name.setdefault(slot.name, []).append(slot)
        self.names = tuple(sorted(by_name))
        self._steps = [_choices(by_name[name]) for name in self.names]
        self._code_of = [
            {
                (slot, index): code
                for code, step in enumerate(steps, 1)
                for slot in by_name[name]
                if (index := slot.index(step[0].value(step[1]))) is not None
            }
            for name, steps in zip(self.names, self._steps, strict=True)
        ]

    @cached_property
    def sizes(self) -> Codes:
        """How many choices each decision has, shape (D,)."""
        return np.array([len(steps) for steps in self._steps], dtype=np.int64)

    @property
    def total(self) -> int:
        """How many rows :meth:`everything` has."""
        return math.prod(self.sizes.tolist())

    @property
    def num_codes(self) -> int:
        """T: the codes of all decisions together, those for not being asked among them."""
        return int(self.sizes.sum()) + len(self.names)

    @cached_property
    def offsets(self) -> Codes:
        """Where the codes of each decision begin among the T of :meth:`one_hot`, shape (D,)."""
        return np.concatenate([[0], np.cumsum(self.sizes + 1)[:-1]]).astype(np.int64)

    @cached_property
    def choices(self) -> Codes:
        """All pairs of a column and a code of it, without the code 0, shape (T - D, 2)."""
        pairs = [
            (column, code) for column, size in enumerate(self.sizes) for code in range(1, size + 1)
        ]
        return np.array(pairs, dtype=np.int64).reshape(-1, 2)

    def encode(self, architectures: Sequence[Mapping[str, Step]]) -> Codes:
        """Rows of codes, shape (N, D); decisions that the encoding does not know are left out."""
        columns = list(zip(self.names, self._code_of, strict=True))
        rows = [
            [codes.get(steps[name], 0) if name in steps else 0 for name, codes in columns]
            for steps in architectures
        ]
        return np.array(rows, dtype=np.int64).reshape(-1, len(columns))

    def decode(self, row: Iterable[int]) -> dict[str, Step]:
        """The decisions of one row."""
        columns = enumerate(zip(self.names, row, strict=True))
        return {name: self.step(column, code) for column, (name, code) in columns if code > 0}

    def step(self, column: int, code: int) -> Step:
        """The decision that a code above 0 stands for."""
        return self._steps[column][code - 1]

    def one_hot(self, codes: Codes) -> Floats:
        """A 1 for every code, shape (N, T)."""
        hot = np.zeros((len(codes), self.num_codes))
        np.put_along_axis(hot, codes + self.offsets, 1.0, axis=1)
        return hot

    @cached_property
    def shared(self) -> SharedFeatures:
        """What decisions of one kind have in common."""
        return SharedFeatures(self)

    def everything(self) -> Codes:
        """All combinations of choices, shape (product of sizes, D)."""
        grid = np.indices(tuple(self.sizes), dtype=np.int64)
        return grid.reshape(len(self.names), self.total).T + 1


def _choices(slots: Sequence[Slot]) -> list[Step]:
    """The choices that slots of one name have together, in an order that is theirs alone."""
    steps: dict[object, Step] = {}
    for slot in sorted(slots, key=lambda slot: repr(slot.distribution)):
        for index in range(slot.size):
            value = slot.value(index)
            steps.setdefault((type(value), value), (slot, index))
    if isinstance(slots[0].distribution, CategoricalDistribution):
        return list(steps.values())
    return sorted(steps.values(), key=lambda step: int(step[0].value(step[1])))
