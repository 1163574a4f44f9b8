"""Rules of scaling, families, budgets, and the fit of coefficients to a study."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import optuna
import pytest
from plain_network import PlainNetwork

from optuna_nas import scaling
from optuna_nas.scaling import (
    EFFICIENTNET,
    RESNET_RS,
    STRATEGIES,
    Coefficients,
    EfficientNet,
    ExtrapolationWarning,
    family,
    fit,
    grown_to,
)

SMALL = PlainNetwork()
BUILT_FOR = {"num_classes": 10, "in_channels": 1}


def test_growth_of_the_published_coefficients() -> None:
    assert round(EFFICIENTNET.growth, 5) == 1.92027
    assert RESNET_RS.growth == pytest.approx(2.0)
    doubling = {name: rule.growth for name, rule in STRATEGIES.items() if name != "compound"}
    assert doubling == pytest.approx(dict.fromkeys(doubling, 2.0))


def test_shares_sum_to_one() -> None:
    assert scaling.shares(RESNET_RS) == pytest.approx((2 / 3, 0.0, 1 / 3))
    assert sum(scaling.shares(EFFICIENTNET)) == pytest.approx(1.0)


def test_family_grows_by_the_powers() -> None:
    networks = family(EfficientNet(), EFFICIENTNET, phi=(0, 0.5, 1, 2))
    assert networks[0] == EfficientNet()
    assert [network.resolution for network in networks] == [224, 240, 258, 296]
    assert networks[3].depth == pytest.approx(1.44)
    assert networks[3].width == pytest.approx(1.21)


def test_negative_phi_shrinks_as_far_as_there_is_room() -> None:
    (smaller,) = family(EfficientNet(), EFFICIENTNET, phi=[-2])
    assert smaller.resolution == 169
    with pytest.raises(ValueError, match=r"`phi` leaves no room .* phi=-15: `resolution`"):
        family(EfficientNet(), EFFICIENTNET, phi=[-15])


def test_rule_that_was_fitted_to_small_networks_warns_of_large_ones() -> None:
    fitted = Coefficients(1.2, 1.1, 1.15, fitted_at=2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        family(EfficientNet(), fitted, phi=(0, 1, 2))
        family(EfficientNet(), EFFICIENTNET)
    with pytest.warns(ExtrapolationWarning, match=r"found at 2 times .* phi=7 is 96.3 times"):
        family(EfficientNet(), fitted)


@pytest.mark.parametrize("name", STRATEGIES)
def test_budget_is_kept(name: str) -> None:
    base = SMALL.profile(**BUILT_FOR).macs
    found = grown_to(SMALL, STRATEGIES[name], macs=2 * base, **BUILT_FOR)
    assert base <= found.profile(**BUILT_FOR).macs <= 2 * base
    nearest = grown_to(SMALL, STRATEGIES[name], macs=2 * base, exceed=True, **BUILT_FOR)
    missed = abs(nearest.profile(**BUILT_FOR).macs - 2 * base)
    assert missed <= 2 * base - found.profile(**BUILT_FOR).macs


def test_largest_within_a_budget_has_no_larger_one_within() -> None:
    base = SMALL.profile(**BUILT_FOR).macs
    found = grown_to(SMALL, STRATEGIES["resolution"], macs=2 * base, **BUILT_FOR)
    larger = SMALL.at(resolution=found.resolution + 1)
    assert larger.profile(**BUILT_FOR).macs > 2 * base


def test_budget_under_the_base_is_impossible() -> None:
    with pytest.raises(ValueError, match=r"`macs` must be at least the [\d,]+ .* macs=1,000"):
        grown_to(SMALL, EFFICIENTNET, macs=1_000, **BUILT_FOR)


@pytest.mark.parametrize(
    ("coefficients", "match"),
    [((0.9, 1.0, 1.2), "`alpha` must be .* of at least 1"), ((1.0, 1.0, 1.0), "not all be 1")],
)
def test_coefficients_must_grow(coefficients: tuple[float, ...], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Coefficients(*coefficients)


def _studied(
    optimum: tuple[float, float, float], *, noise: float = 0.0, repeats: int = 1
) -> optuna.Study:
    """A grid of about twice the multiply-adds on a model whose best coefficients are known."""
    best = np.array(scaling.shares(Coefficients(*optimum)))
    rng = np.random.default_rng(0)
    factors = np.arange(1.0, 2.01, 0.05).round(2)

    def accuracy(trial: optuna.Trial) -> float:
        names = ("alpha", "beta", "gamma")
        point = Coefficients(*(trial.suggest_float(name, 1.0, 2.0) for name in names))
        off = np.array(scaling.shares(point)) - best
        gain = 0.05 * math.log(point.growth / 2)
        return float(0.8 + gain - 0.1 * off @ off + noise * rng.standard_normal())

    study = optuna.create_study(direction="maximize")
    for _ in range(repeats):
        for a, b, c in itertools.product(factors, repeat=3):
            if abs(a * b**2 * c**2 - 2) <= 0.1:
                study.enqueue_trial({"alpha": a, "beta": b, "gamma": c})
    study.optimize(accuracy, n_trials=len(study.trials))
    return study


@pytest.mark.parametrize("optimum", [(1.2, 1.1, 1.15), (1.05, 1.3, 1.06), (1.5, 1.05, 1.1)])
def test_fit_recovers_known_coefficients(optimum: tuple[float, float, float]) -> None:
    found = fit(_studied(optimum))
    scaled = Coefficients(*optimum)
    power = math.log(2) / math.log(scaled.growth)
    for letter in ("alpha", "beta", "gamma"):
        true = getattr(scaled, letter) ** power
        assert getattr(found.coefficients, letter) == pytest.approx(true, abs=0.05)
    assert found.coefficients.growth == pytest.approx(2.0, rel=0.01)
    assert found.r2 > 0.99
    assert max(found.std) < 0.01
    assert not found.at_border


def test_uncertainty_grows_with_noise_and_covers_the_truth() -> None:
    small, large = (fit(_studied((1.2, 1.1, 1.15), noise=noise)) for noise in (0.001, 0.005))
    assert all(s < b for s, b in zip(small.std, large.std, strict=True))
    assert abs(large.coefficients.alpha - 1.2) < 3 * large.std[0]
    assert "sd" in str(large)


def test_fit_says_when_the_optimum_is_at_the_edge() -> None:
    found = fit(_studied((2.0, 1.0, 1.0)))
    assert found.at_border
    assert found.coefficients.alpha > 1.85
    assert "widen the grid" in str(found)


def test_too_few_trials() -> None:
    study = optuna.create_study(direction="maximize")
    study.enqueue_trial({"alpha": 1.2, "beta": 1.1, "gamma": 1.15})
    names = ("alpha", "beta", "gamma")
    study.optimize(lambda t: sum(t.suggest_float(n, 1.0, 2.0) for n in names), n_trials=1)
    with pytest.raises(ValueError, match="at 10 or more different shares .* has 1"):
        fit(study)


def test_trials_on_a_line_say_nothing() -> None:
    study = optuna.create_study(direction="maximize")
    for beta in np.linspace(1.05, 1.4, 12):
        study.enqueue_trial({"beta": beta, "gamma": (2 / beta**2) ** 0.5})

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_categorical("alpha", [1.0])
        return trial.suggest_float("beta", 1.0, 2.0) + trial.suggest_float("gamma", 1.0, 2.0)

    study.optimize(objective, n_trials=12)
    with pytest.raises(ValueError, match="all of its trials lie on one line"):
        fit(study)


@pytest.mark.parametrize("phi", [1e308, float("nan"), True, "2", 101])
def test_steps_beyond_all_networks(phi):
    with pytest.raises(ValueError, match="`phi` must be a finite number of at least -100 and at"):
        EFFICIENTNET.apply(EfficientNet(), phi)


def test_steps_that_overflow():
    steep = Coefficients(alpha=1e30, beta=1.0, gamma=1.0)
    with pytest.raises(ValueError, match="`phi` leaves no room for"):
        steep.apply(EfficientNet(), 100)
