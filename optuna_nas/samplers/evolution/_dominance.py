"""Dominance and crowding: which of several trials with several objectives are better.

References:
    Deb, Pratap, Agarwal, Meyarivan, A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II,
    IEEE Transactions on Evolutionary Computation 6(2), 2002.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from optuna.study import StudyDirection

__all__ = ["Floats", "crowding_distances", "dominates", "front_ranks", "losses"]

Floats = npt.NDArray[np.float64]


def losses(values: Sequence[Sequence[float]], directions: Sequence[StudyDirection]) -> Floats:
    """Turn objective values so that less is better: ``(N, M)``."""
    signs = [-1.0 if way == StudyDirection.MAXIMIZE else 1.0 for way in directions]
    return np.asarray(values, dtype=np.float64).reshape(len(values), len(signs)) * signs


def dominates(first: Floats, second: Floats) -> npt.NDArray[np.bool_]:
    """Tell whether rows are no worse and somewhere better: ``(..., M), (..., M) -> (...)``."""
    better: npt.NDArray[np.bool_] = np.any(first < second, axis=-1)
    better &= np.all(first <= second, axis=-1)
    return better


def front_ranks(rows: Floats) -> list[int]:
    """Return the front of each row: 0 is dominated by none, 1 by rows of front 0 only, and so on.

    Args:
        rows: Losses ``(N, M)``.
    """
    matrix = dominates(rows[:, None, :], rows[None, :, :])  # (N, N): row i dominates row j
    ranks = np.full(len(rows), -1)
    rank = 0
    while (left := ranks < 0).any():
        free = left & ~matrix[left].any(axis=0)
        ranks[free] = rank
        rank += 1
    return [int(rank) for rank in ranks]


def crowding_distances(rows: Floats) -> list[float]:
    """Compute the crowding distance of each row of a front; infinite at an objective's ends.

    Args:
        rows: Losses ``(N, M)`` that do not dominate each other.
    """
    distances = np.zeros(len(rows))
    for column in rows.T:
        order = np.argsort(column, kind="stable")
        with np.errstate(over="ignore", invalid="ignore"):  # values may be huge or infinite
            spread = column[order[-1]] - column[order[0]]
        distances[order[[0, -1]]] = np.inf
        if np.isfinite(spread) and spread > 0.0:
            distances[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / spread
    return [float(distance) for distance in distances]
