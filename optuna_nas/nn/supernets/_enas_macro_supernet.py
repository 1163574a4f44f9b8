"""The network in which ENAS searches whole networks: all operations in every layer, all skips.

Legend: ``B`` batch, ``I`` image channels, ``C`` channels, ``K`` classes, ``H``/``W`` height and
width.

References:
    - Pham, Guan, Zoph, Le, Dean. Efficient Neural Architecture Search via Parameter Sharing.
      ICML 2018. arXiv:1802.03268.

Differences from the released code:
    1. It computes all operations of a layer and takes one, and halves all states; here only what
       a child reads is computed, and gets gradients, momentum and weight decay.
    2. It has no mixture. Here an operation may be weighted, and so may a skip, by the weight of
       its being there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from optuna_nas._ground.checks import require_bool, require_sizes
from optuna_nas.nn.networks import (
    ClassifierHead,
    FeatureInfo,
    FeatureMap,
    Taps,
    head_classes,
    macro_op_parts,
    macro_reductions,
)
from optuna_nas.nn.ops import (
    ConvNormAct,
    FactorizedReduction,
    check_width,
    conv2d,
    pool2d,
    use_batch_statistics,
)
from optuna_nas.nn.supernets._features import FeatureSupernet
from optuna_nas.nn.supernets._mixed import add_up
from optuna_nas.nn.supernets._mixed_op import MixedOp, Selection

__all__ = ["ENASMacroSupernet"]


class ENASMacroSupernet(FeatureSupernet):
    """A stem, layers of mixed operations with added skips, a head: ``(B, I, H, W) -> (B, K)``.

    State 0 is the stem's output, state ``k`` that of layer ``k``: its operation on the previous
    state, plus the states that it skips to, then batch norm. After the layers L // 3 and
    2 * (L // 3) every state is halved by a factorised reduction of its own; all have ``C``
    channels, unlike in the network that is trained at the end.

    Args:
        layers: For layers 1, 2, ... the name of the decision on its operation, and for the
            decision on each of its skips, by name, the state that is added.
        choices: The operations of each layer; for a skip the booleans among which it is chosen.
        num_classes: ``K``, number of logits; 0 for pooled features.
        in_channels: ``I``, channels of the image.
        channels: ``C``, at least 2.
        dropout: Probability of dropping a feature before the classifier.
        track_running_stats: Whether the batch norms keep running statistics; if not, they use
            those of the batch, in evaluation as well.
        features_only: Whether forward returns the list of feature maps, the last of each
            resolution, from high to low.

    Raises:
        ValueError: If a number is too small.
    """

    def __init__(
        self,
        layers: Sequence[tuple[str, Mapping[str, int]]],
        choices: Mapping[str, Sequence[Any]],
        *,
        num_classes: int,
        in_channels: int,
        channels: int,
        dropout: float,
        track_running_stats: bool,
        features_only: bool = False,
    ) -> None:
        super().__init__()
        classes = head_classes(num_classes, features_only=features_only)
        require_sizes(in_channels=in_channels)
        check_width(channels)
        require_bool("track_running_stats", track_running_stats)
        self.layers = layers
        self.choices = choices
        self.stem = ConvNormAct(in_channels, channels, (3, 3), act=False)
        self.ops = nn.ModuleList(
            MixedOp([_make_op(op, channels) for op in choices[name]]) for name, _ in layers
        )
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(channels) if k > 1 else nn.Identity() for k in range(1, len(layers) + 1)
        )
        self.reductions = nn.ModuleDict(
            {
                str(k): nn.ModuleList(
                    FactorizedReduction(channels, channels, act=False) for _ in range(k + 1)
                )
                for k in macro_reductions(len(layers))
            }
        )
        halvings = [
            sum(r < k for r in macro_reductions(len(layers))) for k in range(1, len(layers) + 1)
        ]
        self.features_only = features_only
        self.feature_info = FeatureInfo.last_of_each(
            FeatureMap(channels, 2**count, f"norms.{k}") for k, count in enumerate(halvings)
        )
        self.head = ClassifierHead(channels, classes, dropout=dropout, bias=False)
        if not track_running_stats:
            use_batch_statistics(self)

    def _run(self, x: torch.Tensor, selection: Selection, taps: Taps) -> torch.Tensor:
        states: dict[int, torch.Tensor] = {0: self.stem(x)}
        for k, (name, _) in enumerate(self.layers, start=1):
            shares = self._shares(k, selection)
            skipped = [share * states[state] for state, share in shares.items()]
            result = self.ops[k - 1](states[k - 1], selection[name])
            states[k] = self.norms[k - 1](add_up([result, *skipped]))
            taps.take(f"norms.{k - 1}", states[k])
            if str(k) in self.reductions:
                states = self._reduce(states, k, selection)
        return states[len(self.layers)]

    def _shares(self, k: int, selection: Selection) -> dict[int, torch.Tensor | float]:
        """Return the states that layer ``k`` adds, and to which degree."""
        shares: dict[int, torch.Tensor | float] = {}
        for name, state in self.layers[k - 1][1].items():
            chosen, values = selection[name], self.choices[name]
            if not isinstance(chosen, int):
                shares[state] = chosen[values.index(True)]
            elif values[chosen]:
                shares[state] = 1.0
        return shares

    def _reduce(
        self, states: dict[int, torch.Tensor], k: int, selection: Selection
    ) -> dict[int, torch.Tensor]:
        """Halve the states that are read again."""
        reductions = self.reductions[str(k)]
        assert isinstance(reductions, nn.ModuleList)
        later = range(k + 1, len(self.layers) + 1)
        read = {k}.union(*(self._shares(layer, selection) for layer in later))
        return {i: reductions[i](state) for i, state in states.items() if i in read}


def _make_op(op: str, channels: int) -> nn.Sequential:
    """1x1 convolution, then the operation; batch norm and ReLU after each convolution."""
    first = ConvNormAct(channels, channels, (1, 1))
    kind, kernel = macro_op_parts(op)
    if kind == "conv":
        return nn.Sequential(first, ConvNormAct(channels, channels, (kernel, kernel)))
    if kind == "sep_conv":
        depthwise = conv2d(channels, channels, kernel, groups=channels)
        return nn.Sequential(first, depthwise, ConvNormAct(channels, channels, (1, 1)))
    return nn.Sequential(first, pool2d(kind.removesuffix("_pool"), kernel))
