"""The laws of a layout: nothing overlaps, nothing is cut off, every arrow meets its boxes."""

from __future__ import annotations

import itertools
import math

import pytest
from drawing_graphs import TYPICAL, nas_rl, nasbench201, nasnet, parallel
from hypothesis import given, settings
from hypothesis import strategies as st

from optuna_nas.drawing import Edge, Graph, Layout, Node, layout
from optuna_nas.drawing._shapes import Box, Point
from optuna_nas.drawing._sizes import label_size
from optuna_nas.drawing._text import BODY, text_size

LABELS = ("", "conv", "sep_conv_3x3", "a\nb", "none")
KINDS = ("input", "state", "op", "merge", "output")
NEAR = 1e-6
MARGIN = 10  # nothing comes nearer to the edge of the canvas


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Random directed acyclic graphs of up to two panels, declared in any order."""
    nodes: list[Node] = []
    edges: list[Edge] = []
    on_edges = draw(st.sampled_from(((" ",), LABELS)))
    for panel in draw(st.sampled_from((("",), ("normal cell", "reduction cell")))):
        size = draw(st.integers(1, 14))
        keys = [f"{panel}{i}" for i in range(size)]
        made = [
            Node(key, draw(st.sampled_from(LABELS)), draw(st.sampled_from(KINDS)), panel)
            for key in keys
        ]
        nodes += draw(st.permutations(made))
        pairs = list(itertools.combinations(keys, 2))
        chosen = draw(st.lists(st.sampled_from(pairs), max_size=30)) if pairs else []
        edges += [Edge(*pair, draw(st.sampled_from(on_edges)).strip()) for pair in chosen]
    return Graph(tuple(nodes), tuple(edges), draw(st.sampled_from(("", "a title"))))


@settings(max_examples=80, deadline=None)
@given(graphs())
def test_random_graphs_obey_the_laws(graph: Graph) -> None:
    picture = layout(graph)
    check_complete(graph, picture)
    check_nothing_overlaps(picture)
    check_arrows_meet_their_boxes(picture)
    check_inside_the_canvas(picture)
    assert layout(graph) == picture


@pytest.mark.parametrize("name", TYPICAL)
def test_typical_graphs_obey_the_laws(name: str) -> None:
    picture = layout(TYPICAL[name])
    check_complete(TYPICAL[name], picture)
    check_nothing_overlaps(picture)
    check_arrows_meet_their_boxes(picture)
    check_inside_the_canvas(picture)


@pytest.mark.parametrize("name", TYPICAL)
def test_typical_graphs_fit_the_width_of_a_page(name: str) -> None:
    assert layout(TYPICAL[name]).width <= 1000


def test_labels_fit_in_their_boxes() -> None:
    for graph in TYPICAL.values():
        for box in layout(graph).boxes:
            width, height = text_size(box.label, BODY)
            assert width < box.width
            assert height < box.height


def test_panels_stand_side_by_side_where_there_is_room() -> None:
    picture = layout(nasnet(((0, 1), (0, 1)), ((0, 1), (1, 0))))
    names = {heading.text: heading for heading in picture.headings}
    assert names["normal cell"].y == names["reduction cell"].y
    assert names["normal cell"].x < names["reduction cell"].x


def test_panels_stand_below_each_other_where_there_is_none() -> None:
    names = {heading.text: heading for heading in layout(TYPICAL["darts"]).headings}
    assert names["normal cell"].x == pytest.approx(names["reduction cell"].x)
    assert names["normal cell"].y < names["reduction cell"].y


def test_deep_cells_run_downwards() -> None:
    boxes = {box.key: box for box in layout(TYPICAL["deep"]).boxes}
    assert boxes["n0"].y < boxes["nadd0"].y < boxes["nadd4"].y < boxes["nout"].y


def test_layers_run_from_left_to_right() -> None:
    boxes = {box.key: box for box in layout(nasbench201()).boxes}
    assert boxes["0"].x < boxes["1"].x < boxes["2"].x < boxes["3"].x


def test_a_nasbench201_cell_has_no_crossing() -> None:
    lines = [arrow.line for arrow in layout(nasbench201()).arrows]
    for first, second in itertools.combinations(lines, 2):
        inner = (first[1:], second[1:])  # arrows of one node start together
        assert not any(
            _cross(a, b)
            for a in itertools.pairwise(inner[0])
            for b in itertools.pairwise(inner[1])
        )


def test_parallel_edges_are_spread() -> None:
    picture = layout(parallel())
    middles = {round(arrow.points[len(arrow.points) // 2][1]) for arrow in picture.arrows}
    assert len(middles) == len(parallel().edges)


def test_a_long_chain_is_drawn_in_rows() -> None:
    boxes = layout(nas_rl(40, plain=True)).boxes
    assert 3 <= len({box.y for box in boxes}) <= 6


def test_a_short_chain_of_wide_boxes_is_drawn_in_rows() -> None:
    nodes = tuple(Node(str(i), "MBConv6 5x5, squeeze and excitation") for i in range(8))
    edges = tuple(Edge(str(i), str(i + 1)) for i in range(7))
    picture = layout(Graph(nodes, edges))
    assert picture.width < 1000
    assert len({box.y for box in picture.boxes}) > 1


def test_skips_of_a_chain_are_arcs_on_both_sides_of_a_line() -> None:
    picture = layout(nas_rl(15))
    line = {box.y for box in picture.boxes}
    assert len(line) == 1
    heights = {round(min(y for _, y in a.points) - line.copy().pop()) for a in picture.arrows}
    depths = {round(max(y for _, y in a.points) - line.copy().pop()) for a in picture.arrows}
    assert min(heights) < -100
    assert max(depths) > 100


def test_labels_are_folded_only_where_the_line_is_too_long() -> None:
    assert "7x7\n24" in {box.label for box in layout(nas_rl(15)).boxes}
    assert "7x7, 24" in {box.label for box in layout(nas_rl(6, every=2)).boxes}


def test_a_graph_without_nodes_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"`graph` must have at least one node"):
        layout(Graph((), ()))


def check_complete(graph: Graph, picture: Layout) -> None:
    assert sorted(box.key for box in picture.boxes) == sorted(node.key for node in graph.nodes)
    drawn = sorted((arrow.source, arrow.target, arrow.label) for arrow in picture.arrows)
    assert drawn == sorted((edge.source, edge.target, edge.label) for edge in graph.edges)
    for arrow in picture.arrows:
        assert (arrow.label_at is not None) == bool(arrow.label)


def check_nothing_overlaps(picture: Layout) -> None:
    """No box or label lies on another, and no line runs through a box."""
    frames = [_frame((box.x, box.y), (box.width, box.height)) for box in picture.boxes]
    frames += [
        _frame(arrow.label_at, label_size(arrow.label))
        for arrow in picture.arrows
        if arrow.label_at is not None
    ]
    for first, second in itertools.combinations(frames, 2):
        assert not _overlap(first, second)
    for arrow in picture.arrows:
        for box in picture.boxes:
            frame = _frame((box.x, box.y), (box.width, box.height))
            if box.key not in (arrow.source, arrow.target):
                assert not any(_inside(point, frame) for point in _dense(arrow.points))


def check_arrows_meet_their_boxes(picture: Layout) -> None:
    boxes = {box.key: box for box in picture.boxes}
    for arrow in picture.arrows:
        assert _on_border(arrow.points[0], boxes[arrow.source])
        assert _on_border(arrow.points[-1], boxes[arrow.target])


def check_inside_the_canvas(picture: Layout) -> None:
    canvas = (0.0, 0.0, picture.width, picture.height)
    points = [point for box in picture.boxes for point in box.outline()]
    points += [point for arrow in picture.arrows for point in (*arrow.points, *arrow.head)]
    points += [(heading.x, heading.y) for heading in picture.headings]
    for arrow in picture.arrows:
        if arrow.label_at is not None:
            frame = _frame(arrow.label_at, label_size(arrow.label))
            points += [frame[:2], frame[2:]]
    assert all(_inside(point, canvas) for point in points)
    assert all(x > MARGIN and y > MARGIN for x, y in points)


Frame = tuple[float, float, float, float]  # left, top, right, bottom


def _frame(centre: Point, size: tuple[float, float]) -> Frame:
    (x, y), (width, height) = centre, size
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _overlap(a: Frame, b: Frame) -> bool:
    return min(a[2], b[2]) - max(a[0], b[0]) > NEAR and min(a[3], b[3]) - max(a[1], b[1]) > NEAR


def _inside(point: Point, frame: Frame) -> bool:
    x, y = point
    return frame[0] + NEAR < x < frame[2] - NEAR and frame[1] + NEAR < y < frame[3] - NEAR


def _dense(points: tuple[Point, ...]) -> list[Point]:
    """Points at most two pixels apart on a polyline."""
    result = []
    for (x, y), (next_x, next_y) in itertools.pairwise(points):
        steps = max(1, math.ceil(math.hypot(next_x - x, next_y - y) / 2))
        result += [
            (x + (next_x - x) * i / steps, y + (next_y - y) * i / steps) for i in range(steps)
        ]
    return result


def _on_border(point: Point, box: Box) -> bool:
    """Within a tenth of a pixel of the outline, which has polygons for corners."""
    outline = box.outline(steps=60)
    ring = itertools.pairwise((*outline, outline[0]))
    return min(_distance(point, start, end) for start, end in ring) < 0.1


def _distance(point: Point, start: Point, end: Point) -> float:
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = dx * dx + dy * dy
    along = ((point[0] - start[0]) * dx + (point[1] - start[1]) * dy) / length if length else 0.0
    t = min(1.0, max(0.0, along))
    return math.hypot(point[0] - start[0] - t * dx, point[1] - start[1] - t * dy)


def _cross(first: tuple[Point, Point], second: tuple[Point, Point]) -> bool:
    def side(a: Point, b: Point, c: Point) -> float:
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    (a, b), (c, d) = first, second
    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
