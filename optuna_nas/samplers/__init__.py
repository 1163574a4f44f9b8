"""Optuna samplers that decide architectures: any of them with any space and any objective."""

from optuna_nas.samplers._base import REPEAT_KEY, ArchitectureSampler
from optuna_nas.samplers._evolution import RegularizedEvolutionSampler
from optuna_nas.samplers._ppo import PPOSampler
from optuna_nas.samplers._random import RandomSearchSampler
from optuna_nas.samplers._reinforce import ReinforceSampler

__all__ = [
    "REPEAT_KEY",
    "ArchitectureSampler",
    "PPOSampler",
    "RandomSearchSampler",
    "RegularizedEvolutionSampler",
    "ReinforceSampler",
]
