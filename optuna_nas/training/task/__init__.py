"""Tasks: what a network is trained for, as values of loss, metric and direction."""

from optuna_nas.training.task._kinds import task_from_identity
from optuna_nas.training.task._metrics import METRICS, MetricState
from optuna_nas.training.task._task import Task

__all__ = ["METRICS", "MetricState", "Task", "task_from_identity"]
