"""A candidate that trains in an instant, and the digits that it is trained on."""

from __future__ import annotations

import torch
from torch import nn

from optuna_nas.final import Candidate
from optuna_nas.training import ImageData, Recipe, load_data

FAST = Recipe(batch_size=50, lr=0.1)


def digits() -> ImageData:
    torch.set_num_threads(1)
    return load_data("digits", train_size=300, val_size=200, test_size=150)


def linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def linear_candidate(name: str = "linear") -> Candidate:
    return Candidate(name=name, make=linear, origin={"network": "logistic regression"})
