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

from optuna_nas.samplers.base import Assignment
from optuna_nas.samplers.predictor._shared_features import SharedFeatures

if TYPE_CHECKING:
    from optuna_nas.samplers.base import Decision

__all__ = ["Codes", "Encoding", "Floats"]

Codes: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]


class Encoding:
    """Rows of codes for architectures, one per decision name; 0 says it was not asked for.

    Columns are in the order of their names, so that a row does not depend on which trial came
    first.

    Args:
        decisions: Decisions that may be met. Several of one name (ranges that grow) share a
            column.

    Example::

        encoding = Encoding([decision_a, decision_b])
        encoding.encode([{"a": Assignment(decision_a, 2)}])  # [[3, 0]]
    """

    def __init__(self, decisions: Iterable[Decision]) -> None:
        by_name: dict[str, list[Decision]] = {}
        for decision in decisions:
            by_name.setdefault(decision.name, []).append(decision)
        self.names = tuple(sorted(by_name))
        self._assignments = [_choices(by_name[name]) for name in self.names]
        self._code_of = [
            {
                Assignment(decision, index): code
                for code, made in enumerate(assignments, 1)
                for decision in by_name[name]
                if (index := decision.index(made.value)) is not None
            }
            for name, assignments in zip(self.names, self._assignments, strict=True)
        ]

    @cached_property
    def sizes(self) -> Codes:
        """Number of choices of each decision, shape (D,)."""
        return np.array([len(choices) for choices in self._assignments], dtype=np.int64)

    @property
    def total(self) -> int:
        """Number of rows of :meth:`everything`."""
        return math.prod(self.sizes.tolist())

    @property
    def num_codes(self) -> int:
        """T: the codes of all decisions together, those for not being asked among them."""
        return int(self.sizes.sum()) + len(self.names)

    @cached_property
    def offsets(self) -> Codes:
        """First code of each decision among the T of :meth:`one_hot`, shape (D,)."""
        return np.concatenate([[0], np.cumsum(self.sizes + 1)[:-1]]).astype(np.int64)

    @cached_property
    def choices(self) -> Codes:
        """All pairs of a column and a code of it, without the code 0, shape (T - D, 2)."""
        pairs = [
            (column, code) for column, size in enumerate(self.sizes) for code in range(1, size + 1)
        ]
        return np.array(pairs, dtype=np.int64).reshape(-1, 2)

    def encode(self, architectures: Sequence[Mapping[str, Assignment]]) -> Codes:
        """Encode architectures as rows, shape (N, D); unknown decisions are left out."""
        columns = list(zip(self.names, self._code_of, strict=True))
        rows = [
            [codes.get(made[name], 0) if name in made else 0 for name, codes in columns]
            for made in architectures
        ]
        return np.array(rows, dtype=np.int64).reshape(-1, len(columns))

    def decode(self, row: Iterable[int]) -> dict[str, Assignment]:
        """Decode the decisions of one row."""
        columns = enumerate(zip(self.names, row, strict=True))
        return {
            name: self._assignments[column][code - 1]
            for column, (name, code) in columns
            if code > 0
        }

    def assignment(self, column: int, code: int) -> Assignment:
        """Return the assignment that a code above 0 stands for."""
        return self._assignments[column][code - 1]

    def one_hot(self, codes: Codes) -> Floats:
        """Encode rows with a 1 for every code, shape (N, T)."""
        hot = np.zeros((len(codes), self.num_codes))
        np.put_along_axis(hot, codes + self.offsets, 1.0, axis=1)
        return hot

    @cached_property
    def shared(self) -> SharedFeatures:
        """Features that decisions of one kind share."""
        return SharedFeatures(self)

    def everything(self) -> Codes:
        """Make rows of all combinations of choices, shape (product of sizes, D)."""
        grid = np.indices(tuple(self.sizes), dtype=np.int64)
        return grid.reshape(len(self.names), self.total).T + 1


def _choices(decisions: Sequence[Decision]) -> list[Assignment]:
    """Return the choices that decisions of one name have together.

    Their order follows from the distributions alone, not from which decision was met first.
    """
    found: dict[object, Assignment] = {}
    for decision in sorted(decisions, key=lambda decision: repr(decision.distribution)):
        for index in range(decision.size):
            value = decision.value(index)
            found.setdefault((type(value), value), Assignment(decision, index))
    if isinstance(decisions[0].distribution, CategoricalDistribution):
        return list(found.values())
    return sorted(found.values(), key=lambda made: int(made.value))
