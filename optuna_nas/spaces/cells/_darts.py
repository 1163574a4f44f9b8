"""The search space of DARTS, in its discrete form: each node reads two different earlier states.

References:
    - Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019. arXiv:1806.09055.
    - Li, Talwalkar. Random Search and Reproducibility for Neural Architecture Search. UAI 2019.
      arXiv:1902.07638 (``keep_none``).

Differences from the paper:
    None. Numbers follow the released code: state 0 is the older input.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from optuna_nas._ground.checks import require_bool, shown
from optuna_nas._ground.genotype import Edge, Node
from optuna_nas.spaces.base import AlphaLayout, Choices
from optuna_nas.spaces.cells._cells import (
    NUM_INPUTS,
    CellNetworkSpace,
    CellPair,
    check_ops,
    computed_states,
)
from optuna_nas.spaces.cells._genotype_text import GenotypeText, format_genotype
from optuna_nas.spaces.decisions import DecisionTrial, text_error

if TYPE_CHECKING:
    from torch import nn

    from optuna_nas.spaces.base import Architecture

__all__ = ["DARTSSpace"]

OPS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
MAX_NODES = 20


@dataclass(frozen=True, kw_only=True)
class DARTSSpace(CellNetworkSpace):
    """DARTS: two cells of four nodes, each adding two of 7 operations on different states.

    1,037,664,180 cells of either kind. State 0 is the output of the cell before the previous one,
    state 1 that of the previous one (unlike in NASNet), 2 to 5 are the nodes, all concatenated.

    Args:
        num_nodes: Nodes per cell.
        ops: The operations to choose from.
        keep_none: Whether an edge may also be nothing, as in random search with weight sharing
            (3,019,898,880 cells); ``none`` then stands before ``ops``.
        prefix: See :class:`SearchSpace`.

    Raises:
        ValueError: If a setting is out of range.

    Example::

        from optuna_nas.spaces import DARTSSpace, published

        assert DARTSSpace().parse(str(published.DARTS_V2)) == published.DARTS_V2
        model = published.DARTS_V2.build(num_classes=10, auxiliary=True, drop_path=0.2)
    """

    name: ClassVar[str] = "darts"
    title: ClassVar[str] = "DARTS cells"
    previous: ClassVar[int] = 1
    proxy: ClassVar[Mapping[str, Any]] = MappingProxyType({"cells": 8, "channels": 16})
    sizes: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {
            "cells": 20,
            "channels": 36,
            "stem": "cifar",
            "auxiliary": False,
            "drop_path": 0.0,
        }
    )
    builder: ClassVar[Mapping[str, Any]] = MappingProxyType({"assembly": "darts"})

    num_nodes: int = 4
    ops: tuple[str, ...] = OPS
    keep_none: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.num_nodes) is not int or not 1 <= self.num_nodes <= MAX_NODES:
            raise ValueError(
                f"`num_nodes` must be an int in [1, {MAX_NODES}], but got "
                f"num_nodes={shown(self.num_nodes)}."
            )
        require_bool("keep_none", self.keep_none)
        check_ops(
            self.ops,
            refused=("none", "identity"),
            way_out='What passes its input on is called "skip_connect" here; to choose among '
            '"none" as well, set keep_none=True.',
        )

    @property
    def _choices(self) -> tuple[str, ...]:
        return ("none", *self.ops) if self.keep_none else self.ops

    @property
    def _states(self) -> range:
        return range(NUM_INPUTS, NUM_INPUTS + self.num_nodes)

    def _decide_size(self, trial: DecisionTrial) -> int:
        return self.num_nodes

    def _decide_node(self, trial: DecisionTrial, scope: str, state: int) -> Node:
        ask, name = trial.suggest_categorical, f"{scope}_{state}"
        pairs = {f"{a},{b}": (a, b) for a, b in itertools.combinations(range(state), 2)}
        a, b = pairs[ask(f"{name}_inputs", tuple(pairs))]
        op_a = ask(f"{name}_op_a", self._choices)
        op_b = ask(f"{name}_op_b", self._choices)
        return Node((Edge(a, op_a), Edge(b, op_b)))

    def _encode_node(self, state: int, node: Node) -> dict[str, Any]:
        a, b = sorted(node.edges, key=lambda edge: edge.input)
        return {"inputs": f"{a.input},{b.input}", "op_a": a.op, "op_b": b.op}

    def _output(self, scope: str, nodes: tuple[Node, ...]) -> tuple[int, ...]:
        return computed_states(len(nodes))

    def relax(
        self,
        fixed: Mapping[str, Any],
        *,
        num_classes: int = 10,
        in_channels: int = 3,
        cells: int = 8,
        channels: int = 16,
        partial: int = 1,
        edge_normalisation: bool = False,
        features_only: bool = False,
    ) -> tuple[nn.Module, Choices]:
        """An alpha over ``none`` and all operations for each edge, such as ``normal_3_from_1``.

        Of PC-DARTS: ``partial`` mixes one channel in so many, and ``edge_normalisation`` adds an
        alpha over the edges into each node, such as ``normal_3_edges``.
        """
        from optuna_nas.nn.supernets import DARTSSupernet, edges_of

        if fixed:
            raise ValueError(
                f"`fixed` must be empty for {self}, but got {sorted(fixed)}: its supernet has an "
                "alpha for each edge of a cell, which decides on inputs and operations together. "
                "To search with fewer operations, set `ops` of the space."
            )
        require_bool("edge_normalisation", edge_normalisation)
        edges = {
            scope: [[_edge(scope, state, j) for j in range(state)] for state in self._states]
            for scope in self.scopes
        }
        ops = ("none", *self.ops)
        choices: dict[str, tuple[Any, ...]] = {
            name: ops for nodes in edges.values() for names in nodes for name in names
        }
        network = DARTSSupernet(
            edges["normal"],
            edges["reduce"],
            choices,
            num_classes=num_classes,
            in_channels=in_channels,
            cells=cells,
            channels=channels,
            partial=partial,
            features_only=features_only,
        )
        if edge_normalisation:
            for names in (names for nodes in edges.values() for names in nodes):
                choices[edges_of(names[0])] = tuple(range(len(names)))
        return network, choices

    def alpha_layout(self, choices: Choices) -> AlphaLayout:
        edges = {
            (scope, state): [_edge(scope, state, j) for j in range(state)]
            for scope in self.scopes
            for state in self._states
        }
        names = [name for names in edges.values() for name in names]
        return AlphaLayout(
            choices=choices,
            cells=tuple(
                tuple(name for name in names if name.startswith(f"{scope}_"))
                for scope in self.scopes
            ),
            edge_weights=frozenset(choices) - frozenset(names),
            nodes=tuple(tuple(names) for names in edges.values()),
        )

    def path(self, architecture: Architecture) -> dict[str, str]:
        return {
            _edge(scope, state, edge.input): edge.op
            for scope, cell in self._by_scope(architecture.genotype).items()
            for state, node in enumerate(cell.nodes, start=NUM_INPUTS)
            for edge in node.edges
        }

    def discretise(self, weights: Mapping[str, Mapping[Any, float]]) -> dict[str, Any]:
        """Keep each node's two best edges and their best operations, none of them ``none``."""
        nodes = {
            scope: [self._best_node(weights, scope, state) for state in self._states]
            for scope in self.scopes
        }
        return self._params(nodes)

    def _best_node(
        self, weights: Mapping[str, Mapping[Any, float]], scope: str, state: int
    ) -> Node:
        rows = [weights[_edge(scope, state, j)] for j in range(state)]
        best_ops = [max(self.ops, key=row.__getitem__) for row in rows]  # ties: the first
        shares = weights.get(f"{scope}_{state}_edges", {})
        scores = [
            row[op] * shares.get(j, 1.0)
            for j, (row, op) in enumerate(zip(rows, best_ops, strict=True))
        ]
        kept = sorted(range(state), key=lambda j: -scores[j])[:2]  # stable
        return Node(tuple(Edge(j, best_ops[j]) for j in sorted(kept)))

    def format(self, genotype: CellPair) -> str:
        return format_genotype(self._by_scope(genotype))

    def encode(self, text: str) -> dict[str, Any]:
        genotype = GenotypeText(text)
        nodes = {}
        for scope in self.scopes:
            nodes[scope] = genotype.nodes(
                scope, self._choices, num_nodes=self.num_nodes, distinct=True
            )
            concat, at = genotype.concat(scope, self.num_nodes)
            ours = self._output(scope, tuple(nodes[scope]))
            if sorted(concat) != list(ours):
                raise text_error(
                    text,
                    at,
                    f"A DARTSSpace concatenates all of its nodes, {ours}, but the text {concat}",
                )
        return self._params(nodes)


def _edge(scope: str, state: int, j: int) -> str:
    """Name the alpha of an edge."""
    return f"{scope}_{state}_from_{j}"
