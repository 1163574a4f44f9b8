"""Optuna samplers that decide architectures: any of them with any space and any objective."""

from optuna_nas.samplers._base import REPEAT_KEY, ArchitectureSampler
from optuna_nas.samplers._best import best_architecture
from optuna_nas.samplers._evolution import RegularizedEvolutionSampler
from optuna_nas.samplers._lineage import LINEAGE_KEY, parents_of
from optuna_nas.samplers._local import LocalSearchSampler
from optuna_nas.samplers._ppo import PPOSampler
from optuna_nas.samplers._predictor import PredictorSampler
from optuna_nas.samplers._progressive import LEVEL_KEY, ProgressiveSampler
from optuna_nas.samplers._random import RandomSearchSampler
from optuna_nas.samplers._reinforce import ReinforceSampler

__all__ = [
    "LEVEL_KEY",
    "LINEAGE_KEY",
    "REPEAT_KEY",
    "ArchitectureSampler",
    "LocalSearchSampler",
    "PPOSampler",
    "PredictorSampler",
    "ProgressiveSampler",
    "RandomSearchSampler",
    "RegularizedEvolutionSampler",
    "ReinforceSampler",
    "best_architecture",
    "parents_of",
]
