"""What the tests of all samplers share: small objectives, a space, and the samplers."""

from __future__ import annotations

from collections.abc import Callable

import optuna
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


def grid(trial: optuna.Trial) -> float:
    """48 architectures; the sum of a, b and c."""
    a = trial.suggest_categorical("a", ["0", "1", "2", "3"])
    b = trial.suggest_int("b", 0, 3)
    c = trial.suggest_categorical("c", [0, 1, 2])
    return int(a) + b + c


def chain(trial: optuna.Trial) -> float:
    """2 + 4 + 8 + 16 = 30 architectures."""
    depth = trial.suggest_int("depth", 1, 4)
    return sum(trial.suggest_categorical(f"op_{i}", [0, 1]) for i in range(depth))


def architecture(trial: FrozenTrial) -> tuple[tuple[str, object], ...]:
    return tuple(sorted(trial.params.items()))


class Doubled:
    """A space in which swapping a and b computes the same."""

    def suggest(self, trial: optuna.Trial) -> tuple[int, int]:
        return trial.suggest_int("a", 0, 5), trial.suggest_int("b", 0, 5)

    def digest(self, params: dict[str, int]) -> tuple[int, ...]:
        return tuple(sorted((params["a"], params["b"])))
