"""How large the box of a label is."""

from __future__ import annotations

from optuna_nas.drawing._text import BODY, SMALL, text_size

__all__ = ["box_size", "label_size"]

_PADDING_X = 9.0
_PADDING_Y = 5.5
_LABEL_PADDING_X = 4.0
_LABEL_PADDING_Y = 1.5
_LEAST = 28.0


def box_size(label: str, kind: str, padding: float = _PADDING_X) -> tuple[float, float]:
    """Width and height of the box of a node; that of a short state is a circle."""
    width, height = text_size(label, BODY)
    width, height = width + 2 * padding, height + 2 * _PADDING_Y
    if kind == "state":
        height = max(height, _LEAST + 2)
        return max(width, height), height
    return max(width, _LEAST), height


def label_size(label: str) -> tuple[float, float]:
    """Width and height of the label of an arrow."""
    width, height = text_size(label, SMALL)
    return width + 2 * _LABEL_PADDING_X, height + 2 * _LABEL_PADDING_Y
