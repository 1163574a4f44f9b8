"""Parent and child side by side, with the mutated decision marked."""

from __future__ import annotations

from drawing_graphs import nasbench201

from optuna_nas.drawing import Edge, Graph, Node, compare, layout, to_plotly, to_svg
from optuna_nas.drawing._palette import MARK


def _cell(op: str, panel: str = "") -> Graph:
    nodes = (Node(f"{panel}x", "x", "input", panel), Node(f"{panel}y", "y", "output", panel))
    return Graph(nodes, (Edge(f"{panel}x", f"{panel}y", op),))


def test_a_changed_operation_is_marked_on_both_sides() -> None:
    graph = compare(_cell("conv"), _cell("pool"))
    assert [edge.marked for edge in graph.edges] == [True, True]
    assert not any(node.marked for node in graph.nodes)
    assert [node.panel for node in graph.nodes] == ["parent", "parent", "child", "child"]
    assert to_svg(graph).count(MARK) >= 4
    assert sum(arrow.marked for arrow in layout(graph).arrows) == 2


def test_a_new_node_and_a_new_label_are_marked() -> None:
    before = Graph((Node("x", "in", "input"), Node("a", "3x3"), Node("z", "out", "output")), ())
    after = Graph((*before.nodes[:1], Node("a", "5x5"), Node("b", "7x7"), before.nodes[2]), ())
    graph = compare(before, after, titles=("before", "after"))
    marked = {node.key for node in graph.nodes if node.marked}
    assert marked == {"0/a", "1/a", "1/b"}
    boxes = [box for box in layout(graph).boxes if box.marked]
    assert {box.label for box in boxes} == {"3x3", "5x5", "7x7"}
    borders = [trace.line.color for trace in to_plotly(graph).data if trace.fill == "toself"]
    assert borders.count(MARK) == 3


def test_equal_panels_are_left_out_unless_all_are_equal() -> None:
    def both(op: str) -> Graph:
        first, second = _cell("conv", "normal"), _cell(op, "reduce")
        return Graph(first.nodes + second.nodes, first.edges + second.edges)

    changed = compare(both("conv"), both("pool"))
    assert {node.panel for node in changed.nodes} == {"parent: reduce", "child: reduce"}
    same = compare(both("conv"), both("conv"))
    assert len({node.panel for node in same.nodes}) == 4
    assert not any(edge.marked for edge in same.edges)


def test_nothing_is_marked_by_itself() -> None:
    assert MARK not in to_svg(nasbench201())
