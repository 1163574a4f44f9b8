"""The search space of AmoebaNet: NASNet's with eight operations, results always added.

References:
    - Real, Aggarwal, Huang, Le. Regularized Evolution for Image Classifier Architecture Search.
      AAAI 2019. arXiv:1802.01548.

Differences from the paper:
    1. The paper concatenates the states that no block reads. The released AmoebaNet-A does not
       (only its own lists give the published sizes), so the list can be given.
    2. Of the larger spaces SP-II and SP-III the paper names no operations; give yours as ``ops``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from optuna_nas.spaces.cells._blocks import ConcatSpace, stack_sizes
from optuna_nas.spaces.cells._cells import CellPair

if TYPE_CHECKING:
    from torch import nn

__all__ = ["OPS", "AmoebaNetSpace"]

OPS = (
    "identity",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "avg_pool_3x3",
    "max_pool_3x3",
    "dil_conv_3x3",
    "conv_1x7_7x1",
)


@dataclass(frozen=True, kw_only=True)
class AmoebaNetSpace(ConcatSpace):
    """AmoebaNet: two cells, blocks that add two of 8 operations on earlier states.

    556,627,761,561,600 cells of either kind. State 0 is the output of the previous cell, state 1
    that of the cell before, 2 and up are the blocks.

    Args:
        num_blocks: Blocks per cell.
        ops: The operations to choose from.
        concat: ``"loose_ends"`` (the states that no block reads), ``"all"`` (of all blocks), or
            fixed lists: those of AmoebaNet-A are
            ``{"normal": (1, 3, 4, 6), "reduce": (2, 3, 4, 5, 6)}``.
        prefix: See :class:`SearchSpace`.

    Raises:
        ValueError: If a setting is out of range.

    Example::

        from optuna_nas.spaces import AmoebaNetSpace, published

        model = published.AMOEBANET_A.build(cells=6, channels=36)  # 3,218,266 parameters
        space = AmoebaNetSpace()
    """

    name: ClassVar[str] = "amoebanet"
    title: ClassVar[str] = "AmoebaNet cells"
    family: ClassVar[str] = "amoebanet"
    proxy: ClassVar[Mapping[str, Any]] = MappingProxyType({"cells": 3, "channels": 24})
    sizes: ClassVar[Mapping[str, Any]] = stack_sizes(cells=6, channels=36)

    ops: tuple[str, ...] = OPS

    def build_network(self, genotype: CellPair, **arguments: Any) -> nn.Module:
        nasnet = arguments.get("assembly", self.sizes["assembly"]) == "nasnet"
        return super().build_network(genotype, ops=self.family if nasnet else None, **arguments)
