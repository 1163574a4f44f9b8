"""A chain of convolutions in which any layer may read any earlier one: the networks of NAS-RL.

Legend: ``B`` batch, ``I`` image channels, ``C`` channels, ``H``/``W`` height and width.

References:
    - Zoph, Le. Neural Architecture Search with Reinforcement Learning. ICLR 2017.
      arXiv:1611.01578. Section 3.3 has the rules that make every choice a network.

Differences from the paper:
    1. It does not say on which side a smaller input is padded; here it is centred, and an odd
       pixel is added below and on the right.
    2. It does not say what a layer behind a pool reads of the maps before it. Here all of them,
       the image too, are pooled, so that pooling is not undone by padding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from optuna_nas._ground.checks import require_sizes
from optuna_nas.nn.networks._features import (
    FeatureInfo,
    FeatureMap,
    FeatureNetwork,
    Reduction,
    Taps,
    head_classes,
)
from optuna_nas.nn.networks._head import ClassifierHead
from optuna_nas.nn.ops import ConvNormAct

__all__ = ["ConcatChain", "concat_padded"]

Pair = tuple[int, int]


class ConcatChain(FeatureNetwork):
    """Convolution layers with concatenated skip connections: ``(B, I, H, W) -> (B, classes)``.

    Its feature maps (:class:`MapNetwork`) are those of the last layers of each resolution, and
    for that of the map that the classifier reads, this map.

    Args:
        layers: For layers 1, 2, ... ``(kernel, stride, filters)``, kernel and stride as
            ``(height, width)``.
        inputs: States that each layer reads, and at the end the classifier: numbers of
            earlier layers, 0 is the image.
        num_classes: Number of logits; 0 for pooled features.
        in_channels: ``I``.
        pool_after: Layers (from 1) after which every map made so far, and the image, is halved
            by a 2x2 max pool, rounded up.
        features_only: Whether forward returns the list of feature maps, the last of each
            resolution, from high to low.
    """

    def __init__(
        self,
        layers: Sequence[tuple[Pair, Pair, int]],
        inputs: Sequence[Sequence[int]],
        *,
        num_classes: int,
        in_channels: int,
        pool_after: Sequence[int] = (),
        features_only: bool = False,
    ) -> None:
        super().__init__()
        self.pool_after = frozenset(pool_after)
        classes = head_classes(num_classes, features_only=features_only)
        require_sizes(in_channels=in_channels)
        *self.inputs, self.outputs = inputs
        channels = [in_channels]
        self.layers = nn.ModuleList()
        for (kernel, stride, filters), sources in zip(layers, self.inputs, strict=True):
            width = sum(channels[i] for i in sources)
            self.layers.append(ConvNormAct(width, filters, kernel, stride=stride))
            channels.append(filters)
        joined = sum(channels[i] for i in self.outputs)
        *sides, final = self._reductions([stride for _, stride, _ in layers])
        maps = [
            FeatureMap(width, side, f"layers.{k}")
            for k, (width, side) in enumerate(zip(channels[1:], sides, strict=True))
        ]
        self.features_only = features_only
        self.feature_info = FeatureInfo.last_of_each([*maps, FeatureMap(joined, final, "head")])
        self.head = ClassifierHead(joined, classes)

    def _reductions(self, strides: Sequence[Pair]) -> list[Reduction]:
        """Return the reduction of what each layer makes, and of the map that the head reads."""
        states: list[Pair] = [(1, 1)]
        made: list[Pair] = []
        for k, (stride, sources) in enumerate(zip(strides, self.inputs, strict=True), start=1):
            found = _largest([states[i] for i in sources])
            made.append((found[0] * stride[0], found[1] * stride[1]))
            states.append(made[-1])
            if k in self.pool_after:
                states = [(2 * height, 2 * width) for height, width in states]
        made.append(_largest([states[i] for i in self.outputs]))
        return [height if height == width else (height, width) for height, width in made]

    def _run(self, x: torch.Tensor, taps: Taps) -> torch.Tensor:
        maps = [x]
        for k, (layer, sources) in enumerate(zip(self.layers, self.inputs, strict=True), start=1):
            maps.append(layer(concat_padded([maps[i] for i in sources])))
            taps.take(f"layers.{k - 1}", maps[-1])
            if k in self.pool_after:
                maps = [F.max_pool2d(earlier, 2, ceil_mode=True) for earlier in maps]
        joined = concat_padded([maps[i] for i in self.outputs])
        taps.take("head", joined)
        return joined


def _largest(reductions: Sequence[Pair]) -> Pair:
    """The reduction of maps that are padded to the largest of them."""
    heights, widths = zip(*reductions, strict=True)
    return min(heights), min(widths)


def concat_padded(maps: Sequence[torch.Tensor]) -> torch.Tensor:
    """Join maps ``(B, C_i, H_i, W_i)`` as ``(B, sum C_i, max H_i, max W_i)``, padded by zeros."""
    height = max(x.shape[2] for x in maps)
    width = max(x.shape[3] for x in maps)
    return torch.cat([_pad_to(x, height, width) for x in maps], dim=1)


def _pad_to(x: torch.Tensor, height: int, width: int) -> torch.Tensor:
    below, right = height - x.shape[2], width - x.shape[3]
    if below == right == 0:
        return x
    top, left = below // 2, right // 2
    return F.pad(x, (left, right - left, top, below - top))
