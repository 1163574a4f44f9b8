"""Architectures drawn from the current policy without making trials."""

from __future__ import annotations

from collections.abc import Callable

import optuna
import pytest

from optuna_nas.samplers import (
    ArchitectureSampler,
    LocalSearchSampler,
    RandomSearchSampler,
    RegularizedEvolutionSampler,
)
from optuna_nas.spaces._toy import ToySpace


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
