"""Optimizers and the schedules of their learning rate and of drop path."""

from optuna_nas.training.optim._optimizers import make_optimizer, restore_optimizer, set_batch_norm
from optuna_nas.training.optim._schedules import drop_path, learning_rate

__all__ = [
    "drop_path",
    "learning_rate",
    "make_optimizer",
    "restore_optimizer",
    "set_batch_norm",
]
