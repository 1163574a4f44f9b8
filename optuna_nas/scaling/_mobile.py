"""Networks of inverted bottlenecks that grow: MobileNetV2, MnasNet, EfficientNet.

References:
    - Sandler et al. MobileNetV2: Inverted Residuals and Linear Bottlenecks. CVPR 2018.
      arXiv:1801.04381.
    - Tan et al. MnasNet: Platform-Aware Neural Architecture Search for Mobile. CVPR 2019.
      arXiv:1807.11626.
    - Tan and Le. EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks. ICML
      2019. arXiv:1905.11946.

Differences from the papers:
    1. EfficientNet's Table 1 prints the maps that stages read; strides are those of the release.
    2. Depth of MobileNetV2 and MnasNet, which their papers leave as it is, follows EfficientNet's
       rule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import nn

from optuna_nas._ground.bounds import MAX_CHANNELS
from optuna_nas._ground.checks import require_choice, require_int
from optuna_nas._ground.stages import MNASNET_A1, MNASNET_B1, Stage
from optuna_nas.nn.networks import MnasNetwork
from optuna_nas.nn.ops import scaled_channels
from optuna_nas.scaling._network import ScalableNetwork, repeats

__all__ = ["EFFICIENTNETS", "EfficientNet", "MnasNet", "MobileNetV2", "efficientnet"]

_B0 = (
    Stage("sep_conv", 3, 1, 0.25, "identity", 16, 1),
    Stage("mbconv6", 3, 2, 0.25, "identity", 24, 2),
    Stage("mbconv6", 5, 2, 0.25, "identity", 40, 2),
    Stage("mbconv6", 3, 2, 0.25, "identity", 80, 3),
    Stage("mbconv6", 5, 1, 0.25, "identity", 112, 3),
    Stage("mbconv6", 5, 2, 0.25, "identity", 192, 4),
    Stage("mbconv6", 3, 1, 0.25, "identity", 320, 1),
)

_MOBILENET_V2 = (
    Stage("sep_conv", 3, 1, 0.0, "identity", 16, 1),
    Stage("mbconv6", 3, 2, 0.0, "identity", 24, 2),
    Stage("mbconv6", 3, 2, 0.0, "identity", 32, 3),
    Stage("mbconv6", 3, 2, 0.0, "identity", 64, 4),
    Stage("mbconv6", 3, 1, 0.0, "identity", 96, 3),
    Stage("mbconv6", 3, 2, 0.0, "identity", 160, 3),
    Stage("mbconv6", 3, 1, 0.0, "identity", 320, 1),
)

_MNASNETS = MappingProxyType({"a1": MNASNET_A1, "b1": MNASNET_B1})

_HEAD = 1280

EFFICIENTNETS: Mapping[str, tuple[float, float, int, float]] = MappingProxyType(
    {
        "b0": (1.0, 1.0, 224, 0.2),
        "b1": (1.0, 1.1, 240, 0.2),
        "b2": (1.1, 1.2, 260, 0.3),
        "b3": (1.2, 1.4, 300, 0.3),
        "b4": (1.4, 1.8, 380, 0.4),
        "b5": (1.6, 2.2, 456, 0.4),
        "b6": (1.8, 2.6, 528, 0.5),
        "b7": (2.0, 3.1, 600, 0.5),
    }
)
"""Width, depth, resolution and dropout of the released networks. They were rounded by hand: they
are near, and not at, the powers of the coefficients 1.2, 1.1 and 1.15."""


@dataclass(frozen=True, kw_only=True)
class _Bottlenecks(ScalableNetwork):
    """Stages of inverted bottlenecks.

    Args:
        stages: Stages of the network at width and depth 1.0.
        stem: Channels of the first convolution, at width 1.0.
        stem_stride: 2, or 1 for small images.
    """

    stages: tuple[Stage, ...]
    stem: int = 32
    stem_stride: int = 2

    def __post_init__(self) -> None:
        require_int("stem", self.stem, at_most=MAX_CHANNELS)
        require_int("stem_stride", self.stem_stride, at_most=2)
        super().__post_init__()
        if not self.stages:
            raise ValueError("`stages` must be at least one stage, but got stages=().")

    @property
    def stride(self) -> int:
        return self.stem_stride * math.prod(stage.stride for stage in self.stages)

    @property
    def _head(self) -> int:
        return _HEAD

    @property
    def _norm(self) -> dict[str, Any]:
        return {"bn_momentum": 0.01}  # of a batch, with TensorFlow's epsilon

    def _build(
        self, num_classes: int, in_channels: int, *, features_only: bool = False
    ) -> nn.Module:
        return MnasNetwork(
            [stage._replace(layers=repeats(stage.layers, self.depth)) for stage in self.stages],
            stem=self.stem,
            head=self._head,
            num_classes=num_classes,
            in_channels=in_channels,
            width=self.width,
            dropout=self.dropout,
            drop_path=self.drop_path,
            stem_stride=self.stem_stride,
            features_only=features_only,
            **self._norm,
        )


@dataclass(frozen=True, kw_only=True)
class EfficientNet(_Bottlenecks):
    """EfficientNet, by default B0: inverted bottlenecks with squeeze-and-excitation and swish.

    Channels (the head's too) are rounded to multiples of 8, never by more than 10 % downwards;
    layers of a stage are rounded up. Layer ``i`` of ``n`` drops its path with
    ``drop_path * i / n``.

    Args:
        width: Factor of all channels.
        depth: Factor of the layers of every stage.
        resolution: Pixels; B0 halves an image five times.
        dropout: Before the classifier.
        drop_path: Drop probability that the last layer nearly has.
        stages: At width and depth 1.0.
        stem: Channels of the first convolution, at width 1.0.
        stem_stride: 2, or 1 for small images.

    Example::

        from optuna_nas.scaling import EfficientNet

        print(EfficientNet.named("b2").profile())
        small = EfficientNet(stem_stride=1, resolution=32).scaled(width=0.5)
    """

    dropout: float = 0.2
    drop_path: float = 0.2
    stages: tuple[Stage, ...] = _B0

    @classmethod
    def named(cls, name: str) -> EfficientNet:
        """Return a released network, ``"b0"`` to ``"b7"``, at its resolution and dropout.

        Raises:
            ValueError: If there is no such network.
        """
        require_choice("name", name, EFFICIENTNETS)
        width, depth, resolution, dropout = EFFICIENTNETS[name]
        return cls(width=width, depth=depth, resolution=resolution, dropout=dropout)

    @property
    def _head(self) -> int:
        return scaled_channels(_HEAD, self.width)

    @property
    def _norm(self) -> dict[str, Any]:
        return {**super()._norm, "act": nn.SiLU}


@dataclass(frozen=True, kw_only=True)
class MnasNet(_Bottlenecks):
    """MnasNet A1 (by default) or B1, with the width multipliers of the paper.

    The head keeps its 1,280 channels at every width.

    Args:
        width: Factor of all other channels, such as 0.35, 0.5, 0.75 or 1.4.
        depth: Factor of the layers of every stage.
        resolution: Pixels.
        dropout: Before the classifier.
        drop_path: See :class:`EfficientNet`.
        stages: At width and depth 1.0.
        stem: Channels of the first convolution, at width 1.0.
        stem_stride: 2, or 1 for small images.

    Example::

        from optuna_nas.scaling import MnasNet

        print(MnasNet.named("b1").scaled(width=0.5).profile())
    """

    dropout: float = 0.2
    stages: tuple[Stage, ...] = MNASNET_A1

    @classmethod
    def named(cls, name: str) -> MnasNet:
        """Return ``"a1"`` or ``"b1"``.

        Raises:
            ValueError: If there is no such network.
        """
        require_choice("name", name, _MNASNETS)
        return cls(stages=_MNASNETS[name])


@dataclass(frozen=True, kw_only=True)
class MobileNetV2(_Bottlenecks):
    """MobileNetV2. The head grows with the width, but never shrinks.

    Args:
        width: Factor of all channels.
        depth: Factor of the layers of every stage.
        resolution: Pixels.
        dropout: Before the classifier.
        drop_path: See :class:`EfficientNet`.
        stages: At width and depth 1.0.
        stem: Channels of the first convolution, at width 1.0.
        stem_stride: 2, or 1 for small images.
    """

    dropout: float = 0.2
    stages: tuple[Stage, ...] = _MOBILENET_V2

    @property
    def _head(self) -> int:
        return scaled_channels(_HEAD, max(1.0, self.width))

    @property
    def _norm(self) -> dict[str, Any]:
        return {"bn_momentum": 0.1, "norm_eps": 1e-5, "act": nn.ReLU6}


def efficientnet(
    name: str, *, num_classes: int = 1000, in_channels: int = 3, features_only: bool = False
) -> nn.Module:
    """Build a released EfficientNet: ``(B, in_channels, H, W) -> (B, num_classes)``.

    Args:
        name: ``"b0"`` to ``"b7"``; ``EfficientNet.named(name)`` is the value behind it, with its
            resolution.
        num_classes: Number of logits; 0 for pooled features.
        in_channels: Channels of an image.
        features_only: Whether forward returns the list of feature maps, one per resolution.

    Raises:
        ValueError: If there is no such network.

    Example::

        from optuna_nas.scaling import efficientnet

        model = efficientnet("b0", num_classes=10)
    """
    return EfficientNet.named(name).build(
        num_classes=num_classes, in_channels=in_channels, features_only=features_only
    )
