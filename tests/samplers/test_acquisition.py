"""Expected improvement against integrals, and the search for rows that have much of it."""

from __future__ import annotations

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from scipy.integrate import quad
from scipy.stats import norm

from optuna_nas.samplers.base._decisions import Decision
from optuna_nas.samplers.predictor._acquisition import (
    climb,
    log_expected_improvement,
    log_worth_of_another,
    mutations,
    random_rows,
    with_rarest_choice,
)
from optuna_nas.samplers.predictor._activity import Activity
from optuna_nas.samplers.predictor._encoding import Encoding

DEPTH = Decision("depth", IntDistribution(1, 3), 3)
OPS = [Decision(f"op_{i}", CategoricalDistribution("abcd"), 4) for i in range(3)]
ENCODING = Encoding([DEPTH, *OPS])
CHAIN = Activity(
    (
        (2, 0, np.array([2, 0, 1, 1])),
        (3, 0, np.array([2, 0, 0, 1])),
    )
)


@pytest.mark.parametrize("mean", [-2.0, 0.3, 1.0, 4.0])
@pytest.mark.parametrize("deviation", [0.1, 1.0, 7.0])
def test_expected_improvement_is_the_integral(mean: float, deviation: float) -> None:
    best = 0.7

    def gain(value: float) -> float:
        return (value - best) * norm.pdf(value, mean, deviation)

    expected, _ = quad(gain, best, max(mean, best) + 12 * deviation, epsabs=0, points=[mean])
    found = log_expected_improvement(np.array([mean]), np.array([deviation]), best)[0]
    if mean > best - 20 * deviation:
        assert np.exp(found) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("z", [-0.5, -1.0, -1.001, -5.0, -30.0, -300.0, -9999.0, -1.1e4, -1e9])
def test_expected_improvement_far_below_the_best(z: float) -> None:
    """E[max(z + x, 0)] / phi(z) is the integral of t exp(z t - t^2 / 2) over t > 0."""
    ratio, _ = quad(lambda t: t * np.exp(z * t - t * t / 2), 0, 40 / max(1, -z), epsabs=0)
    expected = np.log(ratio) - z * z / 2 - 0.5 * np.log(2 * np.pi)
    found = log_expected_improvement(np.array([2 * z]), np.array([2.0]), 0.0)[0]
    assert found - np.log(2.0) == pytest.approx(expected, rel=1e-6)


def test_expected_improvement_is_finite_and_falls_at_any_distance() -> None:
    found = log_expected_improvement(-np.logspace(-1, 9, 2000), np.ones(2000), 0.0)
    assert np.isfinite(found).all()
    assert (np.diff(found) < 0).all()


def test_the_worth_of_another_evaluation() -> None:
    deviation, noise = np.array([1e-6, 0.1, 1.0, 1e3]), 0.25
    plain = 1 - np.sqrt(noise) / np.sqrt(deviation**2 + noise)
    found = np.exp(log_worth_of_another(deviation, noise))
    np.testing.assert_allclose(found[1:], plain[1:])
    assert found[0] == pytest.approx(deviation[0] ** 2 / (2 * noise))


def test_mutations_differ_in_one_decision() -> None:
    parent = np.array([[2, 1, 3, 4]])
    rng = np.random.RandomState(0)
    children = mutations(ENCODING, Activity(()), parent, limit=1000, rng=rng)
    assert ((children != parent).sum(axis=1) == 1).all()
    assert len({tuple(row) for row in children.tolist()}) == len(children) == 2 + 3 * 3
    few = mutations(ENCODING, Activity(()), np.repeat(parent, 3, axis=0), limit=5, rng=rng)
    assert len(few) == 5


def test_mutations_of_what_others_hang_on() -> None:
    """Depths 1 and 3 of a chain of depth 2: one layer is dropped, one is drawn."""
    parent = np.array([[2, 1, 3, 0]])
    children = mutations(ENCODING, CHAIN, parent, limit=1000, rng=np.random.RandomState(0))
    assert len(children) == 2 + 3 + 3  # nothing is mutated that was not asked for
    by_depth = {depth: children[children[:, 0] == depth] for depth in (1, 2, 3)}
    assert by_depth[1].tolist() == [[1, 1, 0, 0]]
    assert by_depth[3][:, :3].tolist() == [[3, 1, 3]]
    assert by_depth[3][0, 3] > 0
    assert (by_depth[2][:, 3] == 0).all()


def test_random_rows_are_uniform_and_sound() -> None:
    rows = random_rows(ENCODING, CHAIN, 6000, np.random.RandomState(0))
    depths = np.bincount(rows[:, 0], minlength=4)
    assert (np.abs(depths[1:] - 2000) < 5 * np.sqrt(6000 * 2 / 9)).all()
    assert ((rows[:, 2] > 0) == (rows[:, 0] >= 2)).all()
    assert ((rows[:, 3] > 0) == (rows[:, 0] == 3)).all()


def test_rows_with_the_choice_that_was_evaluated_least() -> None:
    """Every choice was evaluated but the third one of the second operation."""
    evaluated = ENCODING.everything()
    evaluated = evaluated[evaluated[:, 2] != 3]
    rows = with_rarest_choice(ENCODING, ENCODING.everything(), evaluated)
    assert len(rows) == 3 * 4 * 4
    assert (rows[:, 2] == 3).all()
    once = with_rarest_choice(ENCODING, ENCODING.everything(), np.array([[1, 2, 3, 4]]))
    assert (once[:, 0] == 2).all()  # the first of those that were never evaluated


def test_climbing_reaches_what_one_step_does_not() -> None:
    """The score counts decisions that are at their last choice; the start has none."""

    def score(rows: np.ndarray) -> np.ndarray:
        return (rows == [3, 4, 4, 4]).sum(axis=1).astype(float)

    def step(rows: np.ndarray) -> np.ndarray:
        rng = np.random.RandomState(0)
        return mutations(ENCODING, Activity(()), rows, limit=1000, rng=rng)

    start = np.array([[1, 1, 1, 1]])
    for rounds in range(4):
        rows, scores = climb(score, start, step, rounds=rounds)
        assert scores[0] == rounds
        assert (np.diff(scores) <= 0).all()
        assert (score(rows) == scores).all()
