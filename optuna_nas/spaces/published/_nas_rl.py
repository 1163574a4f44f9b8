"""The chain of convolutions of NAS-RL.

References:
    - Zoph, Le. Neural Architecture Search with Reinforcement Learning. ICLR 2017.
      arXiv:1611.01578.
"""

from __future__ import annotations

from optuna_nas.spaces.base import Architecture
from optuna_nas.spaces.layers import NASRLSpace

__all__ = ["NAS_RL_V1"]

NAS_RL_V1: Architecture = NASRLSpace(num_layers=15).parse(
    """3x3@36
    | 3x3@48 <- 1
    | 3x3@36 <- 1,2
    | 5x5@36 <- 1,2,3
    | 3x7@48 <- 3,4
    | 7x7@48 <- 2,3,4,5
    | 7x7@48 <- 2,3,4,5,6
    | 7x3@36 <- 1,6,7
    | 7x1@36 <- 1,5,6,8
    | 7x7@36 <- 1,3,4,5,6,7,8,9
    | 5x7@36 <- 1,2,5,6,7,8,9,10
    | 7x7@48 <- 1,2,3,4,6,11
    | 7x5@48 <- 1,3,6,7,8,9,10,11,12
    | 7x5@48 <- 3,7,12,13
    | 7x5@48 <- 6,7,11,12,13,14"""
)
"""Figure 7: 15 layers without strides, 4.2 million parameters."""
