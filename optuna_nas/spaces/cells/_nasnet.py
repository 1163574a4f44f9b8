"""The search space of NASNet: two cells of five blocks over thirteen operations.

References:
    - Zoph, Vasudevan, Shlens, Le. Learning Transferable Architectures for Scalable Image
      Recognition. CVPR 2018. arXiv:1707.07012.

Differences from the paper:
    1. The paper concatenates the states that no block reads. The released NASNet-A does not
       (its normal cell passes on the older input as well, which two blocks read), so the list
       can be given.
    2. The width of the networks that were searched is not published; 32 is what PNAS reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from optuna_nas.spaces.cells._blocks import ConcatSpace, stack_sizes

__all__ = ["NASNetSpace"]

OPS = (
    "identity",
    "conv_1x3_3x1",
    "conv_1x7_7x1",
    "dil_conv_3x3",
    "avg_pool_3x3",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
    "conv_1x1",
    "conv_3x3",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
)


@dataclass(frozen=True, kw_only=True)
class NASNetSpace(ConcatSpace):
    """NASNet: two cells, blocks of two inputs, two of 13 operations, and add or concat.

    2,286,906,949,584,691,200 cells of either kind. For a small budget take a smaller one, such
    as :class:`ENASMicroSpace`. State 0 is the output of the previous cell, state 1 that of the
    cell before, 2 and up are the blocks.

    Args:
        num_blocks: Blocks per cell, the paper's B.
        ops: The operations to choose from.
        concat: ``"loose_ends"`` (the states that no block reads), ``"all"`` (of all blocks), or
            fixed lists: those of NASNet-A are
            ``{"normal": (1, 2, 3, 4, 5, 6), "reduce": (3, 4, 5, 6)}``.
        prefix: See :class:`SearchSpace`.

    Raises:
        ValueError: If a setting is out of range.

    Example::

        import optuna
        from optuna_nas.spaces import NASNetSpace

        space = NASNetSpace(num_blocks=5)
        study = optuna.create_study()
        architecture = space.suggest(study.ask())
        model = architecture.build(num_classes=10, **space.proxy)  # 2 cells a stack, 32 channels
    """

    name: ClassVar[str] = "nasnet"
    title: ClassVar[str] = "NASNet cells"
    combiners: ClassVar[tuple[str, ...]] = ("add", "concat")
    proxy: ClassVar[Mapping[str, Any]] = MappingProxyType({"cells": 2, "channels": 32})
    sizes: ClassVar[Mapping[str, Any]] = stack_sizes(cells=6, channels=32)

    ops: tuple[str, ...] = OPS
