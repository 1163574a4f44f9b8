"""Two graphs side by side, with what changed from one to the other marked."""

from __future__ import annotations

from dataclasses import replace

from optuna_nas.drawing._graph import Graph, Node

__all__ = ["compare"]

NodeIdentity = tuple[str, str, str]


def compare(
    before: Graph, after: Graph, *, titles: tuple[str, str] = ("parent", "child")
) -> Graph:
    """Put two graphs side by side and mark where they differ.

    Nodes are matched by their key: a node is marked if the other graph has none of that key, or
    one with another label; an arrow, if the other graph has no arrow between the same nodes with
    the same label. Panels that are equal in both graphs are left out, unless all are.

    Args:
        before: The first graph, such as a parent in evolution.
        after: The second graph, such as its mutated child.
        titles: Names of the two.

    Returns:
        A graph to be drawn as any other.

    Example::

        from optuna_nas.drawing import compare, save_picture

        save_picture(compare(parent.graph(), child.graph()), "mutation.svg")
    """
    equal = _equal_panels(before, after)
    sides = [
        _side(graph, other, number, title, equal)
        for number, (graph, other, title) in enumerate(
            ((before, after, titles[0]), (after, before, titles[1]))
        )
    ]
    return Graph(
        tuple(node for side in sides for node in side.nodes),
        tuple(edge for side in sides for edge in side.edges),
        before.title if before.title == after.title else f"{before.title} / {after.title}",
    )


def _side(graph: Graph, other: Graph, number: int, title: str, equal: set[str]) -> Graph:
    theirs = {_identity(node) for node in other.nodes}
    arrows = {(edge.source, edge.target, edge.label) for edge in other.edges}
    shown = {node.key for node in graph.nodes if node.panel not in equal}
    nodes = tuple(
        replace(
            node,
            key=f"{number}/{node.key}",
            panel=f"{title}: {node.panel}" if node.panel else title,
            marked=_identity(node) not in theirs,
        )
        for node in graph.nodes
        if node.key in shown
    )
    edges = tuple(
        replace(
            edge,
            source=f"{number}/{edge.source}",
            target=f"{number}/{edge.target}",
            marked=(edge.source, edge.target, edge.label) not in arrows,
        )
        for edge in graph.edges
        if edge.source in shown
    )
    return Graph(nodes, edges)


def _identity(node: Node) -> NodeIdentity:
    return node.key, node.label, node.panel


def _equal_panels(before: Graph, after: Graph) -> set[str]:
    """Panels without a difference; none if there is no difference anywhere."""
    panels = {node.panel for graph in (before, after) for node in graph.nodes}
    equal = {p for p in panels if _content(before, p) == _content(after, p)}
    return set() if equal == panels else equal


def _content(graph: Graph, panel: str) -> tuple[set[NodeIdentity], set[tuple[str, str, str]]]:
    nodes = {_identity(node) for node in graph.nodes if node.panel == panel}
    keys = {key for key, _, _ in nodes}
    edges = {(e.source, e.target, e.label) for e in graph.edges if e.source in keys}
    return nodes, edges
