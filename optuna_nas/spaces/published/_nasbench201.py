"""Cells of NAS-Bench-201 that have a name.

References:
    - Dong, Yang. NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search.
      ICLR 2020. arXiv:2001.00326.
"""

from __future__ import annotations

from optuna_nas.spaces.base import Architecture
from optuna_nas.spaces.cells import NASBench201Space

__all__ = ["NASBENCH201_RESNET"]

NASBENCH201_RESNET: Architecture = NASBench201Space().parse(
    "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
)
"""The cell that is a ResNet's basic block."""
