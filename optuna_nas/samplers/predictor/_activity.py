"""Activity of decisions, learned from trials: conditional objectives declare nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from optuna_nas.samplers.predictor._encoding import Codes, Encoding

__all__ = ["Activity"]

UNKNOWN = 2


@dataclass(frozen=True)
class Activity:
    """For each decision that is not always asked for, the decision that it depends on.

    It is taken to be the one that tells best: with some choices of it the other was always asked
    for, and with all others never. Decisions for which there is no such one are left as they are.

    Args:
        rules: For each conditional column: its number, the column that it depends on, and for
            each code of that 0 (not asked for), 1 (asked for) or 2 (unknown).
    """

    rules: tuple[tuple[int, int, Codes], ...]

    @classmethod
    def learn(cls, encoding: Encoding, codes: Codes) -> Activity:
        """Find the rules in rows of finished trials."""
        active = (codes > 0).astype(np.float64)  # (N, D)
        asked = active.sum(axis=0)  # (D,)
        conditional = np.flatnonzero(asked < len(codes))
        if not len(conditional):
            return cls(())
        hot = encoding.one_hot(codes)  # (N, T)
        totals = hot.sum(axis=0)[:, None]
        together = hot.T @ active  # (T, D): how often asked for with each code
        state = np.where(together == 0, 0, np.where(together == totals, 1, np.nan))
        state[np.broadcast_to(totals == 0, state.shape)] = UNKNOWN
        clear = np.logical_and.reduceat(~np.isnan(state), encoding.offsets, axis=0)  # (D, D)
        clear &= asked[:, None] > asked[None, :]  # what others depend on is asked for more often
        explains = clear[:, conditional].sum(axis=1)  # (D,): how many others it explains
        rules = []
        # From the outermost condition inwards, so that one pass of `repair` is enough; of
        # several decisions that tell equally, the one that explains most others is the condition.
        for column in sorted(conditional, key=lambda column: (-asked[column], column)):
            if not clear[:, column].any():
                continue
            by = int(np.argmax(np.where(clear[:, column], explains + 1, 0)))
            start = encoding.offsets[by]
            table = state[start : start + encoding.sizes[by] + 1, column].astype(np.int64)
            rules.append((int(column), by, table))
        return cls(tuple(rules))

    def repair(self, codes: Codes, fill: Codes) -> Codes:
        """Return rows in which the decisions asked for agree with the rules.

        Args:
            codes: Rows after some decisions were changed.
            fill: Choices to take for decisions that were not asked for before and now are.
        """
        if not self.rules:
            return codes
        repaired = codes.copy()
        for column, by, table in self.rules:
            wanted, own = table[repaired[:, by]], repaired[:, column]
            taken = np.where(own == 0, fill[:, column], own)
            repaired[:, column] = np.where(wanted == 0, 0, np.where(wanted == 1, taken, own))
        return repaired
