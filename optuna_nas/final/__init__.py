"""Final training: the architectures that a search found, trained to the end beside baselines."""

from optuna_nas.final._candidate import Candidate, found
from optuna_nas.final._card import architecture_of, read_card, trained_network
from optuna_nas.final._comparison import Comparison, Finalist, FinalRun, Spread
from optuna_nas.final._options import FinalTrainingOptions
from optuna_nas.final._own_loop import (
    FunctionComparison,
    FunctionFinalist,
    retrain_by_function,
)
from optuna_nas.final._random import random_search
from optuna_nas.final._resnet import CifarResNet, resnet_of_equal_macs
from optuna_nas.final._retrain import retrain
from optuna_nas.final._train import train_candidates
from optuna_nas.final._transfer import transfer

__all__ = [
    "Candidate",
    "CifarResNet",
    "Comparison",
    "FinalRun",
    "FinalTrainingOptions",
    "Finalist",
    "FunctionComparison",
    "FunctionFinalist",
    "Spread",
    "architecture_of",
    "found",
    "random_search",
    "read_card",
    "resnet_of_equal_macs",
    "retrain",
    "retrain_by_function",
    "train_candidates",
    "trained_network",
    "transfer",
]
