"""The residual block that halves the maps between the stages of NAS-Bench-201.

Legend: ``B`` batch, ``C`` input channels, ``D`` output channels, ``H``/``W`` height and width.
"""

from __future__ import annotations

import torch
from torch import nn

from optuna_nas.nn.ops._ops import ReLUConvBN

__all__ = ["ResidualReduction"]


class ResidualReduction(nn.Module):
    """Two 3x3 operations, the first of stride 2, and a pooled shortcut without batch norm.

    ``(B, C, H, W) -> (B, D, H/2, W/2)``, rounded up. Differences from the released code: the
    shortcut's pooling rounds odd sizes up as the convolution does (the release fails on them).

    Args:
        in_channels: ``C``.
        out_channels: ``D``.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = ReLUConvBN(in_channels, out_channels, 3, stride=2)
        self.conv2 = ReLUConvBN(out_channels, out_channels, 3)
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, stride=2, ceil_mode=True),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.conv2(self.conv1(x)) + self.shortcut(x)
        return out
