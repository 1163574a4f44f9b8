"""The cell of PNASNet.

References:
    - Liu et al. Progressive Neural Architecture Search. ECCV 2018. arXiv:1712.00559.
"""

from __future__ import annotations

from optuna_nas.spaces.base import Architecture
from optuna_nas.spaces.cells import PNASSpace

__all__ = ["PNASNET_5"]

PNASNET_5: Architecture = PNASSpace().parse(
    """cell:
        2 = sep_conv_5x5(1) + max_pool_3x3(1);
        3 = sep_conv_7x7(0) + max_pool_3x3(0);
        4 = sep_conv_5x5(0) + sep_conv_3x3(0);
        5 = sep_conv_3x3(4) + max_pool_3x3(0);
        6 = sep_conv_3x3(1) + identity(0)"""
)
"""The cell of five blocks; 3,189,082 parameters at (3, 48)."""
