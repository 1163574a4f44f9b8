"""Features that decisions of one kind share: how often each choice is taken.

Letters: ``N`` architectures, ``D`` decisions, ``T`` codes of all decisions, ``F`` features.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from optuna_nas.samplers.predictor._encoding import Codes, Encoding, Floats

__all__ = ["SharedFeatures"]


class SharedFeatures:
    """The share that each choice has among the decisions whose names differ in numbers only.

    So what was learned of ``cell_2_op_a`` holds for ``cell_3_op_a``, which no trial has had yet.
    The mean of one-hot blocks, as a linear layer follows, is the paper's mean of embeddings.

    Args:
        encoding: Encoding of the rows.
        besides: Name of a decision that is left out, such as the size.

    Attributes:
        units: Scales of the shares, shape (F,): times these, the rows of uniform choices vary by
            about 1 in all, every kind alike. 0 for a decision that is the only one of its kind.

    Example::

        features = SharedFeatures(encoding, besides="num_blocks")
        features.shares(encoding.encode(architectures))  # shape (N, F)
    """

    def __init__(self, encoding: Encoding, *, besides: str | None = None) -> None:
        self._encoding = encoding
        keys = {}  # by place among the T codes
        for column, code in encoding.choices.tolist():
            decision, index = encoding.assignment(column, code)
            if decision.name != besides:
                place = encoding.offsets[column] + code
                keys[place] = _kind(decision.name), decision.value(index)
        features = {key: f for f, key in enumerate(sorted(set(keys.values()), key=repr))}
        self._counts = np.zeros((encoding.num_codes, len(features)))  # (T, F)
        for place, key in keys.items():
            self._counts[place, features[key]] = 1.0
        kinds = np.array([kind for kind, _ in features])
        self._same_kind = (kinds[:, None] == kinds).astype(np.float64)  # (F, F)
        sizes = Counter(map(_kind, encoding.names))
        shared = sum(size > 1 for size in sizes.values())
        of_kind = [sizes[kind] if sizes[kind] > 1 else 0 for kind in kinds.tolist()]
        self.units: Floats = np.sqrt(np.array(of_kind, dtype=np.float64) / max(shared, 1))

    def shares(self, codes: Codes) -> Floats:
        """Compute the shares of choices in rows of codes, shape (N, F)."""
        return self.shares_of(self._encoding.one_hot(codes))

    def shares_of(self, hot: Floats) -> Floats:
        """Compute the same from rows that are one-hot already, shape (N, T)."""
        counts = hot @ self._counts
        shares: Floats = counts / np.maximum(counts @ self._same_kind, 1.0)
        return shares


def _kind(name: str) -> str:
    return re.sub(r"\d+", "#", name)
