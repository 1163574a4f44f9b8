"""Data, recipes and the training loop: everything that happens between a network and its score.

This room knows networks and images, and no space, sampler or study.
"""

from optuna_nas._device import resolve_device
from optuna_nas.training._data import ImageData, Split
from optuna_nas.training._evaluate import Evaluation, evaluate
from optuna_nas.training._fit import fit
from optuna_nas.training._history import EpochResult, History, NonFiniteLossError
from optuna_nas.training._load import load_data
from optuna_nas.training._recipes import NAS_RL_CIFAR, NASBENCH201, Recipe
from optuna_nas.training._seeded import seeded
from optuna_nas.training._weights import load_weights, save_weights

__all__ = [
    "NASBENCH201",
    "NAS_RL_CIFAR",
    "EpochResult",
    "Evaluation",
    "History",
    "ImageData",
    "NonFiniteLossError",
    "Recipe",
    "Split",
    "evaluate",
    "fit",
    "load_data",
    "load_weights",
    "resolve_device",
    "save_weights",
    "seeded",
]
