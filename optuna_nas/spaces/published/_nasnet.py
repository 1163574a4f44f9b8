"""The cells of NASNet.

References:
    - Zoph, Vasudevan, Shlens, Le. Learning Transferable Architectures for Scalable Image
      Recognition. CVPR 2018. arXiv:1707.07012.
"""

from __future__ import annotations

from optuna_nas.spaces.base import Architecture
from optuna_nas.spaces.cells import NASNetSpace

__all__ = ["NASNET_A"]

NASNET_A: Architecture = NASNetSpace(
    concat={"normal": (1, 2, 3, 4, 5, 6), "reduce": (3, 4, 5, 6)}
).parse(
    """normal:
        2 = sep_conv_5x5(0) + sep_conv_3x3(1);
        3 = sep_conv_5x5(1) + sep_conv_3x3(1);
        4 = avg_pool_3x3(0) + identity(1);
        5 = avg_pool_3x3(1) + avg_pool_3x3(1);
        6 = sep_conv_3x3(0) + identity(0);
        concat 1,2,3,4,5,6
    | reduce:
        2 = sep_conv_5x5(0) + sep_conv_7x7(1);
        3 = max_pool_3x3(0) + sep_conv_7x7(1);
        4 = avg_pool_3x3(0) + sep_conv_5x5(1);
        5 = identity(3) + avg_pool_3x3(2);
        6 = sep_conv_3x3(2) + max_pool_3x3(0);
        concat 3,4,5,6"""
)
"""The released cell; 3,346,538 parameters at 6 @ 768."""
