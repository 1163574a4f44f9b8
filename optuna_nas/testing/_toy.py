"""A space whose size and optimum are known, for testing samplers without training anything.

Chains of layers with an operation each. The value of a chain is a table: a term for every layer,
a term for every pair of neighbours, and a price for depth; so single decisions are not enough to
find the optimum, and dynamic programming gives it exactly.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from optuna_nas._ground.checks import is_int, require_number, shown
from optuna_nas.drawing import Edge, Graph, Node
from optuna_nas.spaces.base import SearchSpace
from optuna_nas.spaces.decisions import DecisionTrial, text_error
from optuna_nas.spaces.layers._depths import depth_range

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ToySpace"]

OPS = ("conv_1x1", "conv_3x3", "avg_pool_3x3", "conv_5x5", "avg_pool_5x5")

Chain = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ToySpace(SearchSpace):
    """Space of chains of operations, all of which compute different networks.

    Its size is known, and its best chain exactly (:meth:`optimum`), so that samplers are tested on
    it in milliseconds.

    Args:
        num_layers: Length of the chain, in [1, 99], or its range ``(low, high)``, which makes the
            space conditional: ``num_layers`` is decided first.
        num_ops: Number of operations to choose from, in [1, 5].
        interaction: Weight of the pair terms, at least 0; 0 makes every decision independent.
        prefix: See :class:`SearchSpace`.

    Example::

        space = ToySpace(num_layers=(1, 6))
        study = optuna.create_study(direction="maximize")
        study.optimize(lambda trial: space.evaluate(space.suggest(trial).params), n_trials=50)
        regret = space.optimum()[1] - study.best_value
    """

    name: ClassVar[str] = "toy"

    num_layers: int | tuple[int, int] = 4
    num_ops: int = 3
    interaction: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        depth_range(self.num_layers)
        if not is_int(self.num_ops) or not 1 <= self.num_ops <= len(OPS):
            raise ValueError(
                f"`num_ops` must lie in [1, {len(OPS)}], but got num_ops={shown(self.num_ops)}."
            )
        require_number("interaction", self.interaction, at_least=0)

    @property
    def ops(self) -> tuple[str, ...]:
        """The operations that can be chosen."""
        return OPS[: self.num_ops]

    @property
    def depths(self) -> tuple[int, int]:
        """The lowest and the highest number of layers."""
        return depth_range(self.num_layers)

    @property
    def num_architectures(self) -> int:
        low, high = self.depths
        return sum(self.num_ops**depth for depth in range(low, high + 1))

    def evaluate(self, params: Mapping[str, Any]) -> float:
        """Return the value of a chain, to be maximised."""
        chain: Chain = self.architecture(params).genotype
        indices = [OPS.index(op) for op in chain]
        singles = sum(_single(layer, op) for layer, op in enumerate(indices))
        pairs = sum(_pair(a, b) for a, b in itertools.pairwise(indices))
        return singles + self.interaction * pairs - _price(len(chain))

    def optimum(self) -> tuple[dict[str, Any], float]:
        """Return the best parameters and their value, by dynamic programming."""
        low, high = self.depths
        best: tuple[float, list[int]] | None = None
        # For each last operation the best chain of the present depth that ends in it.
        ending = {op: (_single(0, op), [op]) for op in range(self.num_ops)}
        for depth in range(1, high + 1):
            if depth > 1:
                ending = {op: self._extend(ending, depth - 1, op) for op in ending}
            value, chain = max(ending.values())
            if depth >= low and (best is None or value - _price(depth) > best[0]):
                best = (value - _price(depth), chain)
        assert best is not None
        params = self.encode(self.format(tuple(OPS[op] for op in best[1])))
        return {self.prefix + name: value for name, value in params.items()}, best[0]

    def _extend(
        self, ending: Mapping[int, tuple[float, list[int]]], layer: int, op: int
    ) -> tuple[float, list[int]]:
        value, chain = max(
            (value + self.interaction * _pair(last, op), chain)
            for last, (value, chain) in ending.items()
        )
        return value + _single(layer, op), [*chain, op]

    @property
    def conditional(self) -> bool:
        return isinstance(self.num_layers, tuple)

    def decide(self, trial: DecisionTrial) -> Chain:
        depth, high = self.depths
        if self.conditional:
            depth = trial.suggest_int("num_layers", depth, high)
        return tuple(
            trial.suggest_categorical(f"layer_{i:02d}_op", self.ops) for i in range(1, depth + 1)
        )

    def build_network(
        self, genotype: Chain, *, num_classes: int = 10, in_channels: int = 3, channels: int = 4
    ) -> nn.Module:
        from torch import nn

        from optuna_nas.nn import ClassifierHead, ConvNormAct, ReLUConvBN, avg_pool

        layers = []
        for op in genotype:
            kind, _, size = op.rpartition("_")
            kernel_size = int(size[0])
            layers.append(
                avg_pool(kernel_size)
                if kind == "avg_pool"
                else ReLUConvBN(channels, channels, kernel_size)
            )
        stem = ConvNormAct(in_channels, channels, (3, 3), act=False)
        return nn.Sequential(stem, *layers, ClassifierHead(channels, num_classes))

    def canonical(self, genotype: Chain) -> Chain:
        return genotype

    def owns(self, name: str) -> bool:
        return re.fullmatch(r"num_layers|layer_\d\d_op", name) is not None

    def format(self, genotype: Chain) -> str:
        return ">".join(genotype)

    def encode(self, text: str) -> dict[str, Any]:
        params: dict[str, Any] = {}
        ops = text.split(">")
        if self.conditional:
            params["num_layers"] = len(ops)
        place = 0
        for i, op in enumerate(ops, start=1):
            if op not in self.ops:
                raise text_error(
                    text, place, f"Unknown operation {shown(op)}; must be one of {self.ops}"
                )
            params[f"layer_{i:02d}_op"] = op
            place += len(op) + 1
        return params

    def graph(self, genotype: Chain) -> Graph:
        nodes = [
            Node("0", "input", "input"),
            *(Node(str(i), op) for i, op in enumerate(genotype, start=1)),
            Node(str(len(genotype) + 1), "output", "output"),
        ]
        edges = [Edge(a.key, b.key) for a, b in itertools.pairwise(nodes)]
        return Graph(tuple(nodes), tuple(edges), title="toy chain")


def _single(layer: int, op: int) -> float:
    return ((7 * layer + 5 * op + 3) * 37 % 101) / 100


def _pair(op: int, following: int) -> float:
    return ((11 * op + 17 * following + 5) * 53 % 101) / 100


def _price(depth: int) -> float:
    return 0.1 * depth**2
