"""The whole networks of ENAS's macro space: a chain with concatenated skips.

Legend: ``B`` batch, ``I`` image channels, ``C`` channels, ``H``/``W`` height and width.

References:
    - Pham, Guan, Zoph, Le, Dean. Efficient Neural Architecture Search via Parameter Sharing.
      ICML 2018. arXiv:1802.03268.

Differences from the release (its fixed network):
    1. It cannot build pooling layers. Here they follow its pattern: ReLU, 1x1 convolution, batch
       norm, ReLU, pool.
    2. It turns separable convolutions into full ones; ask for ``conv_3x3`` to have that.
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
)
from optuna_nas.nn.networks._head import ClassifierHead
from optuna_nas.nn.ops import ConvNormAct, FactorizedReduction, ReLUConvBN, ReLUSepConvBN, pool2d

__all__ = ["ENASMacroNetwork", "macro_op_parts", "macro_reductions"]


class ENASMacroNetwork(FeatureNetwork):
    """A stem and layers that each read the previous one and some earlier states.

    ``(B, I, H, W) -> (B, num_classes)``. State 0 is the stem's output, state ``k`` that of layer
    ``k``. After the layers L // 3 and 2 * (L // 3) every state is halved and widened to twice the
    channels by a factorised reduction of its own. Odd maps are rounded up, so that images of any
    size will do. Its feature maps are described in :class:`MapNetwork`.

    Args:
        layers: For layers 1, 2, ... the operation, and the states that are concatenated with its
            result (beside the previous state, which the operation reads).
        num_classes: Number of logits; 0 for pooled features.
        in_channels: ``I``.
        channels: ``C`` before the first reduction.
        dropout: Before the classifier.
        features_only: Whether forward returns the list of feature maps, the last of each
            resolution, from high to low.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        layers: Sequence[tuple[str, Sequence[int]]],
        *,
        num_classes: int,
        in_channels: int,
        channels: int,
        dropout: float,
        features_only: bool = False,
    ) -> None:
        super().__init__()
        classes = head_classes(num_classes, features_only=features_only)
        require_sizes(in_channels=in_channels, channels=channels)
        self.skips = [tuple(skips) for _, skips in layers]
        self.stem = ConvNormAct(in_channels, channels, (3, 3), act=False)
        self.ops = nn.ModuleList()
        self.joins = nn.ModuleList()
        self.reductions = nn.ModuleDict()
        reduction = 1
        maps: list[FeatureMap] = []
        for k, (op, skips) in enumerate(layers, start=1):
            self.ops.append(_make_op(op, channels))
            wide = (len(skips) + 1) * channels
            self.joins.append(ReLUConvBN(wide, channels, 1) if k > 1 else nn.Identity())
            maps.append(FeatureMap(channels, reduction, f"joins.{k - 1}"))
            if k in macro_reductions(len(layers)):
                self.reductions[str(k)] = nn.ModuleList(
                    FactorizedReduction(channels, 2 * channels, act=False) for _ in range(k + 1)
                )
                channels, reduction = 2 * channels, 2 * reduction
        self.features_only = features_only
        self.feature_info = FeatureInfo.last_of_each(maps)
        self.head = ClassifierHead(channels, classes, dropout=dropout, bias=False)

    def _run(self, x: torch.Tensor, taps: Taps) -> torch.Tensor:
        states: dict[int, torch.Tensor] = {0: self.stem(x)}
        for k, (op, join) in enumerate(zip(self.ops, self.joins, strict=True), start=1):
            result = op(states[k - 1])
            skipped = [states[i] for i in self.skips[k - 1]]
            states[k] = join(torch.cat([*skipped, result], dim=1))
            taps.take(f"joins.{k - 1}", states[k])
            if str(k) in self.reductions:
                states = self._reduce(states, self.reductions[str(k)], k)
        return states[len(self.skips)]

    def _reduce(
        self, states: dict[int, torch.Tensor], reductions: nn.Module, k: int
    ) -> dict[int, torch.Tensor]:
        """Halve the states that are read again; the others' reductions only hold weights."""
        assert isinstance(reductions, nn.ModuleList)
        read = {k}.union(*self.skips[k:])
        return {i: reductions[i](state) for i, state in states.items() if i in read}


def macro_reductions(num_layers: int) -> tuple[int, ...]:
    """Return the layers (from 1) after which the maps are halved; none with fewer than three."""
    third = num_layers // 3
    return (third, 2 * third) if third else ()


def macro_op_parts(op: str) -> tuple[str, int]:
    """Return the kind (conv, sep_conv, avg_pool or max_pool) and the side of the kernel."""
    kind, _, size = op.rpartition("_")  # 3x3 or 5x5
    return kind, int(size[0])


def _make_op(op: str, channels: int) -> nn.Sequential:
    first = ReLUConvBN(channels, channels, 1)
    kind, kernel = macro_op_parts(op)
    if kind == "conv":
        return nn.Sequential(first, ReLUConvBN(channels, channels, kernel))
    if kind == "sep_conv":
        return nn.Sequential(first, ReLUSepConvBN(channels, channels, kernel))
    return nn.Sequential(first, nn.ReLU(), pool2d(kind.removesuffix("_pool"), kernel))
