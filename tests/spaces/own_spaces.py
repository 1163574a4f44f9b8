"""Spaces of a user: a name, the decisions and the network, and nothing else."""

from dataclasses import dataclass

from torch import nn

from optuna_nas.spaces import SearchSpace


@dataclass(frozen=True, kw_only=True)
class PlainSpace(SearchSpace):
    """Two layers, each with a width and, as a word that needs quotes, an activation."""

    name = "plain"
    num_layers: int = 2

    def decide(self, trial):
        return [
            (
                trial.suggest_categorical(f"layer_{i}_width", (2, 4, 8)),
                trial.suggest_categorical(f"layer_{i}_op", ("re lu", "tanh", "2", 2, False)),
            )
            for i in range(1, self.num_layers + 1)
        ]

    def build_network(self, genotype, *, num_classes=10, in_channels=3):
        return network(genotype, num_classes, in_channels)


@dataclass(frozen=True, kw_only=True)
class GrowingSpace(SearchSpace):
    """One layer or more, which makes the space conditional."""

    name = "growing"
    most: int = 3

    def decide(self, trial):
        depth = trial.suggest_int("num_layers", 1, self.most)
        return [
            (
                4 * trial.suggest_int(f"layer_{i}_width", 1, 3),
                trial.suggest_categorical(f"layer_{i}_op", ("relu", "tanh")),
            )
            for i in range(1, depth + 1)
        ]

    def build_network(self, genotype, num_classes=10, in_channels=3):
        return network(genotype, num_classes, in_channels)


def network(genotype, num_classes, in_channels):
    layers = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    before = in_channels
    for width, op in genotype:
        layers += [nn.Linear(before, width), nn.Tanh() if op == "tanh" else nn.ReLU()]
        before = width
    return nn.Sequential(*layers, nn.Linear(before, num_classes))
