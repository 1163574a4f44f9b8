"""The reduction that halves a map by two shifted subsamples, so that no pixel is lost.

Legend: ``B`` batch, ``C`` input channels, ``D`` output channels, ``H``/``W`` height and width.

References:
    - Zoph et al. Learning Transferable Architectures for Scalable Image Recognition. CVPR 2018.
      arXiv:1707.07012.
    - Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019. arXiv:1806.09055.

Differences from the releases:
    1. An odd ``D`` is split as ``D - D // 2`` and ``D // 2``; the releases refuse it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from optuna_nas._ground.bounds import MAX_CHANNELS
from optuna_nas._ground.checks import require_int
from optuna_nas.nn.ops._same import conv2d

__all__ = ["FactorizedReduction", "check_width"]

SMALLEST_WIDTH = 2  # one channel for each path


class FactorizedReduction(nn.Module):
    """``(B, C, H, W) -> (B, D, H/2, W/2)``: two strided 1x1 convolutions, joined, batch norm.

    The second path reads the map shifted by one pixel up and left.

    Args:
        in_channels: ``C``.
        out_channels: ``D``, at least 2.
        act: Whether a ReLU comes first.
        affine: Whether the batch norm has weights.
        padded: Fill the shifted map with zeros below and on the right, as the NASNet family and
            ENAS do: odd sizes are rounded up. DARTS does not pad and needs even sizes.

    Raises:
        ValueError: If ``out_channels`` is below 2; in ``forward``, for an odd map without padding.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        act: bool = True,
        affine: bool = True,
        padded: bool = True,
    ) -> None:
        super().__init__()
        if out_channels < SMALLEST_WIDTH:
            raise ValueError(
                "`out_channels` of a factorised reduction must be at least 2, one for each path, "
                f"but got out_channels={out_channels}. Give the network more channels."
            )
        self.padded = padded
        self.act = nn.ReLU() if act else nn.Identity()
        half = out_channels // 2
        self.conv1 = conv2d(in_channels, out_channels - half, 1, stride=2)
        self.conv2 = conv2d(in_channels, half, 1, stride=2)
        self.norm = nn.BatchNorm2d(out_channels, affine=affine)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[2:]
        if not self.padded and (height % 2 or width % 2):
            raise ValueError(
                "The factorised reduction of DARTS halves maps of even height and width only, "
                f"but got a map of {height}x{width}. Resize the images so that the map is even "
                "here, or use the operations of `family='nasnet'`, which pad."
            )
        x = self.act(x)
        shifted = F.pad(x, (-1, 1, -1, 1)) if self.padded else x[:, :, 1:, 1:]
        out: torch.Tensor = self.norm(torch.cat([self.conv1(x), self.conv2(shifted)], dim=1))
        return out


def check_width(channels: int) -> None:
    """Refuse a network with too few ``channels`` for its factorised reductions, or too many.

    Raises:
        ValueError: If so.
    """
    require_int("channels", channels, at_least=SMALLEST_WIDTH, at_most=MAX_CHANNELS)
