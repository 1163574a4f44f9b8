"""The cell space of NAS-Bench-201: one of five operations on each of six edges.

References:
    - Dong, Yang. NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search.
      ICLR 2020. arXiv:2001.00326.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from optuna_nas._ground.checks import shown
from optuna_nas.drawing import Edge, Graph, Node
from optuna_nas.spaces.base import (
    Architecture,
    Choices,
    Form,
    OneShotDefaults,
    SearchSpace,
    canonical_form,
    open_choices,
)
from optuna_nas.spaces.decisions import DecisionTrial, text_error

if TYPE_CHECKING:
    from torch import nn

__all__ = ["NASBench201Space", "nb201_string"]

OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NUM_NODES = 4  # node 0 is the cell's input, node 3 its output

# For nodes 1, 2, 3 the operation on the edge from each earlier node.
Cell = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class NASBench201Space(SearchSpace):
    """All 15,625 cells of NAS-Bench-201 (5,875 different ones, see ``Architecture.digest``).

    Use it where results must be comparable: the true accuracies of all cells are published. It
    is small; for the best accuracy take a larger cell space.

    Args:
        prefix: See :class:`SearchSpace`.

    Example::

        from optuna_nas.spaces import NASBench201Space

        space = NASBench201Space()
        cell = space.parse(
            "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
        )
        model = cell.build(num_classes=10, cells=5, channels=16)  # 559,386 parameters
    """

    name: ClassVar[str] = "nasbench201"
    proxy: ClassVar[Mapping[str, Any]] = MappingProxyType({"cells": 5, "channels": 16})
    one_shot: ClassVar[OneShotDefaults] = OneShotDefaults(
        recipe={"nesterov": True, "weight_decay": 5e-4}  # of the benchmark's own searches
    )

    def decide(self, trial: DecisionTrial) -> Cell:
        return tuple(
            tuple(trial.suggest_categorical(_edge(node, j), OPS) for j in range(node))
            for node in range(1, NUM_NODES)
        )

    def build_network(
        self,
        genotype: Cell,
        *,
        num_classes: int = 10,
        in_channels: int = 3,
        cells: int = 5,
        channels: int = 16,
        features_only: bool = False,
    ) -> nn.Module:
        from optuna_nas.nn.networks import NASBench201Network

        return NASBench201Network(
            genotype,
            num_classes=num_classes,
            in_channels=in_channels,
            cells=cells,
            channels=channels,
            features_only=features_only,
        )

    def relax(
        self,
        fixed: Mapping[str, Any],
        *,
        num_classes: int = 10,
        in_channels: int = 3,
        cells: int = 5,
        channels: int = 16,
        affine: bool = False,
        track_running_stats: bool = True,
        features_only: bool = False,
    ) -> tuple[nn.Module, Choices]:
        """One alpha for each edge, shared by all cells; ``none`` takes part in the softmax.

        ``affine`` and ``track_running_stats`` are those of the batch norms in the cells.
        """
        from optuna_nas.nn.supernets import NASBench201Supernet

        choices = open_choices(self, fixed)
        edges = [[_edge(node, j) for j in range(node)] for node in range(1, NUM_NODES)]
        network = NASBench201Supernet(
            edges,
            choices,
            num_classes=num_classes,
            in_channels=in_channels,
            cells=cells,
            channels=channels,
            affine=affine,
            track_running_stats=track_running_stats,
            features_only=features_only,
        )
        return network, choices

    def canonical(self, genotype: Cell) -> Form:
        return canonical_form(*_dataflow(genotype))

    def owns(self, name: str) -> bool:
        return re.fullmatch(r"op_\d+_from_\d+", name) is not None

    def format(self, genotype: Cell) -> str:
        return "+".join(
            "".join(f"|{op}~{j}" for j, op in enumerate(ops)) + "|" for ops in genotype
        )

    def encode(self, text: str) -> dict[str, str]:
        groups = text.split("+")
        params: dict[str, str] = {}
        position = 0
        for node, group in enumerate(groups, start=1):
            if node >= NUM_NODES:
                break
            for j, op in _read_node(text, position, group, node).items():
                params[_edge(node, j)] = op
            position += len(group) + 1
        if len(groups) != NUM_NODES - 1:
            raise text_error(
                text,
                min(position, len(text)),
                f"A cell has {NUM_NODES - 1} nodes joined by '+', but got {len(groups)}",
            )
        return params

    def graph(self, genotype: Cell) -> Graph:
        last = NUM_NODES - 1
        kinds = {0: "input", last: "output"}
        labels = {0: "input", last: "output"}
        nodes = [
            Node(str(i), labels.get(i, str(i)), kinds.get(i, "state")) for i in range(NUM_NODES)
        ]
        edges = [
            Edge(str(j), str(node), op)
            for node, ops in enumerate(genotype, start=1)
            for j, op in enumerate(ops)
            # Drawn as faint arrows only where a node would otherwise have none at all.
            if op != "none" or set(ops) == {"none"}
        ]
        return Graph(tuple(nodes), tuple(edges), title="NAS-Bench-201 cell")


def nb201_string(architecture: Architecture) -> str:
    """Return the benchmark's own spelling of a cell, by which it counts 6,466 different ones.

    The rule simplifies ``none`` and ``skip_connect`` in a nested string. It is not sound: two
    equal convolutions and one convolution used twice get the same string (430 strings stand for
    truly different networks), and nested sums split equal ones. ``Architecture.digest`` has
    neither fault; this is for comparison with the literature.

    Args:
        architecture: Architecture of a :class:`NASBench201Space`.

    Raises:
        TypeError: If it belongs to another space.
    """
    if not isinstance(architecture.space, NASBench201Space):
        raise TypeError(
            "`architecture` must belong to a NASBench201Space, but got one of "
            f"{architecture.space}."
        )
    states = ["0"]
    for ops in architecture.genotype:
        terms = []
        for j, op in enumerate(ops):
            if op == "none" or states[j] == "#":
                terms.append("#")
            elif op == "skip_connect":
                terms.append(states[j])
            else:
                terms.append(f"({states[j]})@{op}")
        states.append("+".join(sorted(terms)))
    return states[-1]


def _edge(node: int, j: int) -> str:
    return f"op_{node}_from_{j}"


def _dataflow(cell: Cell) -> tuple[list[str], list[list[int]], int]:
    """Turn operations on edges into a graph whose nodes are operations.

    A state is a multiset of terms. ``none`` adds nothing, ``skip_connect`` adds the terms of its
    source, an average pool of nothing is nothing, and two pools of the same terms are one node,
    since a pool has no weights. A convolution of nothing is *kept*: its batch norm has a bias,
    so that it is a trained constant, and dropping it would not be sound. (With these rules the
    15,625 cells fall into 5,875 classes; with convolutions of nothing dropped into 5,260.)

    Returns:
        Labels, inputs and the output's number, as :func:`canonical_form` takes them.
    """
    labels = ["input"]
    inputs: list[list[int]] = [[]]
    states = [[0]]
    pools: dict[tuple[int, ...], int] = {}
    for ops in cell:
        terms: list[int] = []
        for j, op in enumerate(ops):
            if op == "skip_connect":
                terms += states[j]
            elif op != "none" and (states[j] or op != "avg_pool_3x3"):
                node = pools.get(tuple(states[j])) if op == "avg_pool_3x3" else None
                if node is None:
                    node = len(labels)
                    labels.append(op)
                    inputs.append(states[j])
                if op == "avg_pool_3x3":
                    pools[tuple(states[j])] = node
                terms.append(node)
        states.append(sorted(terms))
    return [*labels, "output"], [*inputs, states[-1]], len(labels)


def _read_node(text: str, position: int, group: str, node: int) -> dict[int, str]:
    """Read ``|op~0|op~1|``, which starts at ``position`` of the text."""
    if len(group) < 2 or group[0] != "|" or group[-1] != "|":
        raise text_error(text, position, f"Node {node} must look like |op~0|...|")
    ops: dict[int, str] = {}
    place = position + 1
    for part in group[1:-1].split("|"):
        op, _, index = part.partition("~")
        if op not in OPS:
            raise text_error(text, place, f"Unknown operation {shown(op)}; must be one of {OPS}")
        if index not in map(str, range(node)):
            raise text_error(
                text,
                place + len(op) + 1,
                f"Node {node} takes its inputs from nodes 0 to {node - 1}, but got {shown(index)}",
            )
        if int(index) in ops:
            raise text_error(text, place, f"Node {node} has two edges from node {index}")
        ops[int(index)] = op
        place += len(part) + 1
    missing = [j for j in range(node) if j not in ops]
    if missing:
        raise text_error(text, position, f"Node {node} lacks the edge from node {missing[0]}")
    return ops
