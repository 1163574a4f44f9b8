"""A cell as a module: one for all families; a *style* says in what they differ.

Legend: ``B`` batch, ``C`` channels of the cell, ``P`` and ``Q`` channels of the previous cell's
output (k-1) and of the older one (k-2), ``H``/``W`` height and width, ``O`` output states.

References:
    - Zoph et al. Learning Transferable Architectures for Scalable Image Recognition. CVPR 2018.
      arXiv:1707.07012.
    - Pham et al. Efficient Neural Architecture Search via Parameter Sharing. ICML 2018.
      arXiv:1802.03268.
    - Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019. arXiv:1806.09055.

Differences from the papers:
    1. NASNet's text says of the combiner "concatenation" only that 1x1 convolutions are inserted
       where shapes differ. A concatenated state keeps its ``2C`` channels. An operation that
       reads it brings them to ``C`` by itself, as it does with the unprojected input of the first
       cell: convolutions directly, an identity as ReLU, 1x1, batch norm, a pool followed by 1x1
       and batch norm. As an output it passes a 1x1 convolution and batch norm.
    2. Nodes that never reach the output, and ``none`` in a sum, are left out: they compute
       nothing. The two inputs are always brought to the cell's shape, used or not.
    3. A DARTS cell whose output lists an input of a reduction cell (none in the paper does) halves
       it by the factorised reduction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from optuna_nas._ground.genotype import Cell, Edge, Node
from optuna_nas.nn.ops import (
    IDENTITIES,
    DropPath,
    FactorizedReduction,
    OpFactory,
    ReLUConvBN,
    make_op,
    make_own_op,
)

__all__ = ["CellModule", "CellShape", "CellStyle"]

NUM_INPUTS = 2


@dataclass(frozen=True)
class CellStyle:
    """In what the families differ.

    Args:
        ops: The family of the operations, see :func:`make_op`.
        project_always: Both inputs pass ReLU, 1x1, batch norm even where the shapes agree, the
            older one even in the first cell (DARTS). Otherwise only the previous cell's output
            does, and the older one where its shape differs.
        project_first: The older input is projected in the first cell, too (ENAS; not NASNet).
        project_twice: The previous cell's output is projected once more after it has been
            brought to ``C`` channels (ENAS's calibration).
        pad_reduction: The factorised reduction pads, see :class:`FactorizedReduction`.
        drop_strided_identity: Drop path takes an identity of stride 2, too (DARTS).
        own_ops: Factories of a user's operations, by name; all other names are ours.
    """

    ops: str
    project_always: bool = False
    project_first: bool = True
    project_twice: bool = False
    pad_reduction: bool = True
    drop_strided_identity: bool = False
    own_ops: Mapping[str, OpFactory] = field(default_factory=dict)

    def make(self, name: str, channels: int, *, stride: int, in_channels: int) -> nn.Module:
        """Make an operation of ours or of the user's: ``(B, C, H, W) -> (B, D, ...)``."""
        if name in self.own_ops:
            factory = self.own_ops[name]
            return make_own_op(name, factory, channels, stride=stride, in_channels=in_channels)
        return make_op(name, channels, stride=stride, in_channels=in_channels, family=self.ops)


@dataclass(frozen=True)
class CellShape:
    """Where a cell stands in its network.

    Args:
        channels: ``C``.
        previous: ``P``, channels of the previous cell's output.
        older: ``Q``, channels of the older input.
        stride: 1, or 2 for the operations that read the cell's inputs.
        halve_older: The older input is twice as large as the previous cell's output.
        first: There is no older input; the previous one is read twice.
    """

    channels: int
    previous: int
    older: int
    stride: int = 1
    halve_older: bool = False
    first: bool = False


class CellModule(nn.Module):
    """A cell: ``(B, P, H, W), (B, Q, H or 2H, W or 2W) -> (B, O * C, H/stride, W/stride)``.

    Args:
        cell: With either numbering of its inputs.
        shape: Where it stands.
        style: Its family's habits.
        drop_path: Drop probability of its paths at the start.
        drop_scale: Factor of the probability that :func:`set_drop_path` sets here.
    """

    def __init__(
        self,
        cell: Cell,
        shape: CellShape,
        style: CellStyle,
        *,
        drop_path: float = 0.0,
        drop_scale: float = 1.0,
    ) -> None:
        super().__init__()
        cell = cell.renumbered(0)  # from here on state 0 is k-1 and state 1 is k-2
        self.project_previous = _project_previous(shape, style)
        self.project_older = _project_older(shape, style)
        unprojected = isinstance(self.project_older, nn.Identity)
        channels = [shape.channels, shape.older if unprojected else shape.channels]
        nodes = [_without_none(node) for node in cell.nodes]
        live = _live_states(nodes, cell.output)
        self.nodes = nn.ModuleDict()
        for state, node in enumerate(nodes, start=NUM_INPUTS):
            concat = node.combine == "concat"
            channels.append(shape.channels * (len(node.edges) if concat else 1))
            if state in live:
                self.nodes[str(state)] = _NodeModule(
                    node, channels, shape, style, drop_path=drop_path, drop_scale=drop_scale
                )
        self.output = cell.output
        halved = range(NUM_INPUTS if shape.stride > 1 else 0)
        self.outputs = nn.ModuleList(
            _bring_out(channels[state], shape, style, halve=state in halved)
            for state in cell.output
        )
        self.out_channels = shape.channels * len(cell.output)

    def forward(self, previous: torch.Tensor, older: torch.Tensor) -> torch.Tensor:
        states = {0: self.project_previous(previous), 1: self.project_older(older)}
        for state, node in self.nodes.items():
            states[int(state)] = node(states)
        return torch.cat(
            [bring(states[s]) for s, bring in zip(self.output, self.outputs, strict=True)], dim=1
        )


class _NodeModule(nn.Module):
    """Operations on earlier states, added or concatenated; each followed by drop path."""

    def __init__(
        self,
        node: Node,
        channels: list[int],
        shape: CellShape,
        style: CellStyle,
        *,
        drop_path: float,
        drop_scale: float,
    ) -> None:
        super().__init__()
        self.inputs = [edge.input for edge in node.edges]
        self.concat = node.combine == "concat"
        self.edges = nn.ModuleList()
        self.drops = nn.ModuleList()
        for edge in node.edges:
            stride = shape.stride if edge.input < NUM_INPUTS else 1
            op = style.make(
                edge.op, shape.channels, stride=stride, in_channels=channels[edge.input]
            )
            self.edges.append(op)
            keep = _is_exempt(edge.op, op, style)
            drop = nn.Identity() if keep else DropPath(drop_path * drop_scale, scale=drop_scale)
            self.drops.append(drop)

    def forward(self, states: dict[int, torch.Tensor]) -> torch.Tensor:
        terms = [
            drop(op(states[state]))
            for state, op, drop in zip(self.inputs, self.edges, self.drops, strict=True)
        ]
        return torch.cat(terms, dim=1) if self.concat else sum(terms[1:], start=terms[0])


def _project_previous(shape: CellShape, style: CellStyle) -> nn.Module:
    project = ReLUConvBN(shape.previous, shape.channels, 1)
    if not style.project_twice:
        return project
    again = ReLUConvBN(shape.channels, shape.channels, 1)
    return again if shape.previous == shape.channels else nn.Sequential(project, again)


def _project_older(shape: CellShape, style: CellStyle) -> nn.Module:
    if shape.halve_older:
        return FactorizedReduction(shape.older, shape.channels, padded=style.pad_reduction)
    if shape.first and not style.project_first:
        return nn.Identity()
    if style.project_always or shape.older != shape.channels:
        return ReLUConvBN(shape.older, shape.channels, 1)
    return nn.Identity()


def _bring_out(channels: int, shape: CellShape, style: CellStyle, *, halve: bool) -> nn.Module:
    """Bring a state to the output's shape, without a ReLU, as NASNet's and ENAS's releases do."""
    if halve:
        return FactorizedReduction(channels, shape.channels, act=False, padded=style.pad_reduction)
    if channels != shape.channels:
        return ReLUConvBN(channels, shape.channels, 1, act=False)
    return nn.Identity()


def _is_exempt(name: str, op: nn.Module, style: CellStyle) -> bool:
    if style.drop_strided_identity:
        return isinstance(op, nn.Identity)
    return name in IDENTITIES


def _without_none(node: Node) -> Node:
    """Leave out what adds zero; a sum of nothing is one ``none``."""
    if node.combine != "add" and node.edges:
        return node
    edges = tuple(edge for edge in node.edges if edge.op != "none")
    return Node(edges or (Edge(0, "none"),))


def _live_states(nodes: list[Node], output: tuple[int, ...]) -> set[int]:
    live = set(output)
    for state in range(len(nodes) + 1, NUM_INPUTS - 1, -1):
        if state in live:
            live |= {edge.input for edge in nodes[state - NUM_INPUTS].edges}
    return live
