"""The end of a classifier.

Legend: ``B`` batch, ``C`` channels, ``H``/``W`` height and width.
"""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["ClassifierHead"]


class ClassifierHead(nn.Module):
    """Global average pooling and a linear layer: ``(B, C, H, W) -> (B, num_classes)``.

    Args:
        in_channels: ``C``.
        num_classes: Number of logits.
    """

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(in_channels, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.fc(self.pool(x).flatten(1))
        return logits
