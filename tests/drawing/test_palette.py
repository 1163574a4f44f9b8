"""Colours belong to operations, and text can be read on all of them."""

from __future__ import annotations

import pytest

from optuna_nas.drawing._palette import BACKGROUND, INK, arrow_color, box_paint, is_faint
from optuna_nas.drawing._shapes import Arrow, Box

FAMILIES = {
    "none": ("none", "zero"),
    "skip": ("skip_connect", "identity", "Identity"),
    "avg": ("avg_pool_3x3", "average pool 3x3"),
    "max": ("max_pool_3x3", "max pool 5x5"),
    "mbconv": ("mbconv", "mbconv 3x3", "inverted residual"),
    "dil": ("dil_conv_3x3", "dil_conv_5x5", "dilated 3x3"),
    "sep": ("sep_conv_3x3", "sep 7x7", "separable conv 5x5"),
    "conv": ("nor_conv_3x3", "conv 1x7 7x1", "7x7, 48"),
    "other": ("attention", "lstm"),
}


def _box(label: str, kind: str = "op") -> Box:
    return Box("key", label, kind, 0.0, 0.0, 10.0, 10.0)


def _arrow(label: str) -> Arrow:
    return Arrow("a", "b", label, label, ((0.0, 0.0), (1.0, 0.0)))


@pytest.mark.parametrize("names", FAMILIES.values(), ids=FAMILIES)
def test_a_family_has_one_hue_on_boxes_and_arrows(names: tuple[str, ...]) -> None:
    hues = {arrow_color(_arrow(name)) for name in names}
    assert hues == {box_paint(_box(name))[1] for name in names}
    assert len(hues) == 1


def test_families_differ() -> None:
    assert len({arrow_color(_arrow(names[0])) for names in FAMILIES.values()}) == len(FAMILIES)


def test_larger_kernels_are_darker() -> None:
    fills = [box_paint(_box(f"conv {k}x{k}"))[0] for k in (1, 3, 5, 7)]
    assert sorted(fills, key=_luminance, reverse=True) == fills
    assert len(set(fills)) == 4


def test_only_none_is_faint() -> None:
    assert is_faint(_arrow("none"))
    assert not is_faint(_arrow("skip_connect"))
    assert not is_faint(_arrow(""))


@pytest.mark.parametrize("kind", ["input", "state", "op", "merge", "output"])
@pytest.mark.parametrize("label", [names[0] + " 7x7" for names in FAMILIES.values()])
def test_text_contrasts_with_every_fill(kind: str, label: str) -> None:
    """At least 7 : 1, the enhanced level (AAA) of WCAG 2.2."""
    fill = box_paint(_box(label, kind))[0]
    assert (_luminance(fill) + 0.05) / (_luminance(INK) + 0.05) > 7


def test_arrows_contrast_with_the_background() -> None:
    for names in FAMILIES.values():
        if names[0] != "none":
            color = arrow_color(_arrow(names[0]))
            assert (_luminance(BACKGROUND) + 0.05) / (_luminance(color) + 0.05) > 2


def _luminance(color: str) -> float:
    """Relative luminance of WCAG 2.2."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
