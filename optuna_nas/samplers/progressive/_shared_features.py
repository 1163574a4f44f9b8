"""Decisions of a space that grows as vectors of one length, whatever its size.

Letters: ``N`` architectures, ``D`` decisions, ``T`` codes of all decisions, ``F`` features.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from optuna_nas.samplers.predictor._encoding import Codes, Encoding, Floats

__all__ = ["SharedFeatures"]


class SharedFeatures:
    """The share that each choice has among the decisions whose names differ in numbers only.

    So what was learned of ``cell_2_op_a`` holds for ``cell_3_op_a``, which nobody has seen yet.
    The mean of one-hot blocks, as a linear layer follows, is the paper's mean of embeddings.

    Args:
        encoding: Of the rows.
        besides: Name of a decision that says nothing, such as the size.

    Example::

        features = SharedFeatures(encoding, besides="num_blocks")
        features.shares(encoding.encode(architectures))  # shape (N, F)
    """

    def __init__(self, encoding: Encoding, *, besides: str) -> None:
        self._encoding = encoding
        keys = {}  # by place among the T codes
        for column, code in encoding.choices.tolist():
            slot, index = encoding.step(column, code)
            if slot.name != besides:
                place = encoding.offsets[column] + code
                keys[place] = re.sub(r"\d+", "#", slot.name), slot.value(index)
        features = sorted(set(keys.values()), key=repr)
        self._counts = np.zeros((encoding.num_codes, len(features)))  # (T, F)
        for place, key in keys.items():
            self._counts[place, features.index(key)] = 1.0
        kinds = np.array([kind for kind, _ in features])
        self._same_kind = (kinds[:, None] == kinds).astype(np.float64)  # (F, F)

    def shares(self, codes: Codes) -> Floats:
        """What rows are made of, shape (N, F)."""
        counts = self._encoding.one_hot(codes) @ self._counts
        shares: Floats = counts / np.maximum(counts @ self._same_kind, 1.0)
        return shares
