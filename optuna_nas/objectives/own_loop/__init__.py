"""Objectives whose training loop is a function of the user's own."""

from optuna_nas.objectives.own_loop._decorator import training_function
from optuna_nas.objectives.own_loop._report import Report
from optuna_nas.objectives.own_loop._run import FunctionRun
from optuna_nas.objectives.own_loop._settings import FunctionOptions
from optuna_nas.objectives.own_loop._training_function import TrainingFunction

__all__ = [
    "FunctionOptions",
    "FunctionRun",
    "Report",
    "TrainingFunction",
    "training_function",
]
