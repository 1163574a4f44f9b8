"""The surrogate against closed forms, and what it has to learn."""

from __future__ import annotations

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Kernel as ScikitKernel

from optuna_nas.samplers.base._decisions import Decision
from optuna_nas.samplers.predictor._encoding import Codes, Encoding
from optuna_nas.samplers.predictor._gaussian_process import (
    JITTER,
    NOISY_PRIOR,
    GaussianProcess,
    Kernel,
    Repeats,
    _log_prior,
    _Objective,
    fit_kernel,
)

ENCODING = Encoding([Decision(f"op_{i}", CategoricalDistribution("abcd"), 4) for i in range(4)])
KERNEL = Kernel({"op_0": 0.2, "op_1": 0.5, "op_3": 1.0}, 0.3, 1.5, 0.7, 0.4, 0.05)
WEIGHTS = np.array([0.2, 0.5, 0.3, 1.0])  # op_2 has the weight of what is new


def _covariance(first: Codes, second: Codes) -> np.ndarray:
    """The kernel written out pair by pair."""
    agree = (first[:, None, :] == second[None, :, :]) @ WEIGHTS
    common = 0.4 * _shares(first) @ _shares(second).T
    return 1.5 * np.exp(agree - WEIGHTS.sum()) + 0.7 * agree / WEIGHTS.sum() + common


def _shares(rows: Codes) -> np.ndarray:
    """How often each choice was taken among the decisions that were asked for, times a root."""
    counts = np.array([[np.sum(row == code) for code in range(1, 5)] for row in rows])
    return 2.0 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def _rows(count: int, seed: int) -> Codes:
    rows = np.unique(np.random.RandomState(seed).randint(0, 5, (4 * count, 4)), axis=0)
    return np.random.RandomState(seed).permutation(rows)[:count]


class _Precomputed(ScikitKernel):
    """Our kernel for scikit-learn, with nothing to fit."""

    def __init__(self) -> None:
        pass

    def __call__(self, X, Y=None, eval_gradient=False):  # type: ignore[no-untyped-def]
        return _covariance(X, X if Y is None else Y)

    def diag(self, X):  # type: ignore[no-untyped-def]
        return np.diag(_covariance(X, X))

    def is_stationary(self) -> bool:
        return False


def test_the_posterior_is_that_of_scikit_learn() -> None:
    rng = np.random.RandomState(0)
    rows, others = _rows(25, 1), _rows(5000, 2)
    targets, counts = rng.normal(size=25), rng.randint(1, 4, 25).astype(float)
    process = GaussianProcess(ENCODING, KERNEL, rows, targets, counts)
    mean, deviation = process.predict(others)
    reference = GaussianProcessRegressor(
        _Precomputed(), alpha=0.05 / counts + JITTER, optimizer=None
    ).fit(rows, targets)
    expected, spread = reference.predict(others, return_std=True)
    np.testing.assert_allclose(mean, expected, atol=1e-8)
    np.testing.assert_allclose(deviation, spread, atol=1e-6)
    np.testing.assert_allclose(process.fitted, process.predict(rows)[0], atol=1e-10)


def test_several_evaluations_count_as_their_mean() -> None:
    """One row with the mean of three results, or the same row three times."""
    rows = _rows(12, 3)
    repeated = np.concatenate([rows, rows[:1], rows[:1]])
    results = np.random.RandomState(0).normal(size=14)
    targets = np.concatenate([[results[[0, 12, 13]].mean()], results[1:12]])
    counts = np.array([3.0] + [1.0] * 11)
    mean, deviation = GaussianProcess(ENCODING, KERNEL, rows, targets, counts).predict(rows)
    covariance = _covariance(repeated, repeated) + 0.05 * np.eye(14)
    cross = _covariance(rows, repeated)
    np.testing.assert_allclose(mean, cross @ np.linalg.solve(covariance, results), atol=1e-4)
    explained = np.einsum("mn,nm->m", cross, np.linalg.solve(covariance, cross.T))
    prior = np.diag(_covariance(rows, rows))
    np.testing.assert_allclose(deviation**2, prior - explained, atol=1e-4)


def test_draws_have_the_posterior_moments() -> None:
    rows, others = _rows(10, 5), _rows(6, 6)
    targets = np.random.RandomState(0).normal(size=10)
    process = GaussianProcess(ENCODING, KERNEL, rows, targets, np.ones(10))
    rng = np.random.RandomState(1)
    draws = np.array([process.sample(others, rng.standard_normal(6)) for _ in range(4000)])
    mean, deviation = process.predict(others)
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=0.08)
    np.testing.assert_allclose(draws.std(axis=0), deviation, rtol=0.06)
    # Jointly, not one by one: neighbours in the space move together.
    covariance = _covariance(others, others) - _covariance(others, rows) @ np.linalg.solve(
        _covariance(rows, rows) + 0.05 * np.eye(10), _covariance(rows, others)
    )
    np.testing.assert_allclose(np.cov(draws.T), covariance, atol=0.15)


def test_pending_rows_change_what_is_uncertain_but_not_what_is_expected() -> None:
    rows, pending = _rows(10, 5), _rows(3, 9)
    targets = np.random.RandomState(0).normal(size=10)
    process = GaussianProcess(ENCODING, KERNEL, rows, targets, np.ones(10))
    believed = process.with_pending(pending)
    before, after = process.predict(_rows(50, 4)), believed.predict(_rows(50, 4))
    np.testing.assert_allclose(before[0], after[0], atol=1e-8)
    assert (after[1] <= before[1] + 1e-9).all()
    assert (believed.predict(pending)[1] < 0.7 * process.predict(pending)[1]).all()
    assert process.with_pending(pending[:0]) is process


