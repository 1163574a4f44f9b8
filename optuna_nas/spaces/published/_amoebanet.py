"""The cells of AmoebaNet.

References:
    - Real, Aggarwal, Huang, Le. Regularized Evolution for Image Classifier Architecture Search.
      AAAI 2019. arXiv:1802.01548.
"""

from __future__ import annotations

from optuna_nas.spaces.base import Architecture
from optuna_nas.spaces.cells._amoebanet import OPS, AmoebaNetSpace

__all__ = ["AMOEBANET_A", "AMOEBANET_D"]

AMOEBANET_A: Architecture = AmoebaNetSpace(
    concat={"normal": (1, 3, 4, 6), "reduce": (2, 3, 4, 5, 6)}
).parse(
    """normal:
        2 = avg_pool_3x3(0) + max_pool_3x3(0);
        3 = sep_conv_3x3(1) + identity(1);
        4 = identity(0) + avg_pool_3x3(1);
        5 = sep_conv_3x3(0) + sep_conv_5x5(2);
        6 = avg_pool_3x3(5) + sep_conv_3x3(0);
        concat 1,3,4,6
    | reduce:
        2 = sep_conv_3x3(1) + avg_pool_3x3(0);
        3 = max_pool_3x3(0) + sep_conv_7x7(2);
        4 = max_pool_3x3(1) + max_pool_3x3(0);
        5 = sep_conv_3x3(4) + conv_1x7_7x1(0);
        6 = avg_pool_3x3(1) + sep_conv_7x7(0);
        concat 2,3,4,5,6"""
)
"""The released cell; 3,218,266 parameters at (6, 36)."""

AMOEBANET_D: Architecture = AmoebaNetSpace(
    ops=(*OPS, "max_pool_2x2", "conv_1x1", "conv_3x3"),
    concat={"normal": (0, 3, 4, 6), "reduce": (4, 5, 6)},
).parse(
    """normal:
        2 = conv_1x1(1) + max_pool_3x3(1);
        3 = identity(1) + conv_1x7_7x1(0);
        4 = conv_1x1(0) + conv_1x7_7x1(0);
        5 = max_pool_3x3(2) + identity(2);
        6 = avg_pool_3x3(1) + conv_1x1(5);
        concat 0,3,4,6
    | reduce:
        2 = max_pool_2x2(0) + max_pool_3x3(0);
        3 = identity(2) + conv_3x3(1);
        4 = conv_1x7_7x1(2) + max_pool_3x3(2);
        5 = identity(3) + max_pool_2x2(1);
        6 = avg_pool_3x3(2) + conv_1x1(3);
        concat 4,5,6"""
)
"""The cell released for TPUs, over eleven operations."""
