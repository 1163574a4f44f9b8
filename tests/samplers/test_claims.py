"""Decisions as workers record and claim them, so that no two evaluate the same."""

from __future__ import annotations

import itertools
from pathlib import Path

import optuna
import pytest
from sampler_examples import Make, architecture, every_sampler

from optuna_nas.keys import DECISIONS_KEY, REPEAT_KEY
from optuna_nas.samplers import (
    RandomSearchSampler,
)
from optuna_nas.testing import conditional_objective, static_objective


def test_storage_keys_are_pinned() -> None:
    assert DECISIONS_KEY == "optuna_nas:decisions"
    assert REPEAT_KEY == "optuna_nas:repeat"


@every_sampler
def test_decisions_are_recorded_in_order(make: Make, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'nas.db'}"
    for objective in (static_objective, conditional_objective):
        study = optuna.create_study(storage=storage, sampler=make(seed=0))
        study.optimize(objective, n_trials=8)
        for trial in study.trials:
            recorded = trial.system_attrs[DECISIONS_KEY].items()
            asked = [(name, value) for name, value in recorded if name in trial.params]
            assert asked == list(trial.params.items())


def _all_but_two_known(study: optuna.Study) -> set[tuple[tuple[str, object], ...]]:
    """Add all architectures of ``static_objective`` but two to the study; returns those it has."""
    study.optimize(static_objective, n_trials=1)
    known = {architecture(study.trials[0])}
    for a, b, c in itertools.product("0123", range(4), range(3)):
        params = {"a": a, "b": b, "c": c}
        if tuple(params.items()) not in known and len(known) < 46:
            known.add(tuple(params.items()))
            study.add_trial(
                optuna.create_trial(
                    params=params, distributions=study.trials[0].distributions, value=0.0
                )
            )
    return known


def _first_decision(trial: optuna.Trial) -> None:
    trial.suggest_categorical("a", ["0", "1", "2", "3"])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("early_reader", [False, True])
def test_the_claim_of_another_worker_is_respected(
    tmp_path: Path, seed: int, early_reader: bool
) -> None:
    """Two architectures are left for two workers, which decide before either has suggested all.

    An early reader has read the study before the other worker wrote its claim, and finds out
    only after it has written its own.
    """
    storage = f"sqlite:///{tmp_path / 'nas.db'}"
    study = optuna.create_study(storage=storage, study_name="s", sampler=RandomSearchSampler())
    known = _all_but_two_known(study)
    first, second = (
        optuna.load_study(
            storage=storage, study_name="s", sampler=RandomSearchSampler(seed=seed + offset)
        )
        for offset in (0, 100)
    )
    trials = [first.ask(), second.ask()]
    if early_reader:
        first.sampler.infer_relative_search_space(first, first.trials[-2])
    _first_decision(trials[1])
    _first_decision(trials[0])
    for trial in trials:
        static_objective(trial)
    proposed = {tuple(sorted(trial.params.items())) for trial in trials}
    assert len(proposed | known) == 48


@pytest.mark.parametrize("seed", range(6))
def test_what_a_running_trial_will_decide_counts_as_seen(seed: int) -> None:
    study = optuna.create_study(sampler=RandomSearchSampler(seed=seed))
    known = _all_but_two_known(study)
    trials = [study.ask(), study.ask()]
    for trial in trials:
        _first_decision(trial)
    for trial in trials:
        static_objective(trial)
    assert len({tuple(sorted(trial.params.items())) for trial in trials} | known) == 48


@pytest.mark.parametrize("seed", range(6))
def test_a_trial_that_asks_for_something_else_gives_its_claim_back(seed: int) -> None:
    study = optuna.create_study(sampler=RandomSearchSampler(seed=seed))
    known = _all_but_two_known(study)
    other = study.ask()
    _first_decision(other)
    other.suggest_categorical("unplanned", [1, 2])
    for _ in range(2):
        static_objective(study.ask())
    whole = [trial for trial in study.trials if len(trial.params) == 3]
    assert len({architecture(trial) for trial in whole} | known) == 48
