"""Architectures drawn from the current policy without making trials."""

from __future__ import annotations

from collections.abc import Callable

import optuna
import pytest

from optuna_nas.samplers import (
    ArchitectureSampler,
    LocalSearchSampler,
    PredictorSampler,
    RandomSearchSampler,
    RegularizedEvolutionSampler,
)
from optuna_nas.testing import ToySpace


@pytest.mark.parametrize(
    "make", [RandomSearchSampler, RegularizedEvolutionSampler, LocalSearchSampler]
)
def test_proposals_without_trials(make: Callable[..., ArchitectureSampler]) -> None:
    space = ToySpace(num_layers=(1, 4))
    sampler = make(seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(lambda t: space.evaluate(space.suggest(t).params), n_trials=30)
    first = sampler.propose(study, space.suggest, 20)
    assert len({a.params["num_layers"] for a in first}) > 1
    assert sampler.propose(study, space.suggest, 20) != first
    again = sampler.propose(study, space.suggest, 5, seed=3)
    assert sampler.propose(study, space.suggest, 5, seed=3) == again
    assert len(study.trials) == 30
    with pytest.raises(ValueError, match="`n` must be 0 or more, but got n=-1"):
        sampler.propose(study, space.suggest, -1)


def test_proposals_follow_what_others_finished_since() -> None:
    """No trial of one's own begins in between, as in a process that only looks on."""
    space = ToySpace(num_layers=(1, 4), num_ops=5)
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(
        study_name="s", storage=storage, direction="maximize", sampler=PredictorSampler(seed=0)
    )
    work = optuna.load_study(study_name="s", storage=storage, sampler=RandomSearchSampler(seed=1))
    for count in (12, 25):
        work.optimize(lambda t: space.evaluate(space.suggest(t).params), n_trials=count)
        anew = optuna.load_study(study_name="s", storage=storage, sampler=PredictorSampler(seed=0))
        proposed = study.sampler.propose(study, space.suggest, 5, seed=0)
        assert proposed == anew.sampler.propose(anew, space.suggest, 5, seed=0)
