"""Tasks, data, recipes and the training loop: all that happens between a network and its score.

It knows networks, data and a trial to report to, and no space or sampler.
"""

from optuna_nas._ground.device import resolve_device
from optuna_nas.training import recipes
from optuna_nas.training._distributed import Processes, distributed, share
from optuna_nas.training._recipe import Recipe
from optuna_nas.training._seeded import seeded
from optuna_nas.training.data import (
    Data,
    DataSplit,
    ImageData,
    LoaderData,
    LoaderSplit,
    Split,
    Standardiser,
    StreamedSplit,
    TensorData,
    TensorSplit,
    load_data,
)
from optuna_nas.training.loop import (
    CheckpointSlot,
    EpochResult,
    Evaluation,
    FitOptions,
    History,
    NonFiniteLossError,
    OptunaPruningCallback,
    ProgressiveSize,
    evaluate,
    fit,
    load_weights,
    save_weights,
    task_of,
    task_settings,
)
from optuna_nas.training.task import METRICS, MetricState, Task, task_from_identity

__all__ = [
    "METRICS",
    "CheckpointSlot",
    "Data",
    "DataSplit",
    "EpochResult",
    "Evaluation",
    "FitOptions",
    "History",
    "ImageData",
    "LoaderData",
    "LoaderSplit",
    "MetricState",
    "NonFiniteLossError",
    "OptunaPruningCallback",
    "Processes",
    "ProgressiveSize",
    "Recipe",
    "Split",
    "Standardiser",
    "StreamedSplit",
    "Task",
    "TensorData",
    "TensorSplit",
    "distributed",
    "evaluate",
    "fit",
    "load_data",
    "load_weights",
    "recipes",
    "resolve_device",
    "save_weights",
    "seeded",
    "share",
    "task_from_identity",
    "task_of",
    "task_settings",
]
