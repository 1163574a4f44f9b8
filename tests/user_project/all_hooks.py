"""A user's spaces with all hooks, which a strict type checker must take as they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from torch import nn

from optuna_nas.drawing import Edge, Graph, Node
from optuna_nas.spaces import Architecture, DecisionTrial, SearchSpace
from optuna_nas.spaces.base import Choices, Scanner, Supernet, canonical_form, open_choices

Chain = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class MySpace(SearchSpace):
    name = "mine"
    version = 2
    conditional = False
    from_settings = False
    num_layers: int = 3

    def decide(self, trial: DecisionTrial) -> Chain:
        names = [f"layer_{i}_op" for i in range(self.num_layers)]
        return tuple(trial.suggest_categorical(name, ("relu", "tanh")) for name in names)

    def build_network(
        self, genotype: Chain, *, num_classes: int = 10, in_channels: int = 3
    ) -> nn.Module:
        return nn.Sequential(*(nn.ReLU() for _ in genotype))

    def canonical(self, genotype: Chain) -> Any:
        inputs = [[], *([i] for i in range(len(genotype)))]
        return canonical_form(["image", *genotype], inputs, output=len(genotype))

    def owns(self, name: str) -> bool:
        return name.startswith("layer_")

    def format(self, genotype: Chain) -> str:
        return ">".join(genotype)

    def encode(self, text: str) -> dict[str, Any]:
        scanner, params = Scanner(text), {}
        for i in range(self.num_layers):
            if i > 0:
                scanner.need(">", "'>' and a further operation")
            params[f"layer_{i}_op"] = scanner.need_word(("relu", "tanh"), "an operation")
        return params

    def graph(self, genotype: Chain) -> Graph:
        return Graph((Node("0", "in", "input"), Node("1", "out", "output")), (Edge("0", "1"),))

    def relax(
        self, fixed: Mapping[str, Any], *, num_classes: int = 10
    ) -> tuple[nn.Module, Choices]:
        return nn.Identity(), open_choices(self, fixed)

    def path(self, architecture: Architecture) -> dict[str, Any]:
        return dict(architecture.params)

    def discretise(self, weights: Mapping[str, Mapping[Any, float]]) -> dict[str, Any]:
        return dict(super().discretise(weights))


class Plain(SearchSpace):
    name = "plain"

    @property
    def conditional(self) -> bool:
        return False

    def decide(self, trial: DecisionTrial) -> int:
        return trial.suggest_int("x", 0, 3)

    def build_network(self, genotype: int, num_classes: int = 10) -> nn.Linear:
        return nn.Linear(genotype, num_classes)


def use(space: MySpace) -> str:
    """Use what the types of the results promise."""
    architecture = space.suggest(optuna.create_study().ask())
    model: nn.Module = architecture.build(num_classes=3)
    supernet: Supernet = space.supernet()
    text: str = str(architecture) + architecture.digest
    return f"{text} {model} {supernet}"
