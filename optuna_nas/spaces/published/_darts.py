"""The cells of DARTS.

References:
    - Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019. arXiv:1806.09055.
"""

from __future__ import annotations

from optuna_nas.spaces.base import Architecture
from optuna_nas.spaces.cells import DARTSSpace

__all__ = ["DARTS_V1", "DARTS_V2"]

DARTS_V1: Architecture = DARTSSpace().parse(
    """Genotype(
        normal=[
            ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("skip_connect", 0), ("sep_conv_3x3", 1),
            ("skip_connect", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("skip_connect", 2),
        ],
        normal_concat=[2, 3, 4, 5],
        reduce=[
            ("max_pool_3x3", 0), ("max_pool_3x3", 1), ("skip_connect", 2), ("max_pool_3x3", 0),
            ("max_pool_3x3", 0), ("skip_connect", 2), ("skip_connect", 2), ("avg_pool_3x3", 0),
        ],
        reduce_concat=[2, 3, 4, 5],
    )"""
)
"""First order; 3,169,414 parameters at (20, 36)."""

DARTS_V2: Architecture = DARTSSpace().parse(
    """Genotype(
        normal=[
            ("sep_conv_3x3", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("sep_conv_3x3", 1),
            ("sep_conv_3x3", 1), ("skip_connect", 0), ("skip_connect", 0), ("dil_conv_3x3", 2),
        ],
        normal_concat=[2, 3, 4, 5],
        reduce=[
            ("max_pool_3x3", 0), ("max_pool_3x3", 1), ("skip_connect", 2), ("max_pool_3x3", 1),
            ("max_pool_3x3", 0), ("skip_connect", 2), ("skip_connect", 2), ("max_pool_3x3", 1),
        ],
        reduce_concat=[2, 3, 4, 5],
    )"""
)
"""Second order; 3,349,342 parameters at (20, 36)."""
