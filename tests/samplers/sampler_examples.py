"""What the tests of all samplers share: small objectives, a space, and the samplers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from optuna.trial import FrozenTrial

from optuna_nas.samplers import (
    ArchitectureSampler,
    LocalSearchSampler,
    PPOSampler,
    PredictorSampler,
    RandomSearchSampler,
    RegularizedEvolutionSampler,
    ReinforceSampler,
)

Make = Callable[..., ArchitectureSampler]


def small_evolution(**kwargs: object) -> ArchitectureSampler:
    return RegularizedEvolutionSampler(population_size=5, tournament_size=3, **kwargs)


every_sampler = pytest.mark.parametrize(
    "make",
    [
        RandomSearchSampler,
        small_evolution,
        LocalSearchSampler,
        PredictorSampler,
        ReinforceSampler,
        PPOSampler,
    ],
)


def architecture(trial: FrozenTrial) -> tuple[tuple[str, object], ...]:
    return tuple(sorted(trial.params.items()))