def test_the_gradient_is_that_of_the_density() -> None:
    rng = np.random.RandomState(0)
    rows, targets = _rows(20, 7), rng.normal(size=20)
    prior = _log_prior(ENCODING, 1e-2)
    objective = _Objective(
        ENCODING, rows, targets, rng.randint(1, 4, 20).astype(float), prior, Repeats(3.0, 7)
    )
    at = prior + 0.5 * rng.normal(size=len(prior))
    slope = [
        (objective(at + step)[0] - objective(at - step)[0]) / 2e-5
        for step in 1e-5 * np.eye(len(at))
    ]
    np.testing.assert_allclose(objective(at)[1], slope, atol=1e-6)


def test_the_prior_leaves_the_noise_most_open() -> None:
    objective = _Objective(
        ENCODING, _rows(5, 7), np.zeros(5), np.ones(5), _log_prior(ENCODING, 1e-2)
    )
    np.testing.assert_array_equal(objective.spread, [1.0] * 4 + [1.0, 1.0, 1.0, 2.5])


def test_the_likelihood_is_the_gaussian_one() -> None:
    """Differences of the objective at two points, against the multivariate normal density."""
    from scipy.stats import multivariate_normal

    rng = np.random.RandomState(0)
    rows, targets = _rows(15, 8), rng.normal(size=15)
    prior = _log_prior(ENCODING, 1e-2)
    objective = _Objective(ENCODING, rows, targets, np.ones(15), prior)
    at = np.log(np.array([*WEIGHTS, 1.5, 0.7, 0.4, 0.05]))
    noisy = _covariance(rows, rows) + (0.05 + JITTER) * np.eye(15)
    density = multivariate_normal(np.zeros(15), noisy).logpdf(targets)
    penalty = 0.5 * np.sum(((at - prior) / objective.spread) ** 2)
    constant = 0.5 * 15 * np.log(2 * np.pi)
    assert objective(at)[0] == pytest.approx(-density + penalty - constant)


def test_it_learns_which_decisions_matter_and_how_noisy_results_are() -> None:
    rng = np.random.RandomState(0)
    rows = _rows(150, 11)
    effects = rng.normal(size=(5, 5))
    clean = effects[rows[:, 0], rows[:, 2]]
    clean = (clean - clean.mean()) / clean.std()
    ones = np.ones(len(rows))
    kernel = fit_kernel(ENCODING, rows, clean, ones)
    weights = kernel.weights
    assert min(weights["op_0"], weights["op_2"]) > 5 * max(weights["op_1"], weights["op_3"])
    assert kernel.noise < 0.01
    noisy = clean + 0.3 * rng.normal(size=len(rows))
    assert 0.05 < fit_kernel(ENCODING, rows, noisy, ones, NOISY_PRIOR).noise < 0.15
    of_four = fit_kernel(ENCODING, rows, noisy, 4 * ones, NOISY_PRIOR)
    assert 0.2 < of_four.noise < 0.6


def test_the_likelihood_of_repeats_is_that_of_all_evaluations() -> None:
    """Means with their counts, and the scatter around them, against every evaluation alone."""
    from scipy.stats import multivariate_normal

    rng = np.random.RandomState(4)
    rows, counts = _rows(6, 5), np.array([1, 2, 3, 1, 2, 2])
    every = np.repeat(np.arange(6), counts)
    results = rng.normal(size=len(every))
    means = np.bincount(every, results) / counts
    repeats = Repeats(float(np.square(results - means[every]).sum()), len(every) - 6)
    prior = _log_prior(ENCODING, NOISY_PRIOR)
    objective = _Objective(ENCODING, rows, means, counts.astype(float), prior, repeats)
    values, densities = [], []
    for noise in (0.05, 0.4):
        at = np.log(np.array([*WEIGHTS, 1.5, 0.7, 0.4, noise]))
        penalty = 0.5 * np.sum(((at - prior) / objective.spread) ** 2)
        values.append(penalty - objective(at)[0])
        whole = _covariance(rows[every], rows[every]) + noise * np.eye(len(every))
        densities.append(multivariate_normal(np.zeros(len(every)), whole).logpdf(results))
    assert values[1] - values[0] == pytest.approx(densities[1] - densities[0], abs=1e-3)


def test_what_a_choice_is_worth_is_learned_wherever_it_stands() -> None:
    """From twelve rows of six decisions, where the number of "a" is all that counts."""
    encoding = Encoding(
        [Decision(f"op_{i}", CategoricalDistribution("abcde"), 5) for i in range(6)]
    )
    rows = encoding.everything()
    worth = (rows == 1).sum(axis=1).astype(float)
    seen = np.random.RandomState(1).permutation(len(rows))[:12]
    targets = (worth[seen] - worth[seen].mean()) / worth[seen].std()
    kernel = fit_kernel(encoding, rows[seen], targets, np.ones(12))
    mean, _ = GaussianProcess(encoding, kernel, rows[seen], targets, np.ones(12)).predict(rows)
    assert np.corrcoef(mean, worth)[0, 1] > 0.9
    blind = Kernel(kernel.weights, kernel.other, kernel.product, kernel.linear, 0.0, kernel.noise)
    mean, _ = GaussianProcess(encoding, blind, rows[seen], targets, np.ones(12)).predict(rows)
    assert np.corrcoef(mean, worth)[0, 1] < 0.8
