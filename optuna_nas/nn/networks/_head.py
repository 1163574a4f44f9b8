"""The ends of a classifier: its head and the auxiliary head that only training uses.

Legend: ``B`` batch, ``C`` channels, ``H``/``W`` height and width, ``k`` side of the last kernel.

References:
    - Zoph et al. Learning Transferable Architectures for Scalable Image Recognition. CVPR 2018.
      arXiv:1707.07012 (the auxiliary head).

Differences from the releases:
    1. The kernel of the auxiliary head's last convolution covers the whole pooled map, so its
       size would follow the image. Here it is that of the paper's image size, and at other sizes
       the map is pooled to it, so that a network's weights do not depend on the image.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from optuna_nas._ground.checks import require_probability

__all__ = ["AuxiliaryHead", "ClassifierHead"]

AUXILIARY_CHANNELS = (128, 768)
POOL_SIZE = 5


class ClassifierHead(nn.Module):
    """Global average pooling and a linear layer: ``(B, C, H, W) -> (B, num_classes)``.

    Args:
        in_channels: ``C``.
        num_classes: Number of logits; 0 for pooled features, ``(B, C)``.
        act: Whether a ReLU comes first.
        dropout: Probability of dropping a pooled feature.
        bias: Whether the linear layer has one.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        act: bool = False,
        dropout: float = 0.0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        require_probability("dropout", dropout)
        self.in_channels = in_channels
        self.act = nn.ReLU() if act else nn.Identity()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.bias = bias
        self.fc = _classifier(in_channels, num_classes, bias)
        self.num_classes = num_classes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(self.pooled(self.act(x)))
        return logits

    def pooled(self, x: torch.Tensor) -> torch.Tensor:
        """Pool a map that has passed the activation: ``(B, C, H, W) -> (B, C)``."""
        features: torch.Tensor = self.dropout(self.pool(x).flatten(1))
        return features

    def reset(self, num_classes: int, like: torch.Tensor | None = None) -> None:
        """Begin with a new linear layer.

        Args:
            num_classes: Number of logits; 0 for none, so that forward returns pooled features.
            like: A tensor of its type, where it shall be; None: torch's defaults.
        """
        self.fc = _classifier(self.in_channels, num_classes, self.bias, like)
        self.num_classes = num_classes


class AuxiliaryHead(nn.Module):
    """The classifier in the middle of a network: ``(B, C, H, W) -> (B, num_classes)``.

    ReLU, 5x5 average pool, 1x1 convolution, batch norm, ReLU, ``k x k`` convolution, batch norm,
    ReLU, linear layer.

    Args:
        in_channels: ``C``.
        num_classes: Number of logits; 0 for the features before them, ``(B, 768)``.
        size: ``k``, the side of the pooled map at the paper's image size.
        stride: Stride of the pool.
        last_norm: Whether the second batch norm is there (DARTS leaves it out on ImageNet).
        mean: Pad the ``k x k`` convolution and average its results, as ENAS does.
        bias: Whether the linear layer has one.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        size: int,
        stride: int = 3,
        last_norm: bool = True,
        mean: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.size = size
        self.stride = stride
        self.mean = mean
        narrow, wide = AUXILIARY_CHANNELS
        self.project = nn.Sequential(
            nn.Conv2d(in_channels, narrow, 1, bias=False), nn.BatchNorm2d(narrow), nn.ReLU()
        )
        self.conv = nn.Conv2d(narrow, wide, size, bias=False)
        self.norm = nn.BatchNorm2d(wide) if last_norm else nn.Identity()
        self.bias = bias
        self.fc = _classifier(wide, num_classes, bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.project(self._pool(x.relu()))  # (B, 128, k, k)
        if self.mean:
            before, after = (self.size - 1) // 2, self.size // 2
            x = F.pad(x, (before, after, before, after))
        x = self.norm(self.conv(x)).relu()  # (B, 768, 1, 1); with `mean` (B, 768, k, k)
        logits: torch.Tensor = self.fc(x.mean((2, 3)))
        return logits

    def reset(self, num_classes: int, like: torch.Tensor | None = None) -> None:
        """Begin with a new linear layer, as :meth:`ClassifierHead.reset` does."""
        self.fc = _classifier(self.conv.out_channels, num_classes, self.bias, like)

    def _pool(self, x: torch.Tensor) -> torch.Tensor:
        if min(x.shape[2:]) >= POOL_SIZE:
            x = F.avg_pool2d(x, POOL_SIZE, self.stride)
        if x.shape[2:] == (self.size, self.size):
            return x
        return F.adaptive_avg_pool2d(x, self.size)


def _classifier(
    in_features: int, num_classes: int, bias: bool, like: torch.Tensor | None = None
) -> nn.Module:
    """Make the last layer: ``(B, C) -> (B, num_classes)``, or to the features themselves."""
    if num_classes == 0:
        return nn.Identity()
    device, dtype = (None, None) if like is None else (like.device, like.dtype)
    return nn.Linear(in_features, num_classes, bias=bias, device=device, dtype=dtype)
