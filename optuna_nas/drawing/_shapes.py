"""The plain values that a layout is made of: boxes, arrows and headings, in pixels.

The origin is the upper left corner and y grows downwards, as in SVG. Outlines and lines are
polylines, so that every backend draws exactly the same picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from optuna_nas.drawing._sizes import label_size

__all__ = ["HEAD", "Arrow", "Box", "Heading", "Panel", "Point"]

Point = tuple[float, float]

HEAD = 7.0  # length of an arrowhead
_HALF_HEAD = 3.2  # half of its width
_CORNER = 5.0  # radius of the corners of an ordinary box
_ROUND_KINDS = ("state", "merge")


@dataclass(frozen=True)
class Box:
    """A node in its place.

    Args:
        key: Key of the node.
        label: Text, in its lines.
        kind: Kind of the node.
        x: Horizontal centre.
        y: Vertical centre.
        width: Width.
        height: Height.
        marked: Whether it is drawn bold.
    """

    key: str
    label: str
    kind: str
    x: float
    y: float
    width: float
    height: float
    marked: bool = False

    @property
    def radius(self) -> float:
        """Radius of the corners; half of the shorter side for states and merges."""
        shorter = min(self.width, self.height) / 2
        return shorter if self.kind in _ROUND_KINDS else min(_CORNER, shorter)

    def reach_x(self, dy: float) -> float:
        """Distance from the centre to the left and right border, ``dy`` above or below it."""
        return _reach(self.width / 2, self.height / 2, self.radius, dy)

    def reach_y(self, dx: float) -> float:
        """Distance from the centre to the upper and lower border, ``dx`` left or right of it."""
        return _reach(self.height / 2, self.width / 2, self.radius, dx)

    def outline(self, steps: int = 6) -> tuple[Point, ...]:
        """The border as a closed polygon, ``steps`` pieces to each rounded corner."""
        r = self.radius
        corners = ((1, 1, 0), (-1, 1, 1), (-1, -1, 2), (1, -1, 3))
        points = []
        for right, down, quarter in corners:
            centre_x = self.x + right * (self.width / 2 - r)
            centre_y = self.y + down * (self.height / 2 - r)
            for step in range(steps + 1):
                angle = (quarter + step / steps) * math.pi / 2
                points.append((centre_x + r * math.cos(angle), centre_y + r * math.sin(angle)))
        return tuple(points)

    def moved(self, dx: float, dy: float) -> Box:
        """The same box elsewhere."""
        return replace(self, x=self.x + dx, y=self.y + dy)


@dataclass(frozen=True)
class Arrow:
    """An edge in its place.

    Args:
        source: Key of the node where it starts.
        target: Key of the node where it ends.
        label: Text on it.
        color_key: Arrows with equal keys have equal colours.
        points: From the border of the source to the border of the target. The last piece is
            straight and as long as the arrowhead.
        label_at: Centre of the label, for an arrow that has one.
        marked: Whether it is drawn bold.
    """

    source: str
    target: str
    label: str
    color_key: str
    points: tuple[Point, ...]
    label_at: Point | None = None
    marked: bool = False

    @property
    def line(self) -> tuple[Point, ...]:
        """The points without the arrowhead."""
        return self.points[:-1]

    @property
    def head(self) -> tuple[Point, Point, Point]:
        """The arrowhead: its tip and the two ends of its base."""
        (base_x, base_y), (tip_x, tip_y) = self.points[-2:]
        length = math.hypot(tip_x - base_x, tip_y - base_y) or 1.0
        side_x = (tip_y - base_y) / length * _HALF_HEAD
        side_y = (base_x - tip_x) / length * _HALF_HEAD
        return (
            (tip_x, tip_y),
            (base_x + side_x, base_y + side_y),
            (base_x - side_x, base_y - side_y),
        )

    def moved(self, dx: float, dy: float) -> Arrow:
        """The same arrow elsewhere."""
        points = tuple((x + dx, y + dy) for x, y in self.points)
        at = None if self.label_at is None else (self.label_at[0] + dx, self.label_at[1] + dy)
        return replace(self, points=points, label_at=at)


@dataclass(frozen=True)
class Heading:
    """A line of text above the picture or above a panel, centred at ``(x, y)``."""

    text: str
    x: float
    y: float
    size: float

    def moved(self, dx: float, dy: float) -> Heading:
        """The same heading elsewhere."""
        return replace(self, x=self.x + dx, y=self.y + dy)


@dataclass(frozen=True)
class Panel:
    """Shapes that fill a rectangle with its upper left corner at the origin."""

    width: float
    height: float
    boxes: tuple[Box, ...] = ()
    arrows: tuple[Arrow, ...] = ()
    headings: tuple[Heading, ...] = ()

    @classmethod
    def around(cls, boxes: Sequence[Box], arrows: Sequence[Arrow]) -> Panel:
        """The panel that just holds these boxes and arrows, moved to the origin."""
        xs = [box.x + sign * box.width / 2 for box in boxes for sign in (-1, 1)]
        ys = [box.y + sign * box.height / 2 for box in boxes for sign in (-1, 1)]
        for arrow in arrows:
            xs += [x for x, _ in arrow.points]
            ys += [y for _, y in arrow.points]
            if arrow.label_at is not None:
                width, height = label_size(arrow.label)
                xs += [arrow.label_at[0] - width / 2, arrow.label_at[0] + width / 2]
                ys += [arrow.label_at[1] - height / 2, arrow.label_at[1] + height / 2]
        size = (max(xs) - min(xs), max(ys) - min(ys))
        return cls(*size, tuple(boxes), tuple(arrows)).moved(-min(xs), -min(ys))

    def moved(self, dx: float, dy: float) -> Panel:
        """The same panel with all its shapes elsewhere."""
        return replace(
            self,
            boxes=tuple(box.moved(dx, dy) for box in self.boxes),
            arrows=tuple(arrow.moved(dx, dy) for arrow in self.arrows),
            headings=tuple(heading.moved(dx, dy) for heading in self.headings),
        )


def _reach(half: float, half_across: float, radius: float, offset: float) -> float:
    beyond = abs(offset) - (half_across - radius)  # how far into the rounded corner
    if beyond <= 0:
        return half
    return half - radius + math.sqrt(max(0.0, radius**2 - beyond**2))
