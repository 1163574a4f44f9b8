"""Colours by what an operation does, the same for the same name in every picture.

The family of an operation is read from its name and gives the hue, its kernel size the shade. The
hues are those of Okabe and Ito, which people with any form of colour blindness tell apart.

References:
    Masataka Okabe and Kei Ito, Color Universal Design: How to make figures and presentations that
    are friendly to colorblind people, 2008, https://jfly.uni-koeln.de/color/
"""

from __future__ import annotations

import re

from optuna_nas.drawing._shapes import Arrow, Box

__all__ = ["BACKGROUND", "INK", "Paint", "arrow_color", "box_paint", "is_faint"]

BACKGROUND = "#ffffff"
INK = "#1f2328"  # all text
FAINT_INK = "#8b949e"
NEUTRAL = "#57606a"  # arrows without an operation
MARK = "#cf222e"  # what is marked

Paint = tuple[str, str]  # fill, border

# The first family whose pattern is found in the name (in lower case) gives its colour.
_FAMILIES = (
    (re.compile(r"\b(none|zero|zeroize)\b"), "#b1bac4"),
    (re.compile(r"skip|ident|shortcut"), "#6e7781"),
    (re.compile(r"(avg|average|mean).*pool|pool.*(avg|average|mean)"), "#c9a800"),  # yellow
    (re.compile(r"pool"), "#d98200"),  # orange
    (re.compile(r"mb_?conv|inverted|bottleneck"), "#c65102"),  # vermilion
    (re.compile(r"dil|atrous"), "#b3588a"),  # reddish purple
    (re.compile(r"sep|depthwise|dw_?conv"), "#009e73"),  # bluish green
    (re.compile(r"conv|\d\s*x\s*\d"), "#0072b2"),  # blue
    (re.compile(r""), "#56a0c8"),  # sky blue
)
_KINDS: dict[str, Paint] = {
    "input": ("#eaeef2", "#57606a"),
    "state": ("#ffffff", "#24292f"),
    "merge": ("#f6f8fa", "#6e7781"),
    "output": ("#d0d7de", "#24292f"),
}
_KERNEL = re.compile(r"(\d+)\s*x\s*(\d+)")
_PALEST, _DEEPEST = 0.14, 0.38  # share of the hue in a fill


def box_paint(box: Box) -> Paint:
    """Fill and border of a box: by its kind, and for an ``op`` by the name of the operation."""
    fill, border = _paint(box)
    return fill, MARK if box.marked else border


def _paint(box: Box) -> Paint:
    if box.kind in _KINDS:
        return _KINDS[box.kind]
    color = _family(box.label)
    kernel = _KERNEL.search(box.label.lower())
    size = max(int(kernel[1]), int(kernel[2])) if kernel else 3
    share = _PALEST + (_DEEPEST - _PALEST) * min(size, 7) / 7
    return _mixed(color, share), color


def arrow_color(arrow: Arrow) -> str:
    """Colour of an arrow: by its operation, neutral where it has none."""
    if arrow.marked:
        return MARK
    return _family(arrow.color_key) if arrow.color_key else NEUTRAL


def is_faint(arrow: Arrow) -> bool:
    """Whether the arrow carries nothing (``none``): it is drawn dashed and its label grey.

    Example::

        >>> is_faint(Arrow("a", "b", "none", "none", ((0, 0), (1, 0))))
        True
    """
    return bool(arrow.color_key) and _family(arrow.color_key) == _FAMILIES[0][1]


def _family(name: str) -> str:
    words = name.lower()
    return next(color for pattern, color in _FAMILIES if pattern.search(words))


def _mixed(color: str, share: float) -> str:
    channels = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 + (channel - 255) * share):02x}" for channel in channels)
