"""A user's spaces: a class, and functions of a trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from optuna_nas.nn import make_op
from optuna_nas.spaces import SearchSpace, choice, function_space
from optuna_nas.spaces.base import Choices, DecisionTrial, open_choices

Widths = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ConvSpace(SearchSpace):
    """Chains of convolutions; the shortest space there is."""

    name: ClassVar[str] = "user_convs"
    proxy: ClassVar[Mapping[str, Any]] = {"kernel_size": 1}

    num_layers: int = 2

    def decide(self, trial: DecisionTrial) -> Widths:
        names = [f"layer_{i}_width" for i in range(1, self.num_layers + 1)]
        return tuple(trial.suggest_categorical(name, (2, 4, 8)) for name in names)

    def build_network(
        self,
        genotype: Widths,
        *,
        num_classes: int = 10,
        in_channels: int = 3,
        kernel_size: int = 3,
    ) -> nn.Module:
        layers: list[nn.Module] = []
        for width in genotype:
            layers += [nn.Conv2d(in_channels, width, kernel_size, padding="same"), nn.ReLU()]
            in_channels = width
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(in_channels, num_classes)]
        return nn.Sequential(*layers, *head)


class MixedLayers(nn.Module):
    """Supernet of :class:`OpSpace`."""

    def __init__(self, choices: Choices, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.names = list(choices)
        self.stem = nn.Conv2d(in_channels, 4, 1)
        self.ops = nn.ModuleList(
            nn.ModuleList(make_op(str(op), 4, in_channels=4) for op in ops)
            for ops in choices.values()
        )
        self.head = nn.Linear(4, num_classes)

    def forward(self, x: torch.Tensor, selection: Mapping[str, Any]) -> torch.Tensor:
        x = self.stem(x)
        for name, ops in zip(self.names, self.ops, strict=True):
            assert isinstance(ops, nn.ModuleList)
            chosen = selection[name]
            if isinstance(chosen, int):
                x = ops[chosen](x)
            else:
                mixed = [weight * op(x) for weight, op in zip(chosen, ops, strict=True)]
                x = torch.stack(mixed).sum(0)
        logits: torch.Tensor = self.head(x.mean((2, 3)))
        return logits


@dataclass(frozen=True, kw_only=True)
class OpSpace(SearchSpace):
    """Chains of operations of equal width, with a supernet."""

    name: ClassVar[str] = "user_ops"

    num_layers: int = 2
    ops: tuple[str, ...] = ("skip_connect", "sep_conv_3x3", "max_pool_3x3")

    def decide(self, trial: DecisionTrial) -> tuple[str, ...]:
        names = [f"layer_{i}_op" for i in range(1, self.num_layers + 1)]
        return tuple(trial.suggest_categorical(name, self.ops) for name in names)

    def build_network(
        self, genotype: tuple[str, ...], *, num_classes: int = 10, in_channels: int = 3
    ) -> nn.Module:
        ops = [make_op(op, 4, in_channels=4) for op in genotype]
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes)]
        return nn.Sequential(nn.Conv2d(in_channels, 4, 1), *ops, *head)

    def relax(
        self, fixed: Mapping[str, Any], *, num_classes: int = 10, in_channels: int = 3
    ) -> tuple[nn.Module, Choices]:
        choices = open_choices(self, fixed)
        return MixedLayers(choices, num_classes, in_channels), choices


@function_space
def tabular_net(trial: DecisionTrial, num_classes: int = 2, in_features: int = 6) -> nn.Module:
    """Networks of a table, which take no images."""
    layers: list[nn.Module] = []
    for i in range(trial.suggest_int("num_layers", 1, 3)):
        width = trial.suggest_categorical(f"layer_{i}_width", (4, 8))
        layers += [nn.Linear(in_features, width), nn.ReLU()]
        in_features = width
    return nn.Sequential(*layers, nn.Linear(in_features, num_classes))


@function_space(prefix="my_")
def choosing_net(trial: DecisionTrial, num_classes: int = 10, in_channels: int = 3) -> nn.Module:
    """Networks whose layers are chosen among modules, so that there is a supernet."""
    stem = nn.Conv2d(in_channels, 4, 1)
    layers = [
        choice(
            trial,
            f"layer_{i}_op",
            {
                "conv": lambda: nn.Conv2d(4, 4, 3, padding=1),
                "pool": lambda: nn.MaxPool2d(3, 1, 1),
            },
        )
        for i in (1, 2)
    ]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes)]
    return nn.Sequential(stem, *layers, *head)
