"""Residual networks: ResNet, and what ResNet-RS changed in it.

Legend: ``B`` batch, ``C`` input channels, ``D`` output channels, ``M`` channels within a block,
``S`` squeezed channels, ``H``/``W`` height and width.

References:
    - He et al. Deep Residual Learning for Image Recognition. CVPR 2016. arXiv:1512.03385.
    - He et al. Bag of Tricks for Image Classification with Convolutional Neural Networks. CVPR
      2019. arXiv:1812.01187. ResNet-D: the deep stem and the pooled shortcut.
    - Bello et al. Revisiting ResNets: Improved Training and Scaling Strategies. NeurIPS 2021.
      arXiv:2103.07579. ResNet-RS.

Differences from the papers:
    1. A block of stride 2 has the stride on its 3x3 convolution, as torchvision has it.
    2. The stem of ResNet-RS ends in a strided 3x3 convolution instead of a pool, as in its
       release; the paper moves the stride into the next block.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from optuna_nas._ground.checks import require_sizes
from optuna_nas.nn.networks._features import (
    FeatureInfo,
    FeatureMap,
    FeatureNetwork,
    Taps,
    head_classes,
    run_tapped,
)
from optuna_nas.nn.networks._head import ClassifierHead
from optuna_nas.nn.ops import ConvNormAct, DropPath, SqueezeExcite, scaled_channels, set_drop_path

__all__ = ["RESNET_STEMS", "ResNetBlock", "ResNetwork"]

EXPANSIONS = {"basic": 1, "bottleneck": 4}  # D / M
STAGE_CHANNELS = (64, 128, 256, 512)  # M of each stage of the ImageNet networks, at width 1.0
RESNET_STEMS = {"imagenet": 4, "deep": 4, "cifar": 1}
"""The stems by name, with their strides."""


class ResNetBlock(nn.Module):
    """A residual block: ``(B, C, H, W) -> (B, D, H/stride, W/stride)``, rounded up.

    Args:
        in_channels: ``C``.
        inner_channels: ``M``; ``D`` is ``M`` in a basic block and ``4 M`` in a bottleneck.
        kind: ``"basic"`` (two 3x3 convolutions) or ``"bottleneck"`` (1x1, 3x3, 1x1).
        stride: 1 or 2.
        se_ratio: ``S = max(1, int(D * se_ratio))``; 0 for no squeeze-and-excitation.
        pooled_shortcut: Whether a strided shortcut averages 2x2 pixels (ResNet-D).
        drop_scale: Factor of the probability that :func:`set_drop_path` sets here; None for a
            block without drop path.
    """

    def __init__(
        self,
        in_channels: int,
        inner_channels: int,
        *,
        kind: str,
        stride: int = 1,
        se_ratio: float = 0.0,
        pooled_shortcut: bool = False,
        drop_scale: float | None = 1.0,
    ) -> None:
        super().__init__()
        out_channels = inner_channels * EXPANSIONS[kind]
        self.body = _body(in_channels, inner_channels, out_channels, kind, stride)
        if se_ratio > 0.0:
            squeezed = max(1, int(out_channels * se_ratio))
            self.body.append(SqueezeExcite(out_channels, squeezed))
        self.shortcut = _shortcut(in_channels, out_channels, stride, pooled_shortcut)
        self.drop_path = nn.Identity() if drop_scale is None else DropPath(scale=drop_scale)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.act(self.drop_path(self.body(x)) + self.shortcut(x))
        return out


class ResNetwork(FeatureNetwork):
    """Stem, stages and head of a ResNet: ``(B, I, H, W) -> (B, num_classes)``.

    Maps are halved rounding up, so that images of any size will do. Its feature maps are
    described in :class:`MapNetwork`.

    Args:
        blocks: Blocks of each stage.
        kind: See :class:`ResNetBlock`.
        stem: ``"imagenet"`` (7x7 and a pool, stride 4), ``"deep"`` (four 3x3 convolutions, stride
            4, ResNet-RS) or ``"cifar"`` (one 3x3 convolution of stride 1).
        num_classes: Number of logits; 0 for pooled features.
        in_channels: ``I``.
        channels: ``M`` of each stage, at width 1.0.
        width: Multiplies all channels; see :func:`scaled_channels`.
        se_ratio: See :class:`ResNetBlock`.
        pooled_shortcut: See :class:`ResNetBlock`.
        dropout: Before the classifier.
        drop_path: Final drop probability; stage ``s`` of ``n``, from 1, has ``drop_path * (s + 1)
            / (n + 1)``. None for a network without drop path.
        features_only: Whether forward returns the list of feature maps, the last of each
            resolution, from high to low.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        blocks: Sequence[int],
        *,
        kind: str,
        stem: str,
        num_classes: int,
        in_channels: int,
        channels: Sequence[int] = STAGE_CHANNELS,
        width: float = 1.0,
        se_ratio: float = 0.0,
        pooled_shortcut: bool = False,
        dropout: float = 0.0,
        drop_path: float | None = 0.0,
        features_only: bool = False,
    ) -> None:
        super().__init__()
        classes = head_classes(num_classes, features_only=features_only)
        require_sizes(in_channels=in_channels)
        inners = [scaled_channels(base, width) for base in channels]
        narrow = scaled_channels(channels[0] // 2, width) if stem == "deep" else 0
        self.stem = _stem(stem, in_channels, inners[0], narrow)
        self.stages = nn.Sequential()
        before, reduction = inners[0], RESNET_STEMS[stem]
        maps = [*_stem_maps(stem, before, narrow), FeatureMap(before, reduction, "stem")]
        for s, (count, inner) in enumerate(zip(blocks, inners, strict=True), start=1):
            scale = None if drop_path is None else (s + 1) / (len(inners) + 1)
            stage = nn.Sequential()
            for number in range(count):
                block = ResNetBlock(
                    before,
                    inner,
                    kind=kind,
                    stride=2 if s > 1 and number == 0 else 1,
                    se_ratio=se_ratio,
                    pooled_shortcut=pooled_shortcut,
                    drop_scale=scale,
                )
                stage.append(block)
                before = inner * EXPANSIONS[kind]
            self.stages.append(stage)
            reduction *= 2 if s > 1 else 1
            maps.append(FeatureMap(before, reduction, f"stages.{s - 1}"))
        self.features_only = features_only
        self.feature_info = FeatureInfo.last_of_each(maps)
        self.head = ClassifierHead(before, classes, dropout=dropout)
        if drop_path is not None:
            set_drop_path(self, drop_path)

    def _run(self, x: torch.Tensor, taps: Taps) -> torch.Tensor:
        return run_tapped(self.stages, "stages", run_tapped(self.stem, "stem", x, taps), taps)


def _body(
    in_channels: int, inner: int, out_channels: int, kind: str, stride: int
) -> nn.Sequential:
    if kind == "basic":
        return nn.Sequential(
            ConvNormAct(in_channels, inner, (3, 3), stride=(stride, stride)),
            ConvNormAct(inner, out_channels, (3, 3), act=False),
        )
    return nn.Sequential(
        ConvNormAct(in_channels, inner, (1, 1)),
        ConvNormAct(inner, inner, (3, 3), stride=(stride, stride)),
        ConvNormAct(inner, out_channels, (1, 1), act=False),
    )


def _shortcut(in_channels: int, out_channels: int, stride: int, pooled: bool) -> nn.Module:
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if not pooled:
        return ConvNormAct(in_channels, out_channels, (1, 1), stride=(stride, stride), act=False)
    project = ConvNormAct(in_channels, out_channels, (1, 1), act=False)
    if stride == 1:
        return project
    pool = nn.AvgPool2d(2, stride=stride, ceil_mode=True, count_include_pad=False)
    return nn.Sequential(pool, project)


def _stem(stem: str, in_channels: int, channels: int, narrow: int) -> nn.Sequential:
    """Return a stem; ``narrow`` are the channels of the deep one's first layers."""
    if stem == "imagenet":
        return nn.Sequential(
            ConvNormAct(in_channels, channels, (7, 7), stride=(2, 2)),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
    if stem == "cifar":
        return nn.Sequential(ConvNormAct(in_channels, channels, (3, 3)))
    return nn.Sequential(
        ConvNormAct(in_channels, narrow, (3, 3), stride=(2, 2)),
        ConvNormAct(narrow, narrow, (3, 3)),
        ConvNormAct(narrow, channels, (3, 3)),
        ConvNormAct(channels, channels, (3, 3), stride=(2, 2)),
    )


def _stem_maps(stem: str, channels: int, narrow: int) -> list[FeatureMap]:
    """Describe the map of half the image's size that a stem of stride 4 makes on its way."""
    if stem == "imagenet":
        return [FeatureMap(channels, 2, "stem.0")]  # before the pool, as in timm
    return [FeatureMap(channels, 2, "stem.2")] if stem == "deep" else []
