"""The layered drawing of a panel: sources first, every arrow forwards, none through a box.

An arrow that passes a layer, and every label on an arrow, takes a slot of its own in that layer.
So nothing that has a slot can overlap, and between two layers there is nothing but arrows. Along
the picture the coordinate is called u, across it v; left-to-right and top-to-bottom drawings
differ in what u and v mean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from optuna_nas.drawing._across import place_across
from optuna_nas.drawing._curves import s_curve
from optuna_nas.drawing._graph import Edge, Node
from optuna_nas.drawing._ranks import longest_path_ranks, order_ranks
from optuna_nas.drawing._shapes import HEAD, Arrow, Box, Panel, Point
from optuna_nas.drawing._sizes import box_size, label_size

__all__ = ["layered_panel"]

_GAP_V = 11.0  # between two boxes of a layer
_LANE_V = 9.0  # between an arrow that passes and anything else
_GAP_U = 24.0  # between two layers
_GAP_U_LABELLED = 16.0  # the same where layers of labels stand between those of boxes
_MOST_U = 56.0
_STEEPNESS = 0.3  # how much of the longest way across becomes gap
_PORT = 8.0  # between two arrows that arrive at a box, where there is room
_CURVED = 0.4  # the share of a rounded corner where no arrow arrives


@dataclass
class _Slot:
    """A place in a layer: of a node, of a label, or of an arrow that passes."""

    rank: int
    size_u: float = 0.0
    size_v: float = 0.0
    node: Node | None = None
    is_label: bool = False
    u: float = 0.0
    v: float = 0.0


def layered_panel(nodes: Sequence[Node], edges: Sequence[Edge], *, down: bool) -> Panel:
    """Draws a panel from left to right, or from top to bottom if ``down``."""
    return _Layers(nodes, edges, down).panel()


class _Layers:
    def __init__(self, nodes: Sequence[Node], edges: Sequence[Edge], down: bool) -> None:
        self._down = down
        self._edges = edges
        ends = Counter((edge.source, edge.target) for edge in edges)
        self._spaced = any(edge.label for edge in edges) or any(n > 1 for n in ends.values())
        self._slots: list[_Slot] = []
        self._home: dict[str, int] = {}
        ranks = longest_path_ranks(nodes, edges)
        for node in nodes:
            size = box_size(node.label, node.kind)
            self._home[node.key] = len(self._slots)
            rank = ranks[node.key] * (2 if self._spaced else 1)
            self._slots.append(_Slot(rank, *self._turned(size), node=node))
        self._labels_in: Counter[int] = Counter()
        self._wires = [self._wire(edge) for edge in edges]
        self._links = [link for wire in self._wires for link in zip(wire, wire[1:], strict=False)]
        self._order = self._ordered()
        self._place_across()
        self._place_along()

    def panel(self) -> Panel:
        boxes = {slot.node.key: self._box(slot, slot.node) for slot in self._slots if slot.node}
        ports = self._ports(boxes)
        arrows = [
            self._arrow(edge, wire, boxes[edge.target], port)
            for edge, wire, port in zip(self._edges, self._wires, ports, strict=True)
        ]
        return Panel.around(list(boxes.values()), arrows)

    def _box(self, slot: _Slot, node: Node) -> Box:
        place = self._turned((slot.u, slot.v))
        size = self._turned((slot.size_u, slot.size_v))
        return Box(node.key, node.label, node.kind, *place, *size, node.marked)

    def _turned(self, pair: tuple[float, float]) -> tuple[float, float]:
        return (pair[1], pair[0]) if self._down else pair

    def _wire(self, edge: Edge) -> list[int]:
        """The slots of an arrow, from its source to its target."""
        start, end = self._home[edge.source], self._home[edge.target]
        inner = range(self._slots[start].rank + 1, self._slots[end].rank)
        label_rank = self._rank_for_label(edge, inner)
        wire = [start]
        for rank in inner:
            wire.append(len(self._slots))
            if rank == label_rank:
                size = self._turned(label_size(edge.label))
                self._slots.append(_Slot(rank, *size, is_label=True))
            else:
                self._slots.append(_Slot(rank))
        return [*wire, end]

    def _rank_for_label(self, edge: Edge, inner: range) -> int | None:
        """A layer without boxes, near the middle of the arrow and with few labels."""
        if not edge.label:
            return None
        middle = (inner[0] + inner[-1]) / 2
        odd = [rank for rank in inner if rank % 2 == 1]
        best = min(odd, key=lambda rank: (abs(rank - middle) + self._labels_in[rank], rank))
        self._labels_in[best] += 1
        return best

    def _ordered(self) -> list[list[int]]:
        last = max(slot.rank for slot in self._slots)
        ranks: list[list[int]] = [[] for _ in range(last + 1)]
        for index, slot in enumerate(self._slots):
            ranks[slot.rank].append(index)
        return order_ranks(ranks, self._links)

    def _place_across(self) -> None:
        inner = {index for index, slot in enumerate(self._slots) if slot.node is None}
        places = place_across(self._order, self._links, inner, self._apart)
        for index, v in places.items():
            self._slots[index].v = v

    def _apart(self, first: int, second: int) -> float:
        a, b = self._slots[first], self._slots[second]
        gap = _LANE_V if a.node is None or b.node is None else _GAP_V
        return (a.size_v + b.size_v) / 2 + gap

    def _place_along(self) -> None:
        u = 0.0
        for number, rank in enumerate(self._order):
            thickness = max((self._slots[index].size_u for index in rank), default=0.0)
            if number:
                u += self._gap_before(number)
            for index in rank:
                self._slots[index].u = u + thickness / 2
            u += thickness

    def _gap_before(self, rank: int) -> float:
        way = max(
            (
                abs(self._slots[first].v - self._slots[second].v)
                for first, second in self._links
                if self._slots[second].rank == rank
            ),
            default=0.0,
        )
        least = _GAP_U_LABELLED if self._spaced else _GAP_U
        return min(max(least + HEAD, way * _STEEPNESS), _MOST_U)

    def _ports(self, boxes: dict[str, Box]) -> list[float]:
        """How far from the middle of its target each arrow arrives.

        Labelled arrows arrive side by side, so that the colour of each is seen; others meet.
        """
        ports = [0.0] * len(self._wires)
        if not self._spaced:
            return ports
        arriving: dict[str, list[tuple[float, int]]] = {}
        for number, wire in enumerate(self._wires):
            at = self._slots[wire[-2]].v
            arriving.setdefault(self._edges[number].target, []).append((at, number))
        for key, ends in arriving.items():
            room = self._slots[self._home[key]].size_v - 2 * boxes[key].radius * _CURVED
            distance = min(_PORT, room / max(1, len(ends) - 1))
            for i, (_, number) in enumerate(sorted(ends)):
                ports[number] = (i - (len(ends) - 1) / 2) * distance
        return ports

    def _arrow(self, edge: Edge, wire: list[int], target: Box, port: float) -> Arrow:
        slots = [self._slots[index] for index in wire]
        points: list[Point] = [(slots[0].u + slots[0].size_u / 2, slots[0].v)]
        for first, second in zip(slots, slots[1:], strict=False):
            start = (first.u + self._half_thickness(first), first.v)
            entry = second.u - self._half_thickness(second)
            if second.node:
                points += s_curve(start, (entry - HEAD, second.v + port))
            else:
                points += s_curve(start, (entry, second.v))
        tip = slots[-1].u - (target.reach_y(port) if self._down else target.reach_x(port))
        points += [(tip - HEAD, points[-1][1]), (tip, points[-1][1])]
        label_at = next((self._turned((slot.u, slot.v)) for slot in slots if slot.is_label), None)
        return Arrow(
            edge.source,
            edge.target,
            edge.label,
            edge.color_key or edge.label,
            tuple(self._turned(point) for point in dict.fromkeys(points)),
            label_at,
            edge.marked,
        )

    def _half_thickness(self, slot: _Slot) -> float:
        return max(self._slots[index].size_u for index in self._order[slot.rank]) / 2
