"""Cells as plain values: what a builder needs to know, and what a space decides.

References:
    - Zoph et al. Learning Transferable Architectures for Scalable Image Recognition. CVPR 2018.
      arXiv:1707.07012.
    - Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019. arXiv:1806.09055.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Cell", "Edge", "Node"]

COMBINERS = ("add", "concat")


@dataclass(frozen=True)
class Edge:
    """An operation applied to a state.

    Args:
        input: Number of the state that is read.
        op: Name of the operation.
    """

    input: int
    op: str


@dataclass(frozen=True)
class Node:
    """A state computed from earlier ones: its edges' results, added or concatenated.

    Args:
        edges: The operations and their inputs.
        combine: ``"add"`` or ``"concat"``.

    Raises:
        ValueError: If ``combine`` is something else.
    """

    edges: tuple[Edge, ...]
    combine: str = "add"

    def __post_init__(self) -> None:
        if self.combine not in COMBINERS:
            raise ValueError(
                f"`combine` must be one of {COMBINERS}, but got combine={self.combine!r}."
            )


@dataclass(frozen=True)
class Cell:
    """A directed acyclic graph of states. States 0 and 1 are the cell's inputs.

    Papers number the two inputs differently, which ``previous`` decides: in the NASNet family
    (NASNet, AmoebaNet, PNAS) state 0 is the output of the previous cell, k-1, and state 1 that of
    the cell before, k-2; in DARTS and ENAS it is the other way round.

    Args:
        nodes: States 2, 3, ...
        output: The states whose channels are concatenated into the cell's output. Always
            explicit: the released lists of NASNet-A and AmoebaNet-A are not the loose ends.
        previous: The one of the states 0 and 1 that is the output of the previous cell (k-1).

    Raises:
        ValueError: If a node reads itself or a later state, ``output`` names a state that does
            not exist or none at all, or ``previous`` is neither 0 nor 1.
    """

    nodes: tuple[Node, ...]
    output: tuple[int, ...]
    previous: int

    def __post_init__(self) -> None:
        if self.previous not in (0, 1):
            raise ValueError(f"`previous` must be 0 or 1, but got previous={self.previous}.")
        for state, node in enumerate(self.nodes, start=2):
            for edge in node.edges:
                if not 0 <= edge.input < state:
                    raise ValueError(
                        f"State {state} must read states in [0, {state - 1}], but reads "
                        f"{edge.input}."
                    )
        last = len(self.nodes) + 1
        if not self.output or not all(0 <= state <= last for state in self.output):
            raise ValueError(
                f"`output` must name states in [0, {last}], at least one, but got {self.output}."
            )

    @property
    def loose_ends(self) -> tuple[int, ...]:
        """The computed states that no node reads."""
        return tuple(state for state in self.unread if state >= 2)

    @property
    def unread(self) -> tuple[int, ...]:
        """The states that no node reads, the cell's inputs among them."""
        read = {edge.input for node in self.nodes for edge in node.edges}
        return tuple(state for state in range(len(self.nodes) + 2) if state not in read)

    def renumbered(self, previous: int) -> Cell:
        """The same cell with the other numbering of its inputs, where ``previous`` differs."""
        if previous == self.previous:
            return self
        swap = {0: 1, 1: 0}
        nodes = tuple(
            Node(
                tuple(Edge(swap.get(edge.input, edge.input), edge.op) for edge in node.edges),
                node.combine,
            )
            for node in self.nodes
        )
        output = tuple(swap.get(state, state) for state in self.output)
        return Cell(nodes, output, previous)
