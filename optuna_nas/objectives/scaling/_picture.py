"""Picture of a scaled network: a chain of its stages, with the number of their parameters."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn

from optuna_nas.drawing import Edge, Graph, Node

if TYPE_CHECKING:
    from optuna_nas.scaling import ScalableNetwork

__all__ = ["picture_of"]

_STAGES = 12  # boxes that a reader still takes in; what comes after them shares the last one


def picture_of(network: ScalableNetwork, build: Mapping[str, int]) -> Graph:
    """Draw a network by its parts in the order of their definition.

    Args:
        network: Built without being allocated, so that a large one costs nothing.
        build: ``num_classes`` and ``in_channels``.
    """
    with torch.device("meta"):
        model = network.build(**build)
    stages = list(_stages(model))
    if len(stages) > _STAGES:
        stages, rest = stages[: _STAGES - 1], stages[_STAGES - 1 :]
        stages.append((f"{len(rest)} more parts", sum(params for _, params in rest)))
    pixels = network.resolution
    nodes = [Node("input", f"{build['in_channels']} x {pixels} x {pixels}", "input")]
    for number, (label, params) in enumerate(stages):
        size = f"\n{params:,} parameters" if params else ""
        nodes.append(Node(f"part_{number}", label + size))
    nodes.append(Node("output", f"{build['num_classes']} classes", "output"))
    edges = [Edge(a.key, b.key) for a, b in itertools.pairwise(nodes)]
    return Graph(tuple(nodes), tuple(edges), title=str(network))


def _stages(model: nn.Module) -> Iterator[tuple[str, int]]:
    """Label and parameters of each part; sequences of sequences are taken apart."""
    for name, part in model.named_children():
        if not isinstance(part, nn.Sequential | nn.ModuleList):
            yield f"{name}: {type(part).__name__}", _params(part)
        elif any(isinstance(child, nn.Sequential) for child in part):
            one = name.removesuffix("s")  # "stage 2" of what is called "stages"
            for number, child in enumerate(part, start=1):
                yield f"{one} {number}: {_alike(child)}", _params(child)
        else:
            yield f"{name}: {_alike(part)}", _params(part)


def _alike(sequence: nn.Module) -> str:
    """Write a sequence as its members, equal neighbours together: "2 x MBConv"."""
    members = list(sequence.children()) or [sequence]
    groups = itertools.groupby(type(member).__name__ for member in members)
    counted = [(name, len(list(group))) for name, group in groups]
    if len(counted) > 2:
        return f"{len(members)} layers"
    return ", ".join(name if count == 1 else f"{count} x {name}" for name, count in counted)


def _params(part: nn.Module) -> int:
    return sum(p.numel() for p in part.parameters() if p.requires_grad)
