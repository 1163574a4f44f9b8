"""The same picture as a plotly figure, which tells about a box or an arrow under the mouse."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from optuna_nas.drawing._graph import Graph
from optuna_nas.drawing._layout import Layout, layout
from optuna_nas.drawing._palette import (
    BACKGROUND,
    FAINT_INK,
    INK,
    arrow_color,
    box_paint,
    is_faint,
)
from optuna_nas.drawing._shapes import Arrow, Box, Point
from optuna_nas.drawing._text import BODY, SMALL

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["to_plotly"]

_FONT = "DejaVu Sans, Verdana, Geneva, sans-serif"  # all of nearly the same width


def to_plotly(graph: Graph) -> go.Figure:
    """Draws a graph as a plotly figure of the same size and shapes as :func:`to_svg`.

    Boxes and arrows are traces, in the order of ``layout(graph)``: first the arrows, then the
    boxes. Each tells under the mouse what it is.

    Args:
        graph: Graph to draw.

    Returns:
        The figure.

    Example::

        from optuna_nas.drawing import Graph, Node, to_plotly

        to_plotly(Graph(nodes=(Node("x", "conv"),), edges=())).write_html("one.html")
    """
    import plotly.graph_objects as go

    picture = layout(graph)
    names = {box.key: _one_line(box.label) for box in picture.boxes}
    figure = go.Figure(
        data=[
            *(go.Scatter(**_arrow_trace(arrow, names)) for arrow in picture.arrows),
            *(go.Scatter(**_box_trace(box)) for box in picture.boxes),
        ]
    )
    figure.update_layout(
        width=picture.width,
        height=picture.height,
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        paper_bgcolor=BACKGROUND,
        plot_bgcolor=BACKGROUND,
        showlegend=False,
        hovermode="closest",
        xaxis={"range": [0, picture.width], "visible": False},
        yaxis={"range": [picture.height, 0], "visible": False, "scaleanchor": "x"},
        shapes=[_head(arrow) for arrow in picture.arrows],
        annotations=_texts(picture),
    )
    return figure


def _arrow_trace(arrow: Arrow, names: dict[str, str]) -> dict[str, Any]:
    faint = is_faint(arrow)
    line = {"color": arrow_color(arrow), "width": 2.8 if arrow.marked else 1.0 if faint else 1.4}
    label = f"<br>{html.escape(_one_line(arrow.label))}" if arrow.label else ""
    ends = html.escape(f"{names[arrow.source]} → {names[arrow.target]}")
    return {
        "x": [x for x, _ in arrow.line],
        "y": [y for _, y in arrow.line],
        "mode": "lines",
        "line": line | ({"dash": "dash"} if faint else {}),
        "text": ends + label,
        "hoverinfo": "text",
    }


def _box_trace(box: Box) -> dict[str, Any]:
    fill, border = box_paint(box)
    outline = box.outline()
    outline += outline[:1]
    return {
        "x": [x for x, _ in outline],
        "y": [y for _, y in outline],
        "mode": "lines",
        "fill": "toself",
        "fillcolor": fill,
        "line": {"color": border, "width": 2.8 if box.marked else 1.2},
        "hoveron": "fills",
        "text": f"{html.escape(_one_line(box.label))}<br>{box.kind} {html.escape(box.key)}",
        "hoverinfo": "text",
    }


def _head(arrow: Arrow) -> dict[str, Any]:
    corners = " L ".join(f"{x:.2f} {y:.2f}" for x, y in arrow.head)
    return {
        "type": "path",
        "path": f"M {corners} Z",
        "fillcolor": arrow_color(arrow),
        "line": {"width": 0},
        "layer": "above",
    }


def _texts(picture: Layout) -> list[dict[str, Any]]:
    texts = [_text((box.x, box.y), box.label, BODY) for box in picture.boxes]
    for arrow in picture.arrows:
        if arrow.label_at is not None:
            color = FAINT_INK if is_faint(arrow) else INK
            label = _text(arrow.label_at, arrow.label, SMALL, color)
            texts.append(label | {"bgcolor": BACKGROUND})
    for heading in picture.headings:
        text = _text((heading.x, heading.y), heading.text, heading.size)
        texts.append(text | {"text": f"<b>{text['text']}</b>"})
    return texts


def _text(at: Point, text: str, size: float, color: str = INK) -> dict[str, Any]:
    return {
        "x": at[0],
        "y": at[1],
        "text": html.escape(text, quote=False).replace("\n", "<br>"),
        "showarrow": False,
        "borderpad": 0,
        "font": {"family": _FONT, "size": size, "color": color},
    }


def _one_line(text: str) -> str:
    return " ".join(text.split())
