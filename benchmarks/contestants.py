"""The samplers that are measured, each with one setting: its defaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna

from optuna_nas import samplers as ours

Make = Callable[[int], optuna.samplers.BaseSampler]


def _named(name: str, constructor: str | None = None, **settings: Any) -> Make:
    """Makes one of our samplers; it is looked up only when it is needed."""

    def make(seed: int) -> optuna.samplers.BaseSampler:
        sampler = getattr(ours, name)
        made = getattr(sampler, constructor) if constructor else sampler
        return made(seed=seed, **settings)

    return make


SAMPLERS: dict[str, Make] = {
    "random": _named("RandomSearchSampler"),
    "local": _named("LocalSearchSampler"),
    "evolution": _named("RegularizedEvolutionSampler"),
    "amoebanet": _named("RegularizedEvolutionSampler", "amoebanet"),
    "reinforce": _named("ReinforceSampler"),
    "ppo": _named("PPOSampler"),
    "predictor": _named("PredictorSampler"),
    "optuna-random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "optuna-tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "optuna-nsga2": lambda seed: optuna.samplers.NSGAIISampler(seed=seed),
    "optuna-gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
}
NOISY_SAMPLERS: dict[str, Make] = {
    "predictor-noisy": _named("PredictorSampler", noisy=True),
}
ALL_SAMPLERS = {**SAMPLERS, **NOISY_SAMPLERS}
