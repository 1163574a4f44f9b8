"""The plain value that every picture is made from: labelled nodes, labelled edges, panels.

Spaces describe an architecture as a :class:`Graph`; this package lays it out and writes it as SVG,
PNG or a plotly figure. A graph knows nothing of networks, so anything with parts and arrows can
be drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

from optuna_nas._ground.checks import require_choice

__all__ = ["Edge", "Graph", "Node"]

NODE_KINDS = ("input", "state", "op", "merge", "output")


@dataclass(frozen=True)
class Node:
    """One box of a picture.

    Args:
        key: Unique within the graph; edges name it.
        label: Text in the box; ``"\\n"`` breaks lines.
        kind: ``"input"``, ``"state"`` (a hidden state: a small round node, as in DARTS and
            NAS-Bench-201 figures), ``"op"`` (an operation or layer), ``"merge"`` (add or concat)
            or ``"output"``. It chooses shape and colour only.
        panel: Nodes of one panel are laid out together; panels stand side by side, in the order
            of their first node, under their name (``"normal cell"``, ``"reduction cell"``).
        marked: Drawn with a bold border of its own colour (what a mutation has changed).

    Raises:
        ValueError: If ``kind`` is unknown.
    """

    key: str
    label: str
    kind: str = "op"
    panel: str = ""
    marked: bool = False

    def __post_init__(self) -> None:
        require_choice("kind", self.kind, NODE_KINDS)


@dataclass(frozen=True)
class Edge:
    """One arrow of a picture.

    Args:
        source: Key of the node where it starts.
        target: Key of the node where it ends.
        label: Written on the arrow, for spaces whose operations stand on edges.
        color_key: Arrows and boxes with the same key get the same colour; default is the label
            of an edge, or of an ``op`` node. Empty: neutral.
        marked: Drawn bold and in a colour of its own.
    """

    source: str
    target: str
    label: str = ""
    color_key: str = ""
    marked: bool = False


@dataclass(frozen=True)
class Graph:
    """A directed acyclic graph to be drawn from left to right.

    Args:
        nodes: All nodes, sources first.
        edges: Arrows between nodes of the same panel. Several arrows between the same two nodes
            are allowed.
        title: Written above the picture.

    Raises:
        ValueError: If two nodes share a key, an edge names an unknown node, an edge crosses
            panels, or the edges contain a cycle.

    Example::

        from optuna_nas.drawing import Edge, Graph, Node, save_picture

        graph = Graph(
            nodes=(Node("x", "input", "input"), Node("y", "3x3 conv"), Node("z", "out", "output")),
            edges=(Edge("x", "y"), Edge("y", "z"), Edge("x", "z")),
        )
        save_picture(graph, "block.svg")
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    title: str = ""

    def __post_init__(self) -> None:
        panel_of: dict[str, str] = {}
        for node in self.nodes:
            if node.key in panel_of:
                raise ValueError(f"Two nodes of the graph have the key {node.key!r}.")
            panel_of[node.key] = node.panel
        for edge in self.edges:
            for end in (edge.source, edge.target):
                if end not in panel_of:
                    raise ValueError(f"The edge {edge} names the node {end!r}, which is missing.")
            if panel_of[edge.source] != panel_of[edge.target]:
                raise ValueError(f"The edge {edge} crosses from one panel to another.")
        _check_acyclic(self)


def _check_acyclic(graph: Graph) -> None:
    waiting = {node.key: 0 for node in graph.nodes}
    targets: dict[str, list[str]] = {node.key: [] for node in graph.nodes}
    for edge in graph.edges:
        waiting[edge.target] += 1
        targets[edge.source].append(edge.target)
    ready = [key for key, count in waiting.items() if count == 0]
    done = 0
    while ready:
        done += 1
        for target in targets[ready.pop()]:
            waiting[target] -= 1
            if waiting[target] == 0:
                ready.append(target)
    if done != len(graph.nodes):
        raise ValueError("The edges of the graph contain a cycle.")
