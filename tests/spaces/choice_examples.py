"""Functions that choose between modules, for the tests."""

import torch
from torch import nn

from optuna_nas.nn import make_op
from optuna_nas.spaces import choice, function_space

X = torch.linspace(-1, 1, 2 * 3 * 6 * 6).sin().reshape(2, 3, 6, 6)
OPS = ("skip_connect", "sep_conv_3x3", "max_pool_3x3")


def factories(channels=4):
    return {op: lambda op=op: make_op(op, channels, in_channels=channels) for op in OPS}


def head(channels, num_classes):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)]


@function_space
def chain(trial, num_classes=5, in_channels=3):
    layers = [nn.Conv2d(in_channels, 4, 3, padding=1)]
    for i in range(trial.suggest_int("num_layers", 1, 3)):
        layers.append(choice(trial, f"layer_{i}_op", factories()))
        if trial.suggest_categorical("norm", [False, True]):
            layers.append(nn.BatchNorm2d(4))
    return nn.Sequential(*layers, *head(4, num_classes))


FIXED = {"num_layers": 2, "norm": True}


class Read(nn.Module):
    """Applies an operation to one of several states."""

    def __init__(self, state, op):
        super().__init__()
        self.state = state
        self.op = op

    def forward(self, states):
        return self.op(states[self.state])


class Banks(nn.Module):
    def __init__(self, nodes, num_classes):
        super().__init__()
        self.nodes = nn.ModuleList(nodes)
        self.head = nn.Sequential(*head(3, num_classes))

    def forward(self, x):
        states = [x]
        for node in self.nodes:
            states.append(node(states))
        return self.head(states[-1])


@function_space(prefix="bank_")
def banks(trial, num_classes=5):
    """Nodes that choose an input and an operation: one set of weights for each pair."""
    nodes = []
    for i in (1, 2):
        inputs = {
            j: lambda j=j, i=i: Read(j, choice(trial, f"{i}_op", factories(3))) for j in range(i)
        }
        nodes.append(choice(trial, f"{i}_input", inputs))
    return Banks(nodes, num_classes)
