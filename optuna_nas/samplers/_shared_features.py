"""Decisions of a space that grows as vectors of one length, whatever its size.

Letters: ``N`` architectures, ``D`` decisions, ``F`` features.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from optuna_nas.samplers._decisions import Slot
    from optuna_nas.samplers._encoding import Codes, Floats
    from optuna_nas.samplers._trie import Step

__all__ = ["SharedFeatures"]


class SharedFeatures:
    """The share that each choice has among the decisions whose names differ in numbers only.

    So what was learned of ``cell_2_op_a`` holds for ``cell_3_op_a``, which nobody has seen yet.
    The mean of one-hot blocks, as a linear layer follows, is the paper's mean of embeddings.

    Args:
        slots: All that may be met.

    Example::

        features = SharedFeatures(slots)
        features.of([{"cell_2_op_a": (slot, 0)}])  # shape (1, F)
    """

    def __init__(self, slots: Iterable[Slot]) -> None:
        by_kind: dict[str, set[object]] = {}
        self._slots = list(slots)
        for slot in self._slots:
            by_kind.setdefault(_kind(slot), set()).update(map(slot.value, range(slot.size)))
        keys = [
            (kind, value) for kind in sorted(by_kind) for value in sorted(by_kind[kind], key=repr)
        ]
        place = {key: column for column, key in enumerate(keys)}
        self._columns = {
            slot: np.array([place[_kind(slot), slot.value(i)] for i in range(slot.size)])
            for slot in self._slots
        }
        kinds = np.array([kind for kind, _ in keys])
        self._same_kind = (kinds[:, None] == kinds).astype(np.float64)  # (F, F)

    def of(self, architectures: Sequence[Mapping[str, Step]]) -> Floats:
        """Shares, shape (N, F); decisions that are not known here are left out."""
        return self.shares(np.array([self.count(steps.values()) for steps in architectures]))

    def count(self, steps: Iterable[Step]) -> Floats:
        """How often an architecture makes each choice, shape (F,)."""
        counts = np.zeros(len(self._same_kind))
        for slot, index in steps:
            if slot in self._columns:
                counts[self._columns[slot][index]] += 1.0
        return counts

    def counts(self, slots: Sequence[Slot], choices: Codes) -> Floats:
        """How often each choice is made in rows of choices of some slots.

        Args:
            slots: D of them.
            choices: Indices, shape (N, D).

        Returns:
            Shape (N, F); sums of counts are counts again.
        """
        counts = np.zeros((len(choices), len(self._same_kind)))
        rows = np.arange(len(choices))
        for slot, chosen in zip(slots, choices.T, strict=True):
            np.add.at(counts, (rows, self._columns[slot][chosen]), 1.0)
        return counts

    def shares(self, counts: Floats) -> Floats:
        """Counts as shares of all decisions of their kind, shape (N, F)."""
        counts = counts.reshape(-1, len(self._same_kind))
        totals = counts @ self._same_kind
        shares: Floats = counts / np.maximum(totals, 1.0)
        return shares


def _kind(slot: Slot) -> str:
    return re.sub(r"\d+", "#", slot.name)
