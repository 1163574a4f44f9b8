"""The acquisition of a surrogate model: what it would evaluate next, and where it looks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from optuna_nas.samplers.predictor._activity import Activity
    from optuna_nas.samplers.predictor._encoding import Codes, Encoding, Floats

__all__ = [
    "Posterior",
    "climb",
    "log_expected_improvement",
    "log_worth_of_another",
    "mutations",
    "random_rows",
    "with_rarest_choice",
]


BEAM = 5
"""Number of the best rows to whose neighbours a climb goes on."""

FAR = -1e4
"""Deviations below which the tail of the expected improvement is its leading term."""


class Posterior(Protocol):
    """Predictions of a surrogate model for architectures' targets, which are maximised."""

    fitted: Floats
    """Mean of each row that it learned from, then of those that run."""
    noise: float
    """Variance of one evaluation around its mean."""

    def predict(self, codes: Codes, /) -> tuple[Floats, Floats]:
        """Mean and standard deviation of each row, shapes (N,)."""

    def sample(self, codes: Codes, normal: Floats, /) -> Floats:
        """One draw for all rows, made from independent standard normal numbers."""


def log_expected_improvement(mean: Floats, deviation: Floats, best: float) -> Floats:
    """Compute log E[max(y - best, 0)] for y ~ N(mean, deviation^2), exact far below ``best`` too.

    Args:
        mean: Shape (N,).
        deviation: Above 0, shape (N,).
        best: Target to improve on.
    """
    from scipy.special import erfcx, ndtr  # as late as in Optuna

    z = (mean - best) / deviation
    low, high = np.minimum(z, -1.0), np.maximum(z, -1.0)
    # E = deviation (phi(z) + z Phi(z)); far below `best` the terms cancel, so phi is drawn out.
    near = np.maximum(low, FAR)
    bracket = np.log1p(near * np.sqrt(np.pi / 2) * erfcx(-near / np.sqrt(2)))
    bracket = np.where(low < FAR, -2.0 * np.log(-low), bracket)  # 1 / z^2 is all that is left
    tail = _log_density(low) + bracket
    direct = np.log(np.exp(_log_density(high)) + high * ndtr(high))
    log_improvement: Floats = np.log(deviation) + np.where(z < -1.0, tail, direct)
    return log_improvement


def log_worth_of_another(deviation: Floats, noise: float) -> Floats:
    """Compute the log of the share of an improvement that one more noisy evaluation can tell.

    The factor of augmented expected improvement (Huang et al., 2006): near 0 where the
    posterior is much surer than a single evaluation, near 1 where it is much less sure.

    Args:
        deviation: Standard deviation of the noise-free targets, shape (N,).
        noise: Variance of one evaluation.
    """
    # 1 - noise^(1/2) / (deviation^2 + noise)^(1/2), without cancellation
    worth: Floats = np.log(-np.expm1(-0.5 * np.log1p(deviation**2 / noise)))
    return worth


def random_rows(
    encoding: Encoding, activity: Activity, count: int, rng: np.random.RandomState
) -> Codes:
    """Draw rows of uniform choices."""
    draws = rng.random_sample((count, len(encoding.names)))
    rows = 1 + (draws * encoding.sizes).astype(np.int64)
    return activity.repair(rows, rows)


def mutations(
    encoding: Encoding,
    activity: Activity,
    parents: Codes,
    *,
    limit: int,
    rng: np.random.RandomState,
) -> Codes:
    """Make rows that differ from a parent in one decision, and in those that depend on it.

    Args:
        encoding: Encoding of the rows.
        activity: Which decisions depend on which.
        parents: Rows, shape (P, D).
        limit: Most rows to return, drawn at random if there are more.
        rng: Source of the randomness.
    """
    choices = encoding.choices
    columns, codes = np.tile(choices, (len(parents), 1)).T
    children = np.repeat(parents, len(choices), axis=0)
    old = children[np.arange(len(children)), columns]
    changed = np.flatnonzero((old > 0) & (old != codes))
    if len(changed) > limit:
        changed = np.sort(rng.permutation(changed)[:limit])
    children = children[changed]
    children[np.arange(len(changed)), columns[changed]] = codes[changed]
    if not activity.rules:
        return children
    fill = 1 + (rng.random_sample(children.shape) * encoding.sizes).astype(np.int64)
    return activity.repair(children, fill)


def with_rarest_choice(encoding: Encoding, rows: Codes, evaluated: Codes) -> Codes:
    """Return the rows in which one decision has the choice that was evaluated least.

    Args:
        encoding: Encoding of the rows.
        rows: Shape (N, D).
        evaluated: Rows that were evaluated; of equally rare choices the first one counts.
    """
    columns, codes = encoding.choices.T
    times = (evaluated[:, columns] == codes).sum(axis=0)
    rarest = int(np.argmin(times))
    having: Codes = rows[rows[:, columns[rarest]] == codes[rarest]]
    return having


def climb(
    score: Callable[[Codes], Floats],
    start: Codes,
    step: Callable[[Codes], Codes],
    *,
    rounds: int,
) -> tuple[Codes, Floats]:
    """Look for rows of high score: score some, then the neighbours of the best, and so on.

    Args:
        score: Scores rows.
        start: Rows of the first round.
        step: Returns neighbours of rows.
        rounds: Number of steps.

    Returns:
        All rows that were met and their scores, the highest first.
    """
    rows, scores = start, score(start)
    for _ in range(rounds):
        best = np.argsort(-scores, kind="stable")[:BEAM]
        found = step(rows[best])
        rows, scores = np.concatenate([rows, found]), np.concatenate([scores, score(found)])
    order = np.argsort(-scores, kind="stable")
    return rows[order], scores[order]


def _log_density(z: Floats) -> Floats:
    log_density: Floats = -0.5 * (z * z + np.log(2 * np.pi))
    return log_density
