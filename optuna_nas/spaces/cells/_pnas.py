"""The search space of PNAS: one cell, used at stride 1 and at stride 2, that grows block by block.

References:
    - Liu et al. Progressive Neural Architecture Search. ECCV 2018. arXiv:1712.00559.

Differences from the paper:
    None. All blocks are concatenated, as in the released model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from optuna_nas.spaces.cells._blocks import BlockSpace
from optuna_nas.spaces.cells._cells import SHARED_SCOPE, computed_states

__all__ = ["PNASSpace"]

OPS = (
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "conv_1x7_7x1",
    "identity",
    "avg_pool_3x3",
    "max_pool_3x3",
    "dil_conv_3x3",
)


@dataclass(frozen=True, kw_only=True)
class PNASSpace(BlockSpace):
    """PNAS: one cell of blocks that add two of 8 operations; all blocks go to the output.

    556,627,761,561,600 cells of five blocks. State 0 is the output of the previous cell, state 1
    that of the cell before, 2 and up are the blocks.

    Args:
        num_blocks: Blocks per cell, or their range ``(low, high)``, which makes ``num_blocks`` a
            decision, for a search that starts with small cells.
        ops: The operations to choose from.
        prefix: See :class:`SearchSpace`.

    Raises:
        ValueError: If a setting is out of range.

    Example::

        from optuna_nas.spaces import PNASSpace

        space = PNASSpace(num_blocks=(1, 5))
        small = space.parse("cell: 2 = sep_conv_3x3(0) + max_pool_3x3(1)")
        model = small.build(num_classes=10, **space.proxy)  # 2 cells a stack, 24 channels
    """

    name: ClassVar[str] = "pnas"
    title: ClassVar[str] = "PNAS cell"
    previous: ClassVar[int] = 0
    proxy: ClassVar[Mapping[str, Any]] = MappingProxyType({"cells": 2, "channels": 24})
    sizes: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {
            "cells": 3,
            "channels": 48,
            "stem": "cifar",
            "auxiliary": False,
            "drop_path": 0.0,
            "dropout": 0.0,
        }
    )
    builder: ClassVar[Mapping[str, Any]] = MappingProxyType({"assembly": "pnas"})
    _growing: ClassVar[bool] = True

    ops: tuple[str, ...] = OPS

    @property
    def scopes(self) -> tuple[str, ...]:
        return SHARED_SCOPE

    @property
    def num_architectures(self) -> int:
        if not self.conditional:
            return super().num_architectures
        low, high = self._sizes
        sizes = (dataclasses.replace(self, num_blocks=n) for n in range(low, high + 1))
        return sum(space.num_architectures for space in sizes)

    def _concatenated(self, scope: str, size: int) -> tuple[int, ...]:
        return computed_states(size)

    def owns(self, name: str) -> bool:
        return name == "num_blocks" or super().owns(name)
