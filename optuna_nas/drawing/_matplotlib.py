"""SVG and PNG through matplotlib, without pyplot and without changing its settings.

Every property is given with its artist, so neither a style sheet nor another thread changes the
picture, and no clip paths or markers are used, whose names in an SVG would be random.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna_nas._ground.atomic import write_atomically
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
from optuna_nas.drawing._shapes import Arrow, Point
from optuna_nas.drawing._sizes import label_size
from optuna_nas.drawing._text import BODY, LINE, SMALL, drawable

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.transforms import Transform

__all__ = ["save_picture", "to_png", "to_svg"]

_PIXELS_PER_INCH = 96.0  # of CSS: the SVG is as many pixels wide in a browser as its layout
_POINTS_PER_PIXEL = 72.0 / _PIXELS_PER_INCH
_FONT = "DejaVu Sans"  # the one that matplotlib ships


def to_svg(graph: Graph) -> str:
    """Draws a graph as SVG; the same graph always gives the same text.

    Letters are drawn as paths, so that the picture looks the same in every browser.

    Args:
        graph: Graph to draw.

    Returns:
        A standalone SVG document.

    Example::

        from pathlib import Path

        from optuna_nas.drawing import Graph, Node, to_svg

        Path("one.svg").write_text(to_svg(Graph(nodes=(Node("x", "conv"),), edges=())))
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    picture = layout(graph)
    stream = io.StringIO()
    metadata: dict[str, Any] = {"Date": None, "Creator": "optuna-nas"}
    if graph.title:
        metadata["Title"] = drawable(graph.title)
    canvas: Any = FigureCanvasSVG(_figure(picture, 72.0))  # its methods have no types
    canvas.print_svg(stream, metadata=metadata)
    return stream.getvalue()


def to_png(graph: Graph, *, dpi: float = 192.0) -> bytes:
    """Draws a graph as PNG.

    Args:
        graph: Graph to draw.
        dpi: Pixels per inch. At 96 the picture has as many pixels as its layout; the default is
            twice as fine, for screens of high resolution.

    Returns:
        The content of a PNG file.

    Raises:
        ValueError: If ``dpi`` is not positive.
    """
    if not dpi > 0:
        raise ValueError(
            f"`dpi` must be positive, but got dpi={dpi!r}. 96 draws the layout pixel for pixel."
        )
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    stream = io.BytesIO()
    canvas: Any = FigureCanvasAgg(_figure(layout(graph), dpi))
    canvas.print_png(stream, metadata={"Software": "optuna-nas"})
    return stream.getvalue()


def save_picture(graph: Graph, path: str | os.PathLike[str]) -> None:
    """Writes a graph to an ``.svg`` or ``.png`` file.

    The file appears only when it is complete: an old one stays until then.

    Args:
        graph: Graph to draw.
        path: Where to write. The suffix chooses the format.

    Raises:
        ValueError: If the suffix is neither ``.svg`` nor ``.png``.
        FileNotFoundError: If the folder of ``path`` does not exist.
        OSError: If nothing can be written there.

    Example::

        from optuna_nas.drawing import Graph, Node, save_picture

        save_picture(Graph(nodes=(Node("x", "conv"),), edges=()), "one.png")
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (".svg", ".png"):
        raise ValueError(
            f"`path` must end in .svg or .png, but got {str(path)!r}. For another format, draw "
            "the figure of `to_plotly` or convert the SVG."
        )
    write_atomically(path, to_svg(graph).encode() if suffix == ".svg" else to_png(graph))


def _figure(picture: Layout, dpi: float) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.transforms import Affine2D

    size = (picture.width / _PIXELS_PER_INCH, picture.height / _PIXELS_PER_INCH)
    figure = Figure(figsize=size, dpi=dpi, facecolor=BACKGROUND, edgecolor="none", frameon=True)
    to_figure = Affine2D().scale(1 / picture.width, -1 / picture.height).translate(0, 1)
    place = to_figure + figure.transFigure
    for arrow in picture.arrows:
        _add_arrow(figure, arrow, place)
    for arrow in picture.arrows:
        _add_label(figure, arrow, place)
    for box in picture.boxes:
        fill, border = box_paint(box)
        width = 2.2 if box.marked else 0.9
        _add_polygon(figure, box.outline(), place, facecolor=fill, edgecolor=border, lw=width)
        _add_text(figure, (box.x, box.y), box.label, place, BODY, color=INK)
    for heading in picture.headings:
        at = (heading.x, heading.y)
        _add_text(figure, at, heading.text, place, heading.size, color=INK, weight="bold")
    return figure


def _add_arrow(figure: Figure, arrow: Arrow, place: Transform) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Line

    color, faint = arrow_color(arrow), is_faint(arrow)
    line = PathPatch(
        Line(arrow.line),
        transform=place,
        facecolor="none",
        edgecolor=color,
        linewidth=2.2 if arrow.marked else 0.75 if faint else 1.05,
        linestyle=(0, (4, 3)) if faint else "solid",
        capstyle="butt",
        joinstyle="round",
    )
    figure.add_artist(line)
    _add_polygon(figure, arrow.head, place, facecolor=color, edgecolor="none", linewidth=0.0)


def _add_label(figure: Figure, arrow: Arrow, place: Transform) -> None:
    if arrow.label_at is None:
        return
    (x, y), (width, height) = arrow.label_at, label_size(arrow.label)
    corners = tuple(
        (x + right * width / 2, y + down * height / 2)
        for right, down in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    )
    _add_polygon(figure, corners, place, facecolor=BACKGROUND, edgecolor="none", linewidth=0.0)
    color = FAINT_INK if is_faint(arrow) else INK
    _add_text(figure, arrow.label_at, arrow.label, place, SMALL, color=color)


def _add_polygon(
    figure: Figure, corners: tuple[Point, ...], place: Transform, **paint: Any
) -> None:
    from matplotlib.patches import Polygon

    figure.add_artist(Polygon(corners, closed=True, transform=place, **paint))


def _add_text(
    figure: Figure, at: Point, text: str, place: Transform, size: float, **paint: Any
) -> None:
    from matplotlib.text import Text

    artist = Text(
        *at,
        drawable(text),
        transform=place,
        fontsize=size * _POINTS_PER_PIXEL,
        fontfamily=_FONT,
        horizontalalignment="center",
        verticalalignment="center",
        linespacing=LINE,
        parse_math=False,
        usetex=False,
        **paint,
    )
    figure.add_artist(artist)
