"""Data, recipes and the training loop: everything that happens between a network and its score.

This room knows networks, images and a trial to report to, and no space or sampler.
"""

from optuna_nas._device import resolve_device
from optuna_nas.training import recipes
from optuna_nas.training._recipe import Recipe
from optuna_nas.training.data._data import ImageData, Split
from optuna_nas.training.data._load import load_data
from optuna_nas.training.data._stream import StreamedSplit
from optuna_nas.training.loop._checkpoint import CheckpointFile, CheckpointSlot, load_checkpoint
from optuna_nas.training.loop._distributed import Processes, distributed, share
from optuna_nas.training.loop._evaluate import Evaluation, evaluate
from optuna_nas.training.loop._fit import fit
from optuna_nas.training.loop._history import EpochResult, History, NonFiniteLossError
from optuna_nas.training.loop._progressive import ProgressiveSize
from optuna_nas.training.loop._pruning import OptunaPruningCallback
from optuna_nas.training.loop._seeded import seeded
from optuna_nas.training.loop._weights import load_weights, save_weights
from optuna_nas.training.recipes import NAS_RL_CIFAR, NASBENCH201

__all__ = [
    "NASBENCH201",
    "NAS_RL_CIFAR",
    "CheckpointFile",
    "CheckpointSlot",
    "EpochResult",
    "Evaluation",
    "History",
    "ImageData",
    "NonFiniteLossError",
    "OptunaPruningCallback",
    "Processes",
    "ProgressiveSize",
    "Recipe",
    "Split",
    "StreamedSplit",
    "distributed",
    "evaluate",
    "fit",
    "load_checkpoint",
    "load_data",
    "load_weights",
    "recipes",
    "resolve_device",
    "save_weights",
    "seeded",
    "share",
]
