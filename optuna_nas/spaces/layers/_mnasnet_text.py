"""Blocks of MnasNet, and the block strings in which the releases and timm write them.

``ir_r3_k5_s2_e3_c40_se0.25`` is an inverted residual of 3 layers (``r``), a 5x5 kernel (``k``),
stride 2 (``s``), expansion 3 (``e``), 40 channels (``c``) and squeeze-and-excitation 0.25
(``se``). ``ds`` is a depthwise separable and ``cn`` a plain convolution; these have no ``e``.
Shortcuts are written as ``noskip``, ``skip`` or (our addition) ``poolskip``; left out, ``ir`` and
``ds`` have the identity and ``cn`` has none, as in timm.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NamedTuple

from optuna_nas._ground.bounds import MAX_CHANNELS, MAX_LAYERS
from optuna_nas._ground.stages import Stage as Block
from optuna_nas.spaces.decisions import Scanner

__all__ = ["OPS", "SKIPS", "Block", "Limits", "read_block", "write_block"]

OPS = ("conv", "sep_conv", "mbconv3", "mbconv6")
SKIPS = ("pool", "identity", "none")

_KINDS = {"conv": "cn", "sep_conv": "ds", "mbconv3": "ir", "mbconv6": "ir"}
_EXPANSIONS = {"mbconv3": 3, "mbconv6": 6}
_DEFAULT_SKIPS = {"cn": "none", "ds": "identity", "ir": "identity"}
_SKIP_WORDS = {"identity": "skip", "none": "noskip", "pool": "poolskip"}


class Limits(NamedTuple):
    """Values that a text may have; None stands for any positive number up to ``bounds``."""

    layers: Collection[int] | None = None
    kernels: Collection[int] = (1, 3, 5, 7)
    strides: Collection[int] = (1, 2)
    channels: Collection[int] | None = None
    se_ratios: Collection[float] | None = None


def write_block(block: Block) -> str:
    """Write ``ir_r3_k5_s2_e3_c40_se0.25``."""
    kind = _KINDS[block.op]
    parts = [kind, f"r{block.layers}", f"k{block.kernel}", f"s{block.stride}"]
    if kind == "ir":
        parts.append(f"e{_EXPANSIONS[block.op]}")
    parts.append(f"c{block.channels}")
    if block.se_ratio:
        parts.append(f"se{block.se_ratio}")
    if block.skip != _DEFAULT_SKIPS[kind]:
        parts.append(_SKIP_WORDS[block.skip])
    return "_".join(parts)


def read_block(scanner: Scanner, limits: Limits) -> Block:
    """Read what :func:`write_block` writes; ``e1`` is passed over in ``ds``, as timm writes it.

    Raises:
        ValueError: If something else stands there, or a number is outside the limits.
    """
    kind = scanner.need("ir|ds|cn", "a block: ir (MBConv), ds (sep_conv) or cn (conv)")
    layers = _number(scanner, "_r", limits.layers, "the number of layers", MAX_LAYERS)
    kernel = _number(scanner, "_k", limits.kernels, "the kernel's side")
    stride = _number(scanner, "_s", limits.strides, "the stride of this block")
    op = {"cn": "conv", "ds": "sep_conv"}.get(kind, "")
    if kind == "ir":
        op = f"mbconv{_number(scanner, '_e', _EXPANSIONS.values(), 'the expansion')}"
    elif kind == "ds":
        scanner.take("_e1(?![0-9])")
    what = "the channels of this block"
    channels = _number(scanner, "_c", limits.channels, what, MAX_CHANNELS)
    se_ratio = _read_se_ratio(scanner, limits.se_ratios)
    return Block(op, kernel, stride, se_ratio, _read_skip(scanner, kind), channels, layers)


def _number(
    scanner: Scanner, letter: str, allowed: Collection[int] | None, what: str, most: int = 0
) -> int:
    scanner.need(letter, f"'{letter}' and {what}")
    return scanner.need_int(range(1, most + 1) if allowed is None else allowed, what)


def _read_se_ratio(scanner: Scanner, allowed: Collection[float] | None) -> float:
    if scanner.take("_se"):
        what = "the squeeze-and-excitation ratio"
        if allowed is None:
            return float(scanner.need(r"0?\.[0-9]+|1(\.0)?", what))
        texts = {str(ratio): ratio for ratio in allowed if ratio}
        pattern = "|".join(map(re.escape, texts)) or "(?!)"
        found = scanner.need(rf"({pattern})(?![0-9.])", f"{what}, one of {tuple(allowed)}")
        return texts[found]
    if allowed is None or 0.0 in allowed:
        return 0.0 if allowed is None else next(ratio for ratio in allowed if ratio == 0.0)
    scanner.fail(f"Expected '_se' and a ratio, one of {tuple(allowed)}")


def _read_skip(scanner: Scanner, kind: str) -> str:
    for skip, word in _SKIP_WORDS.items():
        if scanner.take(f"_{word}"):
            return skip
    return _DEFAULT_SKIPS[kind]
