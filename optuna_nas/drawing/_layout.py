"""From a graph to a picture without a pen: where every box, arrow and text stands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from optuna_nas.drawing._arcs import arc_panel, is_arc_diagram, is_plain_chain, row_panel
from optuna_nas.drawing._graph import Edge, Graph, Node
from optuna_nas.drawing._layered import layered_panel
from optuna_nas.drawing._shapes import Arrow, Box, Heading, Panel
from optuna_nas.drawing._text import TITLE, text_size

__all__ = ["Layout", "layout"]

_WIDTH = 970.0  # a picture should not be larger: the text column of a README or a notebook
_HEIGHT = 1000.0
_MARGIN = 14.0
_PANEL_GAP = 40.0
_NAME_SIZE = 13.0
_AFTER_HEADING = 8.0

_Part = tuple[list[Node], list[Edge]]  # nodes and edges of a panel


@dataclass(frozen=True)
class Layout:
    """A picture that only has to be drawn: all sizes and places, in pixels.

    The origin is the upper left corner and y grows downwards. :func:`to_svg`, :func:`to_png` and
    :func:`to_plotly` all draw exactly these shapes.

    Args:
        width: Width of the canvas.
        height: Height of the canvas.
        boxes: One for each node, in the order of the panels.
        arrows: One for each edge.
        headings: The title and the names of the panels.
    """

    width: float
    height: float
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    headings: tuple[Heading, ...]


def layout(graph: Graph) -> Layout:
    """Places the parts of a graph; the same graph always gives the same layout.

    Layers run from left to right and panels stand side by side. Where that would be wider than a
    page, panels stand below each other or layers run downwards, whichever fits best. A long chain
    becomes rows, and a chain with many skips an arc diagram.

    Args:
        graph: Graph to draw.

    Returns:
        The layout.

    Raises:
        ValueError: If the graph has no node.

    Example::

        from optuna_nas.drawing import Edge, Graph, Node, layout

        nodes = (Node("x", "input", "input"), Node("y", "conv"))
        for box in layout(Graph(nodes, edges=(Edge("x", "y"),))).boxes:
            print(box.label, box.x, box.y, box.width, box.height)
    """
    if not graph.nodes:
        raise ValueError("`graph` must have at least one node to be drawn, but got none.")
    panels = _panels_of(graph)
    picture = min(_pictures(graph.title, panels), key=_misfit).moved(_MARGIN, _MARGIN)
    return Layout(
        math.ceil(picture.width + 2 * _MARGIN),
        math.ceil(picture.height + 2 * _MARGIN),
        picture.boxes,
        picture.arrows,
        picture.headings,
    )


def _pictures(title: str, panels: dict[str, _Part]) -> list[Panel]:
    """The picture in every way until one fits."""
    pictures: list[Panel] = []
    for down in (False, True):
        parts = [
            _under(name, _drawn(*panel, down=down), _NAME_SIZE) for name, panel in panels.items()
        ]
        for stacked in (False, True):
            pictures.append(_under(title, _joined(parts, stacked), TITLE))
            if _misfit(pictures[-1]) == 1.0:
                return pictures
    return pictures


def _misfit(picture: Panel) -> float:
    """How many times too large a picture is; all that fit are equally good."""
    return max(1.0, picture.width / _WIDTH, picture.height / _HEIGHT)


def _panels_of(graph: Graph) -> dict[str, _Part]:
    panels: dict[str, _Part] = {}
    panel_of = {node.key: node.panel for node in graph.nodes}
    for node in graph.nodes:
        panels.setdefault(node.panel, ([], []))[0].append(node)
    for edge in graph.edges:
        panels[panel_of[edge.source]][1].append(edge)
    return panels


def _drawn(nodes: Sequence[Node], edges: Sequence[Edge], *, down: bool) -> Panel:
    if is_plain_chain(nodes, edges):
        return row_panel(nodes, edges, width=_WIDTH)
    if is_arc_diagram(nodes, edges):
        return arc_panel(nodes, edges, down=down, width=_WIDTH)
    return layered_panel(nodes, edges, down=down)


def _under(text: str, panel: Panel, size: float) -> Panel:
    """The panel with a heading above it, both centred."""
    if not text:
        return panel
    text_width, text_height = text_size(text, size, bold=True)
    width = max(panel.width, text_width)
    top = text_height + _AFTER_HEADING
    lower = panel.moved((width - panel.width) / 2, top)
    heading = Heading(text, width / 2, text_height / 2, size)
    return Panel(width, top + panel.height, lower.boxes, lower.arrows, (heading, *lower.headings))


def _joined(panels: Sequence[Panel], stacked: bool) -> Panel:
    """One panel of several, side by side or ``stacked`` below each other."""
    widths, heights = [p.width for p in panels], [p.height for p in panels]
    gaps = _PANEL_GAP * (len(panels) - 1)
    x = y = 0.0
    placed = []
    for panel in panels:
        placed.append(panel.moved((max(widths) - panel.width) / 2 if stacked else x, y))
        if stacked:
            y += panel.height + _PANEL_GAP
        else:
            x += panel.width + _PANEL_GAP
    return Panel(
        max(widths) if stacked else sum(widths) + gaps,
        sum(heights) + gaps if stacked else max(heights),
        tuple(box for panel in placed for box in panel.boxes),
        tuple(arrow for panel in placed for arrow in panel.arrows),
        tuple(heading for panel in placed for heading in panel.headings),
    )
