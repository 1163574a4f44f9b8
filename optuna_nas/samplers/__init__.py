"""Optuna samplers that decide architectures: any of them with any space and any objective."""

from optuna_nas.samplers._random import RandomSearchSampler
from optuna_nas.samplers.base import ArchitectureSampler
from optuna_nas.samplers.evolution import RegularizedEvolutionSampler, parents_of
from optuna_nas.samplers.local_search import LocalSearchSampler
from optuna_nas.samplers.policy import (
    AdamOptions,
    ControllerNetwork,
    Imitation,
    PPOSampler,
    ReinforceSampler,
    SkipPenalty,
)
from optuna_nas.samplers.predictor import PredictorSampler, best_architecture
from optuna_nas.samplers.progressive import ProgressiveSampler

__all__ = [
    "AdamOptions",
    "ArchitectureSampler",
    "ControllerNetwork",
    "Imitation",
    "LocalSearchSampler",
    "PPOSampler",
    "PredictorSampler",
    "ProgressiveSampler",
    "RandomSearchSampler",
    "RegularizedEvolutionSampler",
    "ReinforceSampler",
    "SkipPenalty",
    "best_architecture",
    "parents_of",
]
