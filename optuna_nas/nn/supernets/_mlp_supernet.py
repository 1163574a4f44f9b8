"""All multilayer perceptrons of a space in one network, on shared weights.

Legend: ``B`` batch, ``F`` features, ``O`` outputs, ``W`` units of the widest layer, ``V`` and
``U`` units of a layer and of the one before it.

The first units of a layer are those of every narrower one, as in slimmable networks, and all
depths read one output layer. Norms are not shared between widths, since their statistics differ.

References:
    - Yu, Yang, Xu, Yang, Huang. Slimmable Neural Networks. ICLR 2019. arXiv:1812.08928.
    - Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019. arXiv:1806.09055.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from optuna_nas.nn.networks import (
    MLP_ACTIVATIONS,
    MLP_NORMS,
    FeatureEmbedding,
    TargetUnit,
    table_rows,
)
from optuna_nas.nn.supernets._mixed_op import Selection, Weights

__all__ = ["MLPSupernet"]


class MLPSupernet(nn.Module):
    """Layers of which all widths, norms and activations take part: ``(B, F) -> (B, O)``.

    Args:
        widths: Name of the decision on each layer's units, for as many layers as the deepest
            network has.
        choices: Choices by the names of ``widths``, and by ``num_layers``, ``activation``,
            ``norm``, ``skip``, ``dropout`` and ``embedding``. What is decided has one choice.
        projects: Whether all shortcuts are linear maps, since layers may differ in width.
        in_features: ``F``.
        out_features: ``O``.
        embedding: Arguments of :class:`FeatureEmbedding` beside kind and features.
        target_mean: See :class:`TargetUnit`.
        target_std: See there.
    """

    def __init__(
        self,
        widths: Sequence[str],
        choices: Mapping[str, Sequence[Any]],
        *,
        projects: bool,
        in_features: int,
        out_features: int,
        embedding: Mapping[str, Any],
        target_mean: Sequence[float] | float | None,
        target_std: Sequence[float] | float | None,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.depths = tuple(choices["num_layers"])
        widest = max(max(choices[name]) for name in widths)
        embeddings = [
            FeatureEmbedding(kind, in_features, **embedding) for kind in choices["embedding"]
        ]
        self.first = nn.ModuleList(
            nn.Sequential(one, nn.Linear(one.out_features, widest)) for one in embeddings
        )
        self.layers = nn.ModuleList(
            _MixedLayer(name, choices, widest, first=number == 0, projects=projects)
            for number, name in enumerate(widths)
        )
        self.head = nn.Linear(widest, out_features)
        self.unit = TargetUnit(target_mean, target_std, out_features)

    def forward(self, x: torch.Tensor, selection: Selection) -> torch.Tensor:
        rows = table_rows(x, self.in_features)
        depths = selection.get("num_layers", 0)
        x = _weighted(lambda one: one(rows), [*self.first], selection["embedding"])
        reached = []
        count = self.depths[depths] if isinstance(depths, int) else len(self.layers)
        for layer in self.layers[:count]:
            x = layer(x, selection)
            reached.append(x)
        if not isinstance(depths, int):
            # Every depth ends in the same output layer, so that mixing its inputs is enough.
            ends = [_padded(reached[depth - 1], self.head.in_features) for depth in self.depths]
            x = (depths * torch.stack(ends, -1)).sum(-1)
        out: torch.Tensor = self.unit(_sliced(self.head, x, self.head.out_features))
        return out


class _MixedLayer(nn.Module):
    """One layer of all widths: ``(B, U) -> (B, V)``, and ``(B, W)`` where widths are mixed."""

    def __init__(
        self,
        width: str,
        choices: Mapping[str, Sequence[Any]],
        widest: int,
        *,
        first: bool,
        projects: bool,
    ) -> None:
        super().__init__()
        self.width = width
        self.widths = tuple(choices[width])
        self.skips = tuple(choices["skip"])
        self.rates = tuple(choices["dropout"])
        self.widest = widest
        self.acts = nn.ModuleList(MLP_ACTIVATIONS[name]() for name in choices["activation"])
        self.norms = nn.ModuleList(
            nn.ModuleList(MLP_NORMS[name](units) for name in choices["norm"])
            for units in self.widths
        )
        # What the first layer's linear map reads depends on the embedding: the network has it.
        self.linear = None if first else nn.Linear(widest, widest)
        shortcut = projects and not first and True in self.skips
        self.shortcut = nn.Linear(widest, widest, bias=False) if shortcut else None

    def forward(self, x: torch.Tensor, selection: Selection) -> torch.Tensor:
        chosen = selection[self.width]
        units = self.widths[chosen] if isinstance(chosen, int) else self.widest
        mapped = x[:, :units] if self.linear is None else _sliced(self.linear, x, units)
        y = _weighted(
            lambda choice: _padded(
                self._activated(mapped[:, : choice[0]], choice[1], selection), units
            ),
            [*zip(self.widths, self.norms, strict=True)],
            chosen,
        )
        y = self._dropped(y, selection["dropout"])
        if self.linear is None:
            return y
        share = self._skip_share(selection["skip"])
        if isinstance(share, float) and share == 0.0:
            return y
        added = x if self.shortcut is None else _sliced(self.shortcut, x, units)
        return y + share * self._within_width(added, chosen)

    def _activated(
        self, x: torch.Tensor, norms: nn.ModuleList, selection: Selection
    ) -> torch.Tensor:
        normed = _weighted(lambda norm: norm(x), [*norms], selection["norm"])
        return _weighted(lambda act: act(normed), [*self.acts], selection["activation"])

    def _dropped(self, x: torch.Tensor, weights: Weights) -> torch.Tensor:
        if not self.training:
            return x
        return _weighted(lambda rate: functional.dropout(x, rate), self.rates, weights)

    def _within_width(self, x: torch.Tensor, weights: Weights) -> torch.Tensor:
        """Weigh each unit by the layers that are wide enough to have it."""
        if isinstance(weights, int):
            return x
        number = torch.arange(self.widest, device=x.device)
        have = torch.stack([number < width for width in self.widths]).to(x.dtype)  # (O, W)
        return x * (weights.to(x.dtype) @ have)

    def _skip_share(self, weights: Weights) -> torch.Tensor | float:
        """Share of the input that is added: that of the choice True."""
        if isinstance(weights, int):
            return float(self.skips[weights])
        return weights[self.skips.index(True)]


def _weighted(
    compute: Callable[[Any], torch.Tensor], choices: Sequence[Any], weights: Weights
) -> torch.Tensor:
    """Compute what is chosen alone, or the weighted sum over all choices."""
    if isinstance(weights, int):
        return compute(choices[weights])
    total = weights[0] * compute(choices[0])
    for weight, choice in zip(weights[1:], choices[1:], strict=True):
        total = total + weight * compute(choice)
    return total


def _sliced(linear: nn.Linear, x: torch.Tensor, units: int) -> torch.Tensor:
    """Call the part of a linear layer from the first ``U`` units to the first ``units``."""
    bias = None if linear.bias is None else linear.bias[:units]
    return functional.linear(x, linear.weight[:units, : x.shape[1]], bias)


def _padded(x: torch.Tensor, units: int) -> torch.Tensor:
    """Add units that are zero, so that layers of different widths can be added up."""
    return functional.pad(x, (0, units - x.shape[1])) if x.shape[1] < units else x
