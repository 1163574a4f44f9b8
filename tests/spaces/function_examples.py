"""Function spaces for the tests; at the top level of a module, so that they pickle."""

import torch
from optuna import TrialPruned
from torch import nn

from optuna_nas.spaces import function_space


def _chain(trial, num_classes, in_channels):
    layers = []
    channels = in_channels
    for i in range(trial.suggest_int("num_layers", 1, 3)):
        width = trial.suggest_categorical(f"width_{i}", [4, 8])
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
        channels = width
        if trial.suggest_categorical(f"norm_{i}", [False, True]):
            layers.append(nn.BatchNorm2d(channels))
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)]
    return nn.Sequential(*layers, *head)


@function_space
def chain_net(trial, num_classes=10, in_channels=3):
    return _chain(trial, num_classes, in_channels)


@function_space(prefix="my_")
def prefixed_net(trial, num_classes=10, in_channels=3):
    return _chain(trial, num_classes, in_channels)


@function_space
def floating_net(trial, num_classes=10):
    rate = trial.suggest_float("dropout", 0.0, 0.5)
    return nn.Sequential(nn.Flatten(), nn.Dropout(rate), nn.LazyLinear(num_classes))


@function_space
def pruning_net(trial):
    a = trial.suggest_int("a", 1, 3)
    b = trial.suggest_int("b", 1, 3)
    if a + b > 4:
        raise TrialPruned
    return nn.Linear(a, b)


@function_space
def wide_net(trial):
    total = sum(trial.suggest_categorical(f"x_{i}", (0, 1, 2)) for i in range(60))
    return nn.Linear(1 + total, 1)


class Groups:
    @staticmethod
    @function_space
    def static_net(trial, **options):
        return nn.Linear(trial.suggest_int("width", 1, 4), options.get("num_classes", 10))


def needs_a_real_device(trial, num_classes=10):
    width = trial.suggest_int("width", 1, 4)
    assert torch.ones(1).item() == 1.0
    return nn.Linear(width, num_classes)
