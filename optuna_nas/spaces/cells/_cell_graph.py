"""Pictures of cells: states as round nodes, operations on the arrows between them."""

from __future__ import annotations

from collections.abc import Mapping

from optuna_nas._ground.genotype import Cell
from optuna_nas.drawing import Edge, Graph, Node

__all__ = ["cell_graph"]

NUM_INPUTS = 2


def cell_graph(cells: Mapping[str, Cell], title: str) -> Graph:
    """Draw cells side by side.

    Args:
        cells: By the name of their panel.
        title: Written above the picture.
    """
    nodes: list[Node] = []
    edges: list[Edge] = []
    for panel, cell in cells.items():
        nodes += _nodes(panel, cell)
        edges += _edges(panel, cell)
    return Graph(tuple(nodes), tuple(edges), title=title)


def _nodes(panel: str, cell: Cell) -> list[Node]:
    """An input that nothing reads is left out."""
    read = {edge.input for node in cell.nodes for edge in node.edges} | set(cell.output)
    # The older input first, above the newer one.
    inputs = [(1 - cell.previous, "k-2"), (cell.previous, "k-1")]
    nodes = [
        Node(_key(panel, state), f"cell {role}", "input", panel)
        for state, role in inputs
        if state in read
    ]
    for state, node in enumerate(cell.nodes, start=NUM_INPUTS):
        label = str(state) if node.combine == "add" else f"{state} {node.combine}"
        nodes.append(Node(_key(panel, state), label, "state", panel))
    return [*nodes, Node(_key(panel, "output"), "output", "output", panel)]


def _edges(panel: str, cell: Cell) -> list[Edge]:
    edges = [
        Edge(_key(panel, edge.input), _key(panel, state), edge.op, edge.op)
        for state, node in enumerate(cell.nodes, start=NUM_INPUTS)
        for edge in node.edges
    ]
    ends = [Edge(_key(panel, state), _key(panel, "output")) for state in cell.output]
    return edges + ends


def _key(panel: str, state: int | str) -> str:
    return f"{panel}/{state}"
