"""Samplers go on in studies whose attributes are damaged, or whose values are extreme."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from pathlib import Path

import optuna
import pytest
from hostile import HOSTILE, told, with_attributes
from optuna.trial import TrialState
from sampler_examples import Make, every_sampler

from optuna_nas.keys import DECISIONS_KEY, LINEAGE_KEY, LOG_PROB_KEY, REPEAT_KEY
from optuna_nas.samplers import (
    PPOSampler,
    RandomSearchSampler,
    RegularizedEvolutionSampler,
    best_architecture,
    parents_of,
)
from optuna_nas.testing import SymmetricSpace, static_objective

KEYS = (DECISIONS_KEY, LINEAGE_KEY, REPEAT_KEY, LOG_PROB_KEY, "fixed_params", "failed_trial")


def _damaged_study(storage: str | None, sampler: optuna.samplers.BaseSampler) -> optuna.Study:
    """Complete, pruned and running trials, each with another value in place of its attributes."""
    study = optuna.create_study(storage=storage, sampler=RandomSearchSampler(seed=0))
    study.optimize(static_objective, n_trials=4)
    whole = study.trials
    states = itertools.cycle((TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING))
    for trial, value, state in zip(itertools.cycle(whole), HOSTILE.values(), states, strict=False):
        copy = with_attributes(trial, system_attrs=dict.fromkeys(KEYS, value))
        copy.state = state
        if state == TrialState.RUNNING:
            copy.values = copy.datetime_complete = None
        study.add_trial(copy)
    return optuna.load_study(study_name=study.study_name, storage=study._storage, sampler=sampler)


@every_sampler
@pytest.mark.parametrize("in_database", [False, True])
def test_a_study_with_damaged_attributes_goes_on(
    make: Make, in_database: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage = f"sqlite:///{tmp_path}/study.db" if in_database else None
    study = _damaged_study(storage, make(seed=1))
    study.optimize(static_objective, n_trials=4)
    assert len(study.trials) == 8 + len(HOSTILE)
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials[-4:])
    counts = Counter(told(caplog.records))
    assert len(counts) >= len(HOSTILE) - 2
    assert set(counts.values()) == {1}


def test_damaged_decisions_count_as_the_trials_parameters() -> None:
    """So what another worker has suggested is not proposed again."""
    study = optuna.create_study(sampler=RandomSearchSampler(seed=0))
    study.optimize(static_objective, n_trials=1)
    for _ in range(46):
        trial = study.ask()
        static_objective(trial)
        study._storage.set_trial_system_attr(trial._trial_id, DECISIONS_KEY, 5)
    study.optimize(static_objective, n_trials=1)
    assert len({tuple(sorted(trial.params.items())) for trial in study.trials}) == 48


@pytest.mark.parametrize("claim", [{"a": math.inf, "b": 1}, {"zzz": 1}, {"a": [1], "b": 10**400}])
def test_a_claim_that_the_space_cannot_read_claims_nothing(claim: dict[str, object]) -> None:
    sampler = RandomSearchSampler(seed=0, space=SymmetricSpace())
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: sum(SymmetricSpace().suggest(trial)), n_trials=2)
    trial = optuna.create_trial(state=TrialState.RUNNING, system_attrs={DECISIONS_KEY: claim})
    study.add_trial(trial)
    study.optimize(lambda trial: sum(SymmetricSpace().suggest(trial)), n_trials=2)
    assert len(study.trials) == 5


def test_an_own_digest_with_a_bug_is_not_passed_over() -> None:
    class Buggy(SymmetricSpace):
        def digest(self, params: dict[str, int]) -> tuple[int, ...]:
            raise KeyError("a bug")

    study = optuna.create_study(sampler=RandomSearchSampler(seed=0, space=Buggy()))
    with pytest.raises(KeyError, match="a bug"):
        study.optimize(lambda trial: sum(Buggy().suggest(trial)), n_trials=1)


@pytest.mark.parametrize("lineage", HOSTILE.values())
def test_parents_of_a_damaged_lineage_are_none(lineage: object) -> None:
    assert parents_of(optuna.create_trial(value=1.0, system_attrs={LINEAGE_KEY: lineage})) == []


@pytest.mark.parametrize("value", ["x", math.nan, [], None])
def test_damaged_constraints_do_not_count(value: object, caplog: pytest.LogCaptureFixture) -> None:
    study = optuna.create_study(sampler=RegularizedEvolutionSampler(population_size=5, seed=0))
    study.optimize(static_objective, n_trials=5)
    damaged = {"constraints:size": value, "constraints": 5}
    study.add_trial(with_attributes(study.trials[0], system_attrs=damaged))
    damaged = {"constraints:size": value}
    study.add_trial(with_attributes(study.trials[0], system_attrs=damaged))
    study.optimize(static_objective, n_trials=3)
    assert len(told(caplog.records)) == 2


EXTREME = (math.inf, -math.inf, 1e308, -1e308, 0.5, 1e200, -1e200, 5e-324, 0.1)


def _extreme(trial: optuna.Trial) -> float:
    static_objective(trial)
    if trial.number % 4 == 3:
        reports = (math.nan, math.inf, -math.inf, 1e308)
        trial.report(reports[trial.number // 4 % 4], trial.number)
        raise optuna.TrialPruned
    return EXTREME[trial.number % len(EXTREME)]


@every_sampler
@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_extreme_values_are_results_like_others(make: Make, direction: str) -> None:
    study = optuna.create_study(direction=direction, sampler=make(seed=1))
    study.optimize(_extreme, n_trials=30)
    assert len(study.trials) == 30


def test_the_best_architecture_of_extreme_values() -> None:
    study = optuna.create_study(direction="maximize", sampler=RandomSearchSampler(seed=0))
    study.optimize(_extreme, n_trials=30)
    again = [with_attributes(trial) for trial in study.trials if trial.value is not None]
    study.add_trials(again)
    assert best_architecture(study).value in EXTREME


def test_a_policy_on_raw_values_stays_finite_among_extreme_ones() -> None:
    study = optuna.create_study(sampler=PPOSampler(seed=1, reward="raw"))
    study.optimize(_extreme, n_trials=30)
    recorded = [trial.system_attrs[LOG_PROB_KEY] for trial in study.trials[1:]]
    assert all(map(math.isfinite, recorded))


@pytest.mark.parametrize("aging", [True, False])
def test_extreme_values_of_several_objectives(aging: bool) -> None:
    def objective(trial: optuna.Trial) -> tuple[float, float]:
        static_objective(trial)
        n = trial.number
        return EXTREME[n % len(EXTREME)], EXTREME[(3 * n + 1) % len(EXTREME)]

    sampler = RegularizedEvolutionSampler(
        population_size=5, tournament_size=3, aging=aging, seed=1
    )
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    study.optimize(objective, n_trials=40)
    assert len(study.trials) == 40
