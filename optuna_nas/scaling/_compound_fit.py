"""Reads the coefficients of compound scaling off a study, with their uncertainty.

A step of growth is shared out: ``s_d + s_w + s_r = 1`` are the shares of depth, width and
resolution in the logarithm of the growth, so that ``alpha = g**s_d``, ``beta = g**(s_w / 2)`` and
``gamma = g**(s_r / 2)``. Accuracy is a quadratic function of two shares, and a linear one of what
the counted multiply-adds differ by; its maximum within the shares that were tried is the result.

Legend: ``n`` trials, ``K`` coefficients of the quadratic, ``P`` candidates.

References:
    - Tan and Le. EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks. ICML
      2019. arXiv:1905.11946.

Differences from the paper:
    1. It takes the best point of its grid. A surface over all points is less at the mercy of
       one lucky run, and its residuals say how sure the result is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_nas.scaling._coefficients import Coefficients
from optuna_nas.scaling._results import RESULT

if TYPE_CHECKING:
    from optuna.study import Study

__all__ = ["LEAST_SHARES", "LETTERS", "CompoundFit", "different_shares", "fit", "shares"]

LETTERS = ("alpha", "beta", "gamma")

LEAST_SHARES = 10
"""How many different shares a fit needs: one for each of its seven terms, three for the noise."""

_STEPS = 100  # of the candidates' shares
_RESAMPLES = 400
_DIGITS = 6


@dataclass(frozen=True)
class CompoundFit:
    """Coefficients and how sure they are.

    Attributes:
        coefficients: Where the fitted accuracy is highest.
        std: Standard deviations of alpha, beta and gamma, from refits to resampled residuals.
        trials: Complete trials that were used.
        r2: Share of the variance of their values that the surface explains.
        best: Coefficients of the best single trial, which is what the paper takes.
        at_border: Whether the maximum lies at the edge of what was tried, so that the true one
            may lie beyond.
    """

    coefficients: Coefficients
    std: tuple[float, float, float]
    trials: int
    r2: float
    best: Coefficients
    at_border: bool

    def __str__(self) -> str:
        rows = [f"{'':<8}{'fitted':>8}{'sd':>8}{'best trial':>12}"]
        for letter, std in zip(LETTERS, self.std, strict=True):
            value, best = getattr(self.coefficients, letter), getattr(self.best, letter)
            rows.append(f"{letter:<8}{value:>8.3f}{std:>8.3f}{best:>12.3f}")
        rows.append(f"{self.trials} trials, R2 {self.r2:.2f}")
        if self.at_border:
            rows.append("The maximum lies at the edge of what was tried: widen the grid.")
        return "\n".join(rows)


def shares(coefficients: Coefficients) -> tuple[float, float, float]:
    """Return the shares of depth, width and resolution in the growth; they sum to 1."""
    logs = np.log([coefficients.alpha, coefficients.beta**2, coefficients.gamma**2])
    depth, width, resolution = (logs / logs.sum()).tolist()
    return depth, width, resolution


def different_shares(tried: Iterable[Coefficients]) -> int:
    """Return at how many different shares of the growth these are."""
    return len({tuple(np.round(shares(one), _DIGITS).tolist()) for one in tried})


def fit(study: Study, *, seed: int = 0) -> CompoundFit:
    """Fit the coefficients of compound scaling to a study of a ``CompoundScalingObjective``.

    Any study will do that suggests ``alpha``, ``beta`` and ``gamma`` for about the same growth.

    Args:
        study: With complete trials at ten or more different shares of the coefficients; the more
            seeds for each, the surer is the result.
        seed: Seed of the resampling.

    Raises:
        ValueError: If there are too few different trials to say anything.

    Example::

        import optuna
        from optuna_nas import scaling

        def objective(trial):
            a, b, c = (trial.suggest_float(x, 1.0, 1.4) for x in ("alpha", "beta", "gamma"))
            if abs(a * b**2 * c**2 - 2) > 0.1:
                raise optuna.TrialPruned
            return -((a - 1.2) ** 2) - (b - 1.1) ** 2 - (c - 1.15) ** 2

        study = optuna.create_study(
            direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0)
        )
        study.optimize(objective, n_trials=300)
        print(scaling.fit(study))
    """
    tried, values, counted = _read(study)
    different = different_shares(tried)
    if different < LEAST_SHARES:
        raise ValueError(
            f"`study` must have complete trials at {LEAST_SHARES} or more different shares of "
            f"alpha, beta and gamma, but {study.study_name!r} has {different}: run more trials."
        )
    points = np.array([shares(coefficients) for coefficients in tried])
    growth = float(np.mean([np.log(coefficients.growth) for coefficients in tried]))
    candidates = _candidates(points)
    design_nK = _design(points, counted)
    target_PK = _design(candidates, np.zeros(len(candidates)))
    solution_K, *_ = np.linalg.lstsq(design_nK, values, rcond=None)
    residuals = values - design_nK @ solution_K
    winner = int(np.argmax(target_PK @ solution_K))
    return CompoundFit(
        coefficients=_coefficients(candidates[winner], growth),
        std=_spread(design_nK, values, residuals, target_PK, candidates, growth, seed),
        trials=len(values),
        r2=1 - float(residuals.var() / values.var()) if values.var() > 0 else 0.0,
        best=tried[int(np.argmax(values))],
        at_border=_at_border(candidates[winner], candidates),
    )


def _read(study: Study) -> tuple[list[Coefficients], np.ndarray, np.ndarray]:
    """Return what was tried, how good it was (more is better), and log growth as counted."""
    complete = [
        trial
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if {*LETTERS} <= trial.params.keys()
        and max(trial.params[x] for x in LETTERS) > 1
        and math.isfinite(trial.values[0])
    ]
    tried = [Coefficients(*(trial.params[x] for x in LETTERS)) for trial in complete]
    sign = 1 if study.direction == StudyDirection.MAXIMIZE else -1
    values = sign * np.array([trial.values[0] for trial in complete])
    macs = [(RESULT.read(trial) or {}).get("macs") for trial in complete]
    if None in macs or not macs:
        macs = [coefficients.growth for coefficients in tried]
    counted = np.log(np.array(macs, dtype=float)) if macs else np.zeros(0)
    return tried, values, counted - counted.mean() if len(counted) else counted


def _design(points: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Return the terms of the quadratic in (s_d, s_w), and the linear one: (n, K)."""
    depth, width = points[:, 0], points[:, 1]
    terms = [np.ones(len(points)), depth, width, depth**2, depth * width, width**2, counted]
    return np.stack(terms, axis=1)


