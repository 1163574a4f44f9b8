"""Curves as polylines: the bend between two layers and the arc over a row of boxes."""

from __future__ import annotations

from optuna_nas.drawing._shapes import Point

__all__ = ["arch", "s_curve"]


def s_curve(start: Point, end: Point) -> list[Point]:
    """A bend from ``start`` to ``end`` that leaves and arrives along the first coordinate.

    Example::

        >>> s_curve((0.0, 0.0), (10.0, 0.0))
        [(0.0, 0.0), (10.0, 0.0)]
    """
    if start[1] == end[1]:
        return [start, end]
    middle = (start[0] + end[0]) / 2
    return _bezier((start, (middle, start[1]), (middle, end[1]), end), steps=14)


def arch(start: Point, end: Point, height: float) -> list[Point]:
    """A dome from ``start`` to ``end``, ``height`` beyond them in the second coordinate.

    It leaves and arrives along the second coordinate; ``height`` may be negative.
    """
    rise = height * 4 / 3  # a cubic reaches three quarters of the way to its control points
    controls = (start, (start[0], start[1] + rise), (end[0], end[1] + rise), end)
    return _bezier(controls, steps=40)


def _bezier(controls: tuple[Point, Point, Point, Point], *, steps: int) -> list[Point]:
    points = []
    for step in range(steps + 1):
        t = step / steps
        weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
        x = sum(w * point[0] for w, point in zip(weights, controls, strict=True))
        y = sum(w * point[1] for w, point in zip(weights, controls, strict=True))
        points.append((x, y))
    return points
