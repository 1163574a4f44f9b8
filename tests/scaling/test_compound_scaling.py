"""The compound search finds known coefficients, and counts what it proposes."""

from __future__ import annotations

import optuna
import pytest
from known_networks import BASE, KNOWN, known
from optuna.trial import TrialState

from optuna_nas.keys import INFEASIBLE_KEY
from optuna_nas.objectives import CompoundScalingObjective
from optuna_nas.scaling import fit, read_results


@pytest.fixture(scope="module")
def compound() -> CompoundScalingObjective:
    return CompoundScalingObjective(
        BASE, known((1.3, 1.1, 1.1)), epochs=1, tolerance=0.06, largest=1.6, step=0.1, **KNOWN
    )


def test_compound_search_recovers_known_coefficients(compound: CompoundScalingObjective) -> None:
    study = optuna.create_study(direction="maximize")
    points = compound.enqueue_grid(study)
    study.optimize(compound, n_trials=points)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    found = fit(study)
    for letter, true in (("alpha", 1.3), ("beta", 1.1), ("gamma", 1.1)):
        assert getattr(found.coefficients, letter) == pytest.approx(true, abs=compound.step)
    for result in read_results(study):
        ratio = result.macs / compound.base_macs
        assert ratio == pytest.approx(2.0, rel=compound.tolerance)


def test_compound_counts_and_does_not_assume(compound: CompoundScalingObjective) -> None:
    study = optuna.create_study(direction="maximize")
    study.enqueue_trial({"alpha": 1.6, "beta": 1.6, "gamma": 1.6})
    study.optimize(compound, n_trials=1)
    (trial,) = study.trials
    assert trial.state == TrialState.PRUNED
    assert "times the base network, not about 2 times" in trial.user_attrs[INFEASIBLE_KEY]
    assert trial.constraints["growth"] > 0
    assert compound.factors == [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6]


def test_compound_takes_any_sampler(compound: CompoundScalingObjective) -> None:
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0)
    )
    study.optimize(compound, n_trials=8)
    assert {trial.state for trial in study.trials} <= {TrialState.COMPLETE, TrialState.PRUNED}


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"max_macs": 1_000}, r"`max_macs` must be at least the [\d,]+ .* max_macs=1,000"),
        ({"target": 1.0}, "`target` must be above 1"),
        ({"epochs": 0}, "`epochs` must be at least 1"),
        ({"num_classes": None}, "`num_classes` must be given with an evaluator of your own"),
        ({"min_proxy": {"naswot": 1.0}}, "`min_proxy` needs images, but got an evaluator of your"),
        ({"seed": -1.5}, "`seed` must be"),
    ],
)
def test_impossible_compound_requests(options: dict[str, object], match: str) -> None:
    defaults = {"epochs": 1, **KNOWN}
    with pytest.raises(ValueError, match=match):
        CompoundScalingObjective(BASE, known((1.2, 1.1, 1.15)), **(defaults | options))


def test_grid_without_feasible_points() -> None:
    objective = CompoundScalingObjective(
        BASE, known((1.2, 1.1, 1.15)), epochs=1, tolerance=1e-9, largest=1.1, step=0.1, **KNOWN
    )
    with pytest.raises(ValueError, match="`tolerance` must leave a point of the grid"):
        objective.grid()
