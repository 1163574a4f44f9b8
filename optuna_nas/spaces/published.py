"""The papers' networks by name, each a point of its own space.

Example::

    from optuna_nas.spaces import published

    model = published.NASBENCH201_RESNET.build(num_classes=10)
    published.NAS_RL_V1.enqueue(study)  # a study on NASRLSpace(num_layers=15)
"""

from __future__ import annotations

from optuna_nas.spaces._architecture import Architecture
from optuna_nas.spaces._nas_rl import NASRLSpace
from optuna_nas.spaces._nasbench201 import NASBench201Space

__all__ = ["NASBENCH201_RESNET", "NAS_RL_V1"]

# Zoph, Le (arXiv:1611.01578), figure 7: 15 layers without strides, 4.2 million parameters.
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

# Dong, Yang (arXiv:2001.00326): the cell that is a ResNet's basic block.
NASBENCH201_RESNET: Architecture = NASBench201Space().parse(
    "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
)
