"""Toy problems: their values, sizes and optima, the order of their choices, and their imports."""

from __future__ import annotations

import itertools
import pickle
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest

from optuna_nas.testing import (
    SymmetricSpace,
    ToyProblem,
    ToySpace,
    conditional_objective,
    static_objective,
)

ROOT = Path(__file__).parents[2]
SPACE = ToySpace(num_layers=(1, 3), prefix="t_")


def trials_of(objective: Any, count: int, seed: int = 0) -> list[optuna.trial.FrozenTrial]:
    sampler = optuna.samplers.RandomSampler(seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=count)
    return study.trials


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("space", [SPACE, ToySpace(num_layers=3, interaction=0.5)])
def test_a_trial_sees_the_value_of_its_chain(space: ToySpace, seed: int | None) -> None:
    problem = ToyProblem(space=space, seed=seed)
    for trial in trials_of(problem, 20):
        architecture = space.architecture(trial)
        assert architecture.params == trial.params
        assert trial.value == problem.true_value(trial.params) == space.evaluate(trial.params)
        assert trial.value <= problem.optimum + 1e-12


def test_a_seed_permutes_the_choices_of_each_layer() -> None:
    trials = [trials_of(ToyProblem(space=ToySpace(num_layers=9), seed=s), 1)[0] for s in (0, 0, 1)]
    choices = [[d.choices for d in trial.distributions.values()] for trial in trials]
    assert choices[0] == choices[1] != choices[2]
    assert len(set(choices[0])) > 1
    assert {frozenset(each) for each in choices[0]} == {frozenset(ToySpace().ops)}


def test_noise_has_its_spread_and_is_keyed_by_the_trial() -> None:
    problem = ToyProblem(noise=0.3, seed=1)
    runs = [trials_of(problem, 400) for _ in range(2)]
    values = [[trial.value for trial in trials] for trials in runs]
    assert values[0] == values[1]
    noise = [trial.value - problem.true_value(trial.params) for trial in runs[0]]
    assert abs(statistics.mean(noise)) < 4 * 0.3 / 20
    assert statistics.stdev(noise) == pytest.approx(0.3, rel=0.15)
    other = trials_of(ToyProblem(noise=0.3, seed=2), 3)
    assert [t.value - problem.true_value(t.params) for t in other] != noise[:3]


def test_regret_is_without_noise_and_zero_at_the_optimum() -> None:
    problem = ToyProblem(space=SPACE, noise=5.0)
    study = optuna.create_study(direction="maximize")
    study.add_trial(_trial({"t_num_layers": 1, "t_layer_01_op": "conv_1x1"}, value=1.0))
    chain = SPACE.parse("conv_1x1")
    assert problem.regret(study) == problem.optimum - SPACE.evaluate(chain.params) > 0
    study.add_trial(_trial(SPACE.optimum()[0], value=2.0))
    assert problem.regret(study) == pytest.approx(0.0, abs=1e-12)


def _trial(params: dict[str, Any], value: float) -> optuna.trial.FrozenTrial:
    distributions = {
        name: optuna.distributions.CategoricalDistribution([choice])
        for name, choice in params.items()
    }
    return optuna.create_trial(params=params, distributions=distributions, value=value)


def test_problems_pickle_and_are_equal_by_value() -> None:
    problem = ToyProblem(space=SPACE, noise=0.1, seed=4)
    assert pickle.loads(pickle.dumps(problem)) == problem != ToyProblem(space=SPACE)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"space": "toy"}, TypeError, "`space` must be a ToySpace, but got 'toy'"),
        ({"noise": -0.1}, ValueError, "`noise` must be .*noise=-0.1"),
        ({"seed": -1}, ValueError, "`seed` must be .*seed=-1"),
    ],
)
def test_wrong_settings(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ToyProblem(**options)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize(
    ("objective", "size", "highest"),
    [(static_objective, 48, 8.0), (conditional_objective, 30, 4.0)],
)
def test_sizes_of_the_objectives(objective: Any, size: int, highest: float) -> None:
    study = optuna.create_study(sampler=optuna.samplers.BruteForceSampler(seed=0))
    study.optimize(objective)
    assert len({tuple(sorted(trial.params.items())) for trial in study.trials}) == size
    assert max(trial.value for trial in study.trials) == highest
    assert min(trial.value for trial in study.trials) == 0.0


def test_a_symmetric_space() -> None:
    space = SymmetricSpace()
    pairs = [{"a": a, "b": b} for a, b in itertools.product(range(6), repeat=2)]
    assert len({space.digest(pair) for pair in pairs}) == 21
    assert space.suggest(optuna.trial.FixedTrial({"a": 2, "b": 1})) == (2, 1)


def test_toy_problems_need_neither_pytest_nor_torch() -> None:
    code = """
import sys
sys.modules["pytest"] = None
import optuna_nas.testing
from optuna_nas.testing import ToyProblem, ToySpace
assert ToyProblem().optimum > 0
assert "torch" not in sys.modules
assert "SpaceTestCase" in dir(optuna_nas.testing)
try:
    optuna_nas.testing.SpaceTestCase
except ImportError:
    pass
else:
    raise AssertionError
try:
    optuna_nas.testing.TestCase
except AttributeError as e:
    assert str(e) == "module 'optuna_nas.testing' has no attribute 'TestCase'"
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
