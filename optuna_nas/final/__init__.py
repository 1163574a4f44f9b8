"""Final training: the architectures that a search found, trained to the end beside baselines."""

from optuna_nas.final._candidate import Candidate, found, of_architecture
from optuna_nas.final._card import architecture_of, read_card, trained_network
from optuna_nas.final._comparison import Comparison, Finalist, FinalRun, Spread
from optuna_nas.final._random import epochs_spent, random_search, random_search_pick
from optuna_nas.final._resnet import CifarResNet, resnet_of_equal_macs
from optuna_nas.final._retrain import retrain
from optuna_nas.final._train import train_candidates
from optuna_nas.final._transfer import transfer, transferred

__all__ = [
    "Candidate",
    "CifarResNet",
    "Comparison",
    "FinalRun",
    "Finalist",
    "Spread",
    "architecture_of",
    "epochs_spent",
    "found",
    "of_architecture",
    "random_search",
    "random_search_pick",
    "read_card",
    "resnet_of_equal_macs",
    "retrain",
    "train_candidates",
    "trained_network",
    "transfer",
    "transferred",
]