def _candidates(points: np.ndarray) -> np.ndarray:
    """Return shares (P, 3) in steps of a per cent within the convex hull of those tried."""
    from scipy.spatial import Delaunay, QhullError

    depth, width = np.meshgrid(np.arange(_STEPS + 1), np.arange(_STEPS + 1), indexing="ij")
    inside = depth + width <= _STEPS
    grid = np.stack([depth[inside], width[inside], _STEPS - depth[inside] - width[inside]], axis=1)
    try:
        hull = Delaunay(points[:, :2])
    except QhullError as e:
        raise ValueError(
            "`study` must try shares that differ in two directions, but all of its trials lie on "
            "one line: vary alpha, beta and gamma."
        ) from e
    within: np.ndarray = grid[hull.find_simplex(grid[:, :2] / _STEPS) >= 0] / _STEPS
    return within if len(within) else points


def _coefficients(share: np.ndarray, growth: float) -> Coefficients:
    alpha, beta, gamma = np.exp(growth * share * np.array([1.0, 0.5, 0.5])).tolist()
    return Coefficients(alpha, beta, gamma, fitted_at=float(np.exp(growth)))


def _spread(
    design_nK: np.ndarray,
    values: np.ndarray,
    residuals: np.ndarray,
    target_PK: np.ndarray,
    candidates: np.ndarray,
    growth: float,
    seed: int,
) -> tuple[float, float, float]:
    """Return the standard deviation of each coefficient over refits to resampled residuals."""
    n, terms = design_nK.shape
    rng = np.random.default_rng(seed)
    # Residuals of a fit are smaller than the noise by the degrees of freedom that it took.
    noise = residuals * np.sqrt(n / max(1, n - terms))
    drawn_nR = (values - residuals)[:, None] + rng.choice(noise, size=(n, _RESAMPLES))
    solutions_KR = np.linalg.pinv(design_nK) @ drawn_nR
    winners = np.argmax(target_PK @ solutions_KR, axis=0)
    found = np.exp(growth * candidates[winners] * np.array([1.0, 0.5, 0.5]))
    alpha, beta, gamma = found.std(axis=0).tolist()
    return alpha, beta, gamma


def _at_border(point: np.ndarray, candidates: np.ndarray) -> bool:
    """Whether one of the six neighbours on the grid of shares is no candidate."""
    step = 1 / _STEPS
    moves = np.array([(1, -1, 0), (1, 0, -1), (0, 1, -1), (-1, 1, 0), (-1, 0, 1), (0, -1, 1)])
    for move in moves * step:
        if np.abs(candidates - (point + move)).max(axis=1).min() > step / 2:
            return True
    return False
