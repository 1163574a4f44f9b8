"""The networks of MnasNet.

References:
    - Tan et al. MnasNet: Platform-Aware Neural Architecture Search for Mobile. CVPR 2019.
      arXiv:1807.11626.
"""

from __future__ import annotations

from optuna_nas._ground.stages import MNASNET_A1 as A1
from optuna_nas._ground.stages import MNASNET_B1 as B1
from optuna_nas.spaces.base import Architecture
from optuna_nas.spaces.layers import MnasNetSpace
from optuna_nas.spaces.layers._mnasnet_text import write_block

__all__ = ["MNASNET_A1", "MNASNET_B1", "MNASNET_SMALL"]

MNASNET_A1: Architecture = MnasNetSpace(filters=(0.75, 1.0, 1.25, 112)).parse(
    " | ".join(map(write_block, A1[1:-1]))
)
"""Figure 7: 3,887,038 parameters, 312 million multiply-adds."""

MNASNET_B1: Architecture = MnasNetSpace(
    filters=(0.75, 1.0, 1.25, 192), se_ratios=(0.0,), last=write_block(B1[-1])
).parse(" | ".join(map(write_block, B1[1:-1])))
"""As A1, but found without squeeze-and-excitation: 4,383,312 parameters."""

MNASNET_SMALL: Architecture = MnasNetSpace(
    widths=(16, 16, 32, 32, 88),
    layers=(1, 2, 4, 3, 3),
    first="ds_r1_k3_s1_c8",
    last="ir_r1_k3_s1_e6_c144",
    stem=8,
).parse(
    """ir_r1_k3_s2_e3_c16
    | ir_r2_k3_s2_e6_c16
    | ir_r4_k5_s2_e6_c32_se0.25
    | ir_r3_k3_s1_e6_c32_se0.25
    | ir_r3_k5_s2_e6_c88_se0.25"""
)
"""The release's smallest network: 2,030,264 parameters; the release trains it without dropout."""
