"""The macro search space of ENAS: a whole network, an operation and skips for each layer.

References:
    - Pham, Guan, Zoph, Le, Dean. Efficient Neural Architecture Search via Parameter Sharing.
      ICML 2018. arXiv:1802.03268.

Differences from the paper:
    1. Its released program builds a found network otherwise than it says: separable convolutions
       become full ones, and the bit for layer ``j`` joins the *input* of layer ``j`` (for
       ``j = 1`` the stem's output), not its output. With ``rules="release"`` this is done, which
       gives the released network 42,559,392 parameters at 96 channels; with ``rules="paper"`` it
       has 30,947,424. The paper prints 38.0 million, which neither gives.
    2. Networks are built by the release's rules for found networks: skips are concatenated (in
       the search with shared weights they are added) and channels double at each reduction.
       ``supernet()`` is the network of that search; separable convolutions are such in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from optuna_nas._ground.checks import shown
from optuna_nas.drawing import Edge, Graph, Node
from optuna_nas.spaces.base import Choices, OneShotDefaults, SearchSpace, open_choices
from optuna_nas.spaces.decisions import DecisionTrial, Scanner
from optuna_nas.spaces.layers._depths import depth_range

if TYPE_CHECKING:
    from torch import nn

__all__ = ["ENASMacroSpace"]

# In the order of the released integers.
OPS = ("conv_3x3", "sep_conv_3x3", "conv_5x5", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3")
RULES = ("paper", "release")
GAP = r"\|?"  # may stand between two layers


class Layer(NamedTuple):
    """One layer: its operation and the earlier layers (from 1) that it joins."""

    op: str
    skips: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ENASMacroSpace(SearchSpace):
    """ENAS macro: a chain of layers, each one of 6 operations, each joining any earlier layers.

    1.6e29 networks of 12 layers. Layer ``i`` applies an operation (with a 1x1 convolution
    before) to the layer before it; what it joins is concatenated with the result and brought
    back to the same channels. After each third of the layers all maps are halved.

    The notation is that of the released code, layer by layer: the number of the operation (0 conv
    3x3, 1 separable 3x3, 2 conv 5x5, 3 separable 5x5, 4 average pool, 5 max pool), then a bit for
    each earlier layer. Line breaks and ``|`` between layers are optional.

    Args:
        num_layers: Number of layers, or its range ``(low, high)``, which makes ``num_layers`` a
            decision; within [1, 99]. The paper searches 12 and trains 24 at the end.
        rules: ``"paper"``, or ``"release"`` for the networks that the released program builds
            (see *Differences* in the module). There, ``conv`` and ``sep_conv`` are the same.
        prefix: See :class:`SearchSpace`.

    Raises:
        ValueError: If a setting is out of range.

    Example::

        from optuna_nas.spaces import ENASMacroSpace

        space = ENASMacroSpace(num_layers=3)
        chain = space.parse("0 | 3 0 | 5 1 1")
        model = chain.build(num_classes=10, **space.proxy)
    """

    name: ClassVar[str] = "enas_macro"
    proxy: ClassVar[Mapping[str, Any]] = MappingProxyType({"channels": 36, "dropout": 0.1})
    one_shot: ClassVar[OneShotDefaults] = OneShotDefaults(
        shared_recipe="enas_macro_search", controller="enas_macro"
    )

    num_layers: int | tuple[int, int] = 12
    rules: str = "paper"

    def __post_init__(self) -> None:
        super().__post_init__()
        depth_range(self.num_layers)
        if self.rules not in RULES:
            raise ValueError(f"`rules` must be one of {RULES}, but got rules={shown(self.rules)}.")

    @property
    def num_architectures(self) -> int:
        low, high = depth_range(self.num_layers)
        return sum(len(OPS) ** n * 2 ** (n * (n - 1) // 2) for n in range(low, high + 1))

    @property
    def conditional(self) -> bool:
        return isinstance(self.num_layers, tuple)

    def decide(self, trial: DecisionTrial) -> tuple[Layer, ...]:
        low, high = depth_range(self.num_layers)
        depth = trial.suggest_int("num_layers", low, high) if self.conditional else low
        return tuple(self._decide_layer(trial, i) for i in range(1, depth + 1))

    def _decide_layer(self, trial: DecisionTrial, i: int) -> Layer:
        scope = f"layer_{i:02d}"
        op = trial.suggest_categorical(f"{scope}_op", OPS)
        bits = [
            trial.suggest_categorical(f"{scope}_from_{j:02d}", (False, True)) for j in range(1, i)
        ]
        return Layer(op, tuple(j for j, bit in enumerate(bits, start=1) if bit))

    def build_network(
        self,
        genotype: tuple[Layer, ...],
        *,
        num_classes: int = 10,
        in_channels: int = 3,
        channels: int = 96,
        dropout: float = 0.5,
        features_only: bool = False,
    ) -> nn.Module:
        from optuna_nas.nn.networks import ENASMacroNetwork

        return ENASMacroNetwork(
            self._effective(genotype),
            num_classes=num_classes,
            in_channels=in_channels,
            channels=channels,
            dropout=dropout,
            features_only=features_only,
        )

    def relax(
        self,
        fixed: Mapping[str, Any],
        *,
        num_classes: int = 10,
        in_channels: int = 3,
        channels: int = 36,
        dropout: float = 0.1,
        track_running_stats: bool = False,
        features_only: bool = False,
    ) -> tuple[nn.Module, Choices]:
        """Weights for each layer and operation, skips that are added; an alpha for each decision.

        The paper samples children and has no alphas: use a mixture to select, not to train.
        """
        from optuna_nas.nn.supernets import ENASMacroSupernet

        choices = open_choices(self, fixed)
        layers = [
            (
                f"layer_{i:02d}_op",
                {f"layer_{i:02d}_from_{j:02d}": self._joined(j) for j in range(1, i)},
            )
            for i in range(1, depth_range(self.num_layers)[0] + 1)
        ]
        network = ENASMacroSupernet(
            layers,
            choices,
            num_classes=num_classes,
            in_channels=in_channels,
            channels=channels,
            dropout=dropout,
            track_running_stats=track_running_stats,
            features_only=features_only,
        )
        return network, choices

    def _joined(self, j: int) -> int:
        """Return the state that the bit for layer ``j`` joins; state 0 is the stem's output."""
        return j - 1 if self.rules == "release" else j

    def _effective(self, genotype: tuple[Layer, ...]) -> list[tuple[str, list[int]]]:
        """Return operation and joined states of each layer; state 0 is the stem's output."""
        release = self.rules == "release"
        return [
            (op.removeprefix("sep_") if release else op, [self._joined(j) for j in skips])
            for op, skips in genotype
        ]

    def canonical(self, genotype: tuple[Layer, ...]) -> list[tuple[str, list[int]]]:
        """Every layer is read by the next, so nothing can be renumbered or left out."""
        return self._effective(genotype)

    def owns(self, name: str) -> bool:
        return re.fullmatch(r"num_layers|layer_\d\d_(op|from_\d\d)", name) is not None

    def format(self, genotype: tuple[Layer, ...]) -> str:
        rows = (
            [OPS.index(op), *(int(j in skips) for j in range(1, i))]
            for i, (op, skips) in enumerate(genotype, start=1)
        )
        return " | ".join(" ".join(map(str, row)) for row in rows)

    def encode(self, text: str) -> Mapping[str, Any]:
        scanner = Scanner(text)
        low, high = depth_range(self.num_layers)
        params: dict[str, Any] = {}
        depth = 0
        while depth < low or (depth < high and not scanner.at_end):
            depth += 1
            scope = f"layer_{depth:02d}"
            if depth > 1:
                scanner.take(GAP)
            params[f"{scope}_op"] = OPS[_digit(scanner, 6, f"the operation of layer {depth}")]
            for j in range(1, depth):
                what = f"the bit of layer {depth} for layer {j}"
                params[f"{scope}_from_{j:02d}"] = bool(_digit(scanner, 2, what))
        if not scanner.at_end:
            scanner.fail(f"Expected the end after layer {depth}, the last one of this space")
        return params | ({"num_layers": depth} if self.conditional else {})

    def graph(self, genotype: tuple[Layer, ...]) -> Graph:
        third = len(genotype) // 3
        layers = self._effective(genotype)
        nodes = [Node("0", "stem", "input")]
        edges: list[Edge] = []
        previous = "0"
        for k, (op, skips) in enumerate(layers, start=1):
            nodes.append(Node(str(k), f"{k}\n{op.replace('_', ' ')}"))
            edges.append(Edge(previous, str(k)))
            edges += [Edge(str(i), str(k)) for i in skips]  # twice, if it joins its own input
            previous = str(k)
            if third and k in (third, 2 * third):
                previous = f"halve {k}"
                nodes.append(Node(previous, "halve\nall", "merge"))
                edges.append(Edge(str(k), previous))
        nodes.append(Node("out", "classifier", "output"))
        edges.append(Edge(previous, "out"))
        return Graph(tuple(nodes), tuple(edges), title="ENAS macro network")


def _digit(scanner: Scanner, count: int, what: str) -> int:
    return scanner.need_int(range(count), what)
