"""A network made by hand that costs as much as a found one: ResNet-20, wider or narrower.

Legend: ``B`` batch, ``I`` image channels, ``W`` filters of the first stage, ``H`` x ``V`` pixels.

References:
    He, Zhang, Ren, Sun. Deep Residual Learning for Image Recognition. CVPR 2016. arXiv:1512.03385,
    section 4.2.

Differences from the paper:
    1. Shortcuts between stages are 1x1 convolutions with batch norm, as torchvision's are.
    2. The first stage has ``W`` filters instead of 16.
    3. Images above 64 pixels first pass the stem of the ImageNet networks, which divides height
       and width by 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torchvision.models.resnet import BasicBlock

from optuna_nas._checks import require_int
from optuna_nas.final._candidate import Candidate
from optuna_nas.nn import check_positive
from optuna_nas.nn.ops import SubsampledConv2d
from optuna_nas.profiling import profile

if TYPE_CHECKING:
    from optuna_nas.training import ImageData

__all__ = ["CifarResNet", "resnet_of_equal_macs"]

BLOCKS_PER_STAGE, NUM_STAGES = 3, 3
LARGEST_SMALL_IMAGE = 64
LARGEST_WIDTH = 4096
NAME = "ResNet-20"


class CifarResNet(nn.Module):
    """ResNet-20: ``(B, I, H, V) -> (B, num_classes)``.

    Args:
        width: ``W``; 16 in the paper. Doubled in the second and the third stage.
        num_classes: Number of logits.
        in_channels: ``I``.
        large: Whether images are large, see *Differences*.

    Raises:
        ValueError: If a number is below 1.
    """

    def __init__(
        self, width: int = 16, *, num_classes: int = 10, in_channels: int = 3, large: bool = False
    ) -> None:
        super().__init__()
        check_positive(width=width, num_classes=num_classes, in_channels=in_channels)
        stem: list[nn.Module] = [
            nn.Conv2d(
                in_channels,
                width,
                7 if large else 3,
                stride=2 if large else 1,
                padding=3 if large else 1,
                bias=False,
            ),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
        if large:
            stem.append(nn.MaxPool2d(3, stride=2, padding=1))
        self.stem = nn.Sequential(*stem)
        blocks: list[nn.Module] = []
        channels = width
        for stage in range(NUM_STAGES):
            for block in range(BLOCKS_PER_STAGE):
                halves = stage > 0 and block == 0
                blocks.append(_block(channels, width * 2**stage, stride=2 if halves else 1))
                channels = width * 2**stage
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.blocks(self.stem(x)))
        return logits


def resnet_of_equal_macs(data: ImageData, macs: int) -> Candidate:
    """Return the ResNet-20 whose multiply-adds for an image of ``data`` come nearest to ``macs``.

    Args:
        data: Decides image, channels and classes.
        macs: What it may cost, such as the found network's.

    Raises:
        ValueError: If ``macs`` is below 1.
    """
    require_int("macs", macs, at_least=1)
    arguments: dict[str, Any] = {
        "num_classes": data.num_classes,
        "in_channels": data.in_channels,
        "large": max(data.image_size) > LARGEST_SMALL_IMAGE,
    }

    def cost(width: int) -> int:
        with torch.device("meta"):
            model = CifarResNet(width, **arguments)
        return profile(model, data.input_size).macs

    low, high = 1, 2  # double, then halve the interval
    while cost(high) < macs and high < LARGEST_WIDTH:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if cost(middle) < macs else (low, middle)
    width = min(low, high, key=lambda w: abs(cost(w) - macs))
    return rebuilt({"network": NAME, "width": width, "build": arguments})


def rebuilt(origin: Mapping[str, Any]) -> Candidate:
    """Return the candidate with the origin of a ResNet-20."""
    width, arguments = origin["width"], origin["build"]
    return Candidate(
        name=f"resnet20-{width}",
        make=lambda: CifarResNet(width, **arguments),
        origin=origin,
    )


def _block(in_channels: int, out_channels: int, *, stride: int) -> nn.Module:
    shortcut = None
    if stride > 1 or in_channels != out_channels:
        shortcut = nn.Sequential(
            SubsampledConv2d(in_channels, out_channels, 1, stride=stride, bias=False),
            nn.BatchNorm2d(out_channels),
        )
    block: nn.Module = BasicBlock(in_channels, out_channels, stride=stride, downsample=shortcut)
    return block
