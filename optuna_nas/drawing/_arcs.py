"""Chains: an arc diagram where arrows skip layers, rows of boxes where none does.

The nodes stand in one line, in their order in the graph. An arrow to the next node is straight;
every other one is an arc, on one side of the line for the nodes of even place and on the other
for those of odd place, so that all arcs of one node are seen together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from optuna_nas.drawing._curves import arch
from optuna_nas.drawing._graph import Edge, Node
from optuna_nas.drawing._ranks import longest_path_ranks
from optuna_nas.drawing._shapes import HEAD, Arrow, Box, Panel, Point
from optuna_nas.drawing._sizes import box_size
from optuna_nas.drawing._text import fold

__all__ = ["arc_panel", "is_arc_diagram", "is_plain_chain", "row_panel"]

_LONG = 10  # a line of more layers than this is drawn as a chain
_GAP = 7.0 + HEAD  # between two boxes of a line
_PADDING = 6.0  # left and right of their labels
_ROW_GAP_X = 14.0 + HEAD  # between two boxes of a row
_ROW_GAP_Y = 24.0
_LOW = 16.0  # height of the arc over one box
_PER_STEP = 11.0  # what every further box adds to it, where there is room
_HIGHEST = 150.0
_PORT = 5.0  # distance between two arcs at a box, where there is room


def is_plain_chain(nodes: Sequence[Node], edges: Sequence[Edge]) -> bool:
    """Whether the panel is one line of boxes without labels on its arrows."""
    steps = [(first.key, second.key) for first, second in zip(nodes, nodes[1:], strict=False)]
    drawn = [(edge.source, edge.target) for edge in edges]
    return sorted(drawn) == sorted(steps) and not any(edge.label for edge in edges)


def is_arc_diagram(nodes: Sequence[Node], edges: Sequence[Edge]) -> bool:
    """Whether the panel is nearly one line, with arrows that skip, and best drawn as such."""
    place = {node.key: i for i, node in enumerate(nodes)}
    if any(edge.label or place[edge.source] >= place[edge.target] for edge in edges):
        return False
    layers = max(longest_path_ranks(nodes, edges).values()) + 1
    one_line = layers == len(nodes) <= len(edges)
    long_line = layers > _LONG and len(nodes) < 1.3 * layers
    dense = len(nodes) > 6 and len(edges) > 2 * len(nodes)
    return one_line or long_line or dense


def row_panel(nodes: Sequence[Node], edges: Sequence[Edge], *, width: float) -> Panel:
    """Draws a chain in rows, to the right and back to the left in turn, like a furrow."""
    sizes = [box_size(node.label, node.kind) for node in nodes]
    step_x = max(size[0] for size in sizes) + _ROW_GAP_X
    step_y = max(size[1] for size in sizes) + _ROW_GAP_Y
    rows = math.ceil(len(nodes) / max(1, math.floor((width + _ROW_GAP_X) / step_x)))
    columns = math.ceil(len(nodes) / rows)
    boxes = []
    for i, (node, size) in enumerate(zip(nodes, sizes, strict=True)):
        row, column = divmod(i, columns)
        x = step_x * (columns - 1 - column if row % 2 else column)
        box_width = size[0] if node.kind == "state" else step_x - _ROW_GAP_X
        at = (x, step_y * row)
        boxes.append(Box(node.key, node.label, node.kind, *at, box_width, size[1], node.marked))
    place = {node.key: i for i, node in enumerate(nodes)}
    arrows = [
        _straight(edge, boxes[place[edge.source]], boxes[place[edge.target]]) for edge in edges
    ]
    return Panel.around(boxes, arrows)


def arc_panel(nodes: Sequence[Node], edges: Sequence[Edge], *, down: bool, width: float) -> Panel:
    """Draws the nodes in one line from left to right, or from top to bottom if ``down``.

    Labels of a line that would be longer than ``width`` are folded.
    """
    boxes = _line(nodes, down, width)
    place = {node.key: i for i, node in enumerate(nodes)}
    straight: dict[int, Edge] = {}
    arcs = []
    for edge in edges:
        start = place[edge.source]
        if place[edge.target] == start + 1 and start not in straight:
            straight[start] = edge
        else:
            arcs.append((start, place[edge.target], edge))
    arrows = [_straight(edge, boxes[i], boxes[i + 1]) for i, edge in straight.items()]
    return Panel.around(boxes, arrows + _arcs(boxes, arcs, down))


def _line(nodes: Sequence[Node], down: bool, width: float) -> list[Box]:
    labels = [node.label for node in nodes]
    sizes = _sizes(nodes, labels, down)
    if not down and sum(size[0] for size in sizes) + _GAP * (len(nodes) - 1) > width:
        labels = [fold(label) for label in labels]
        sizes = _sizes(nodes, labels, down)
    boxes = []
    at = 0.0
    for node, label, size in zip(nodes, labels, sizes, strict=True):
        along = size[1] if down else size[0]
        x, y = (0.0, at + along / 2) if down else (at + along / 2, 0.0)
        boxes.append(Box(node.key, label, node.kind, x, y, *size, node.marked))
        at += along + _GAP
    return boxes


def _sizes(nodes: Sequence[Node], labels: list[str], down: bool) -> list[tuple[float, float]]:
    """Sizes of the boxes of a line: all as thick as the thickest."""
    pairs = list(zip(nodes, labels, strict=True))
    sizes = [box_size(label, node.kind, _PADDING) for node, label in pairs]
    widest, highest = (max(size[axis] for size in sizes) for axis in (0, 1))
    for i, node in enumerate(nodes):
        if node.kind != "state":
            sizes[i] = (widest, sizes[i][1]) if down else (sizes[i][0], highest)
    return sizes


def _straight(edge: Edge, source: Box, target: Box) -> Arrow:
    if source.y == target.y:
        way = 1.0 if target.x > source.x else -1.0
        tip = target.x - way * target.width / 2
        start = source.x + way * source.width / 2
        points = ((start, source.y), (tip - way * HEAD, source.y), (tip, source.y))
    else:
        tip = target.y - target.height / 2
        start = source.y + source.height / 2
        points = ((source.x, start), (source.x, tip - HEAD), (source.x, tip))
    return Arrow(edge.source, edge.target, edge.label, edge.color_key, points, marked=edge.marked)


def _arcs(boxes: list[Box], arcs: list[tuple[int, int, Edge]], down: bool) -> list[Arrow]:
    longest = max((end - start for start, end, _ in arcs), default=1)
    per_step = min(_PER_STEP, (_HIGHEST - _LOW) / longest)
    arrows = []
    for side in (-1, 1):
        mine = [arc for arc in arcs if (-1 if arc[0] % 2 == 0 else 1) == side]
        ports = _ports(boxes, mine, down)
        for number, (start, end, edge) in enumerate(mine):
            height = _LOW + per_step * (end - start - 1)
            points = _arc(boxes[start], boxes[end], ports[number], side * height, down)
            arrow = Arrow(edge.source, edge.target, "", edge.color_key, points, marked=edge.marked)
            arrows.append(arrow)
    return arrows


def _ports(
    boxes: list[Box], arcs: list[tuple[int, int, Edge]], down: bool
) -> list[tuple[float, float]]:
    """Where on its two boxes each arc ends, from their centres along the line.

    At every box the arcs that come in stand before those that go out, and longer arcs further
    inside, so that arcs of one box do not cross.
    """
    at_box: dict[int, list[tuple[int, int, int, int]]] = {}
    for number, (start, end, _) in enumerate(arcs):
        at_box.setdefault(end, []).append((0, -start, number, 1))
        at_box.setdefault(start, []).append((1, -end, number, 0))
    ports = [[0.0, 0.0] for _ in arcs]
    for index, ends in at_box.items():
        box = boxes[index]
        room = (box.height if down else box.width) - 2 * min(box.radius, 4.0)
        distance = min(_PORT, room / max(1, len(ends) - 1))
        for i, (_, _, number, which) in enumerate(sorted(ends)):
            ports[number][which] = (i - (len(ends) - 1) / 2) * distance
    return [(first, second) for first, second in ports]


def _arc(
    source: Box, target: Box, ports: tuple[float, float], height: float, down: bool
) -> tuple[Point, ...]:
    side = 1.0 if height > 0 else -1.0
    ends = []
    for box, port in zip((source, target), ports, strict=True):
        reach = box.reach_x(port) if down else box.reach_y(port)
        ends.append(((box.y if down else box.x) + port, side * reach))
    (start, start_v), (end, end_v) = ends
    top = max(abs(start_v), abs(end_v)) + abs(height)
    neck = side * (max(abs(start_v), abs(end_v)) + HEAD)
    points = [(start, start_v), *arch((start, neck), (end, neck), side * top - neck)]
    points += [(end, end_v + side * HEAD), (end, end_v)]
    return tuple((v, u) if down else (u, v) for u, v in dict.fromkeys(points))
