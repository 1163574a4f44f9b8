"""The training loop: learning, evaluating, checkpoints and pruning."""

from optuna_nas.training._distributed import Processes, distributed, processes, share
from optuna_nas.training._seeded import keyed_generator, seeded
from optuna_nas.training.loop._checkpoint import (
    CheckpointFile,
    Checkpoints,
    CheckpointSlot,
    load_checkpoint,
)
from optuna_nas.training.loop._evaluate import (
    Evaluation,
    evaluate,
    evaluate_split,
    task_of,
    task_settings,
)
from optuna_nas.training.loop._fit import FitOptions, fit
from optuna_nas.training.loop._history import EpochResult, History, NonFiniteLossError
from optuna_nas.training.loop._learner import Learner
from optuna_nas.training.loop._progressive import ProgressiveSize
from optuna_nas.training.loop._pruning import OptunaPruningCallback
from optuna_nas.training.loop._weights import load_weights, save_weights

__all__ = [
    "CheckpointFile",
    "CheckpointSlot",
    "Checkpoints",
    "EpochResult",
    "Evaluation",
    "FitOptions",
    "History",
    "Learner",
    "NonFiniteLossError",
    "OptunaPruningCallback",
    "Processes",
    "ProgressiveSize",
    "distributed",
    "evaluate",
    "fit",
    "evaluate_split",
    "keyed_generator",
    "load_checkpoint",
    "load_weights",
    "processes",
    "save_weights",
    "seeded",
    "share",
    "task_of",
    "task_settings",
]
