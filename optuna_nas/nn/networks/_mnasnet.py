"""Networks of the MnasNet family: a stem, stages of equal layers, a head.

MobileNetV2 and EfficientNet are of that family too.

Legend: ``B`` batch, ``I`` image channels, ``H``/``W`` height and width, ``n`` layers in all.

References:
    - Tan et al. MnasNet: Platform-Aware Neural Architecture Search for Mobile. CVPR 2019.
      arXiv:1807.11626.
    - Sandler et al. MobileNetV2. CVPR 2018. arXiv:1801.04381.
    - Tan and Le. EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks. ICML
      2019. arXiv:1905.11946. The rule of drop path.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from optuna_nas._ground.checks import require_probability, require_sizes
from optuna_nas._ground.stages import Stage
from optuna_nas.nn.networks._features import (
    FeatureInfo,
    FeatureMap,
    FeatureNetwork,
    Taps,
    head_classes,
    run_tapped,
)
from optuna_nas.nn.networks._head import ClassifierHead
from optuna_nas.nn.ops import (
    ConvBlock,
    ConvNormAct,
    MBConv,
    ShortcutBlock,
    scaled_channels,
    set_drop_path,
)

__all__ = ["MnasNetwork"]

EXPANSIONS = {"sep_conv": 1, "mbconv3": 3, "mbconv6": 6}
NORM_EPS = 1e-3  # of the release


class MnasNetwork(FeatureNetwork):
    """Stem, stages and head of MnasNet: ``(B, I, H, W) -> (B, num_classes)``.

    Maps are halved rounding up, so that images of any size will do. Layer ``i`` of ``n``, from 0,
    drops its path with ``drop_path * i / n``. Its feature maps (:class:`MapNetwork`) are those of
    the stages, as timm has them; the last convolution is not made for them.

    Args:
        stages: From the image to the head.
        stem: Channels of the first convolution, at width 1.0.
        head: Channels of the last convolution, at whatever width.
        num_classes: Number of logits; 0 for pooled features.
        in_channels: ``I``.
        width: Multiplies all other channels; see :func:`scaled_channels`.
        dropout: Before the classifier.
        bn_momentum: How much a batch counts in the running statistics.
        norm_eps: Number that batch norm adds to the variance.
        act: The activation, such as ``nn.ReLU6`` in MobileNetV2.
        stem_stride: Stride of the first convolution: 2, or 1 for small images.
        drop_path: Drop probability that the layers approach; :func:`set_drop_path` changes it.
        features_only: Whether forward returns the list of feature maps, the last of each
            resolution, from high to low.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        *,
        stem: int,
        head: int,
        num_classes: int,
        in_channels: int,
        width: float,
        dropout: float,
        bn_momentum: float,
        norm_eps: float = NORM_EPS,
        act: type[nn.Module] = nn.ReLU,
        stem_stride: int = 2,
        drop_path: float = 0.0,
        features_only: bool = False,
    ) -> None:
        super().__init__()
        classes = head_classes(num_classes, features_only=features_only)
        require_sizes(in_channels=in_channels)
        require_probability("bn_momentum", bn_momentum)
        channels = scaled_channels(stem, width)
        strides = (stem_stride, stem_stride)
        self.stem = ConvNormAct(in_channels, channels, (3, 3), stride=strides, act=act)
        self.stages = nn.Sequential()
        reduction = stem_stride
        maps = [FeatureMap(channels, reduction, "stem")]
        for number, stage in enumerate(stages):
            scaled = stage._replace(channels=scaled_channels(stage.channels, width))
            self.stages.append(_make_stage(scaled, channels, act))
            channels = scaled.channels
            reduction *= stage.stride
            maps.append(FeatureMap(channels, reduction, f"stages.{number}"))
        self.features_only = features_only
        self.feature_info = FeatureInfo.last_of_each(maps)
        self.features = (
            nn.Identity() if features_only else ConvNormAct(channels, head, (1, 1), act=act)
        )
        self.head = ClassifierHead(channels if features_only else head, classes, dropout=dropout)
        for module in self.modules():
            if isinstance(module, _BatchNorm):
                module.eps, module.momentum = norm_eps, bn_momentum
        layers = [module for module in self.modules() if isinstance(module, ShortcutBlock)]
        for i, layer in enumerate(layers):
            layer.drop_path.scale = i / len(layers)
        set_drop_path(self, drop_path)

    def _run(self, x: torch.Tensor, taps: Taps) -> torch.Tensor:
        x = run_tapped(self.stem, "stem", x, taps)
        features: torch.Tensor = self.features(run_tapped(self.stages, "stages", x, taps))
        return features


def _make_stage(stage: Stage, in_channels: int, act: type[nn.Module]) -> nn.Sequential:
    first = _make_layer(stage, in_channels, act)
    others = (stage.layers - 1) * [stage._replace(stride=1)]
    return nn.Sequential(first, *(_make_layer(layer, stage.channels, act) for layer in others))


def _make_layer(stage: Stage, in_channels: int, act: type[nn.Module]) -> ShortcutBlock:
    if stage.op == "conv":
        return ConvBlock(
            in_channels,
            stage.channels,
            stage.kernel,
            stride=stage.stride,
            skip=stage.skip,
            act=act,
        )
    return MBConv(
        in_channels,
        stage.channels,
        stage.kernel,
        expansion=EXPANSIONS[stage.op],
        stride=stage.stride,
        se_ratio=stage.se_ratio,
        skip=stage.skip,
        act=act,
    )
