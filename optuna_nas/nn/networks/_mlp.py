"""Multilayer perceptrons of tables: embedded features, normalised and residual layers.

Legend: ``B`` batch, ``F`` features, ``O`` outputs, ``W`` units of a layer, ``D`` numbers that
embed one feature, ``K`` frequencies.

References:
    - Gorishniy, Rubachev, Babenko. On Embeddings for Numerical Features in Tabular Deep Learning.
      NeurIPS 2022. arXiv:2203.05556. The embeddings.
    - He et al. Deep Residual Learning for Image Recognition. CVPR 2016. arXiv:1512.03385.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from optuna_nas._ground.bounds import MAX_CLASSES
from optuna_nas._ground.checks import (
    is_number,
    require_choice,
    require_int,
    require_positive,
    require_share,
    require_sizes,
    shown,
)

__all__ = [
    "MLP_ACTIVATIONS",
    "MLP_NORMS",
    "FeatureEmbedding",
    "MLPNetwork",
    "TargetUnit",
    "table_rows",
]

MLP_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}
MLP_NORMS: dict[str, type[nn.Module]] = {
    "none": nn.Identity,
    "batch": nn.BatchNorm1d,
    "layer": nn.LayerNorm,
}
EMBEDDINGS = ("none", "periodic")


class MLPNetwork(nn.Module):
    """Hidden layers and an output layer: ``(B, F) -> (B, O)``.

    Rows of more dimensions, such as images, are flattened. ``F`` should be standardised.

    Args:
        widths: Units of the hidden layers, from the first on.
        activation: A key of ``MLP_ACTIVATIONS``.
        norm: ``"none"``, ``"batch"`` or ``"layer"``, before the activation.
        skip: Whether the second and later layers add their input to their output.
        dropout: Drop probability of hidden units, in [0, 1).
        embedding: ``"none"``, or how each feature is embedded; see :class:`FeatureEmbedding`.
        in_features: ``F``.
        out_features: ``O``.
        embedding_size: ``D``.
        frequencies: ``K``, of the periodic embedding.
        frequency_scale: Deviation of the frequencies at the start, more than 0.
        target_mean: Mean of each target, or of all; None: 0.
        target_std: Deviation of each target, or of all, in which outputs are multiplied; None: 1.

    Raises:
        ValueError: If an argument is out of range; in ``forward``, for rows of another size.
    """

    def __init__(
        self,
        widths: Sequence[int],
        *,
        activation: str,
        norm: str,
        skip: bool,
        dropout: float,
        embedding: str,
        in_features: int,
        out_features: int,
        embedding_size: int,
        frequencies: int,
        frequency_scale: float,
        target_mean: Sequence[float] | float | None = None,
        target_std: Sequence[float] | float | None = None,
    ) -> None:
        super().__init__()
        require_sizes(in_features=in_features)
        require_int("out_features", out_features, at_most=MAX_CLASSES)
        self.in_features = in_features
        self.embedding = FeatureEmbedding(
            embedding, in_features, embedding_size, frequencies, frequency_scale
        )
        before = self.embedding.out_features
        layers = []
        for number, width in enumerate(widths):
            layers.append(
                MLPLayer(
                    before,
                    width,
                    activation=activation,
                    norm=norm,
                    skip=skip and number > 0,
                    dropout=dropout,
                )
            )
            before = width
        self.layers = nn.ModuleList(layers)
        self.head = nn.Linear(before, out_features)
        self.unit = TargetUnit(target_mean, target_std, out_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embedding(table_rows(x, self.in_features))
        for layer in self.layers:
            x = layer(x)
        out: torch.Tensor = self.unit(self.head(x))
        return out


class MLPLayer(nn.Module):
    """Linear map, norm, activation, dropout, and perhaps the input again: ``(B, V) -> (B, W)``.

    Args:
        before: ``V``, units of the layer before.
        width: ``W``.
        activation: A key of ``MLP_ACTIVATIONS``.
        norm: ``"none"``, ``"batch"`` or ``"layer"``.
        skip: Whether the input is added: as it is, or by a linear map where ``V`` is not ``W``.
        dropout: In [0, 1).
    """

    def __init__(
        self, before: int, width: int, *, activation: str, norm: str, skip: bool, dropout: float
    ) -> None:
        super().__init__()
        require_sizes(width=width)
        require_choice("activation", activation, MLP_ACTIVATIONS)
        require_choice("norm", norm, MLP_NORMS)
        require_share("dropout", dropout)
        self.linear = nn.Linear(before, width)
        self.norm = MLP_NORMS[norm](width)
        self.act = MLP_ACTIVATIONS[activation]()
        self.dropout = nn.Dropout(dropout)
        self.shortcut: nn.Module | None = None
        if skip:
            same = before == width
            self.shortcut = nn.Identity() if same else nn.Linear(before, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.dropout(self.act(self.norm(self.linear(x))))
        return y if self.shortcut is None else y + self.shortcut(x)


class FeatureEmbedding(nn.Module):
    """Numbers for each feature instead of the feature alone: ``(B, F) -> (B, F * D)``.

    - ``"none"``: the features as they are, ``(B, F)``.
    - ``"periodic"``: a linear map of sines and cosines of the feature at learned frequencies, and
      ReLU, by which a network learns functions that bend at many places.

    Each feature has weights of its own.

    Args:
        kind: One of the two.
        features: ``F``.
        size: ``D``.
        frequencies: ``K``.
        scale: Deviation of the frequencies at the start; the larger, the faster the functions
            change that are learned first.
    """

    def __init__(
        self, kind: str, features: int, size: int, frequencies: int, scale: float
    ) -> None:
        super().__init__()
        require_choice("embedding", kind, EMBEDDINGS)
        require_sizes(embedding_size=size, frequencies=frequencies)
        require_positive("frequency_scale", scale)
        self.kind = kind
        self.out_features = features if kind == "none" else features * size
        if kind == "none":
            return
        self.frequencies = nn.Parameter(scale * torch.randn(features, frequencies))
        bound = (2 * frequencies) ** -0.5  # as torch's linear layers
        shape = (features, 2 * frequencies, size)
        self.weight = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(features, size).uniform_(-bound, bound))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.kind == "none":
            return x
        angles = 2 * math.pi * x[..., None] * self.frequencies  # (B, F, K)
        waves = torch.cat((angles.cos(), angles.sin()), -1)  # (B, F, 2K)
        mapped = torch.einsum("bfk,fkd->bfd", waves, self.weight) + self.bias
        return mapped.relu().flatten(1)


class TargetUnit(nn.Module):
    """Outputs in the unit of the targets, so that a network learns standardised ones.

    Args:
        mean: Mean of each target, or of all; None: 0.
        std: Their deviations, more than 0; None: 1.
        outputs: ``O``.

    Raises:
        ValueError: If there is not one number for each output, or for all.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self,
        mean: Sequence[float] | float | None,
        std: Sequence[float] | float | None,
        outputs: int,
    ) -> None:
        super().__init__()
        self.is_identity = mean is None and std is None
        if self.is_identity:
            return
        self.register_buffer("mean", _column("target_mean", mean, 0.0, outputs))
        self.register_buffer("std", _column("target_std", std, 1.0, outputs, positive=True))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if self.is_identity else x * self.std + self.mean


def table_rows(x: torch.Tensor, features: int) -> torch.Tensor:
    """Return inputs as rows (B, F).

    Raises:
        ValueError: If they have another number of features.
    """
    rows = x.flatten(1) if x.ndim > 2 else x
    if rows.ndim != 2 or rows.shape[1] != features:
        raise ValueError(
            f"The rows of a table must have the in_features={features} numbers that the network "
            f"was built for, but inputs have shape {tuple(x.shape)}: build it with another "
            "in_features, such as build={'in_features': ...} of an objective."
        )
    return rows


def _column(
    name: str,
    values: Sequence[float] | float | None,
    otherwise: float,
    outputs: int,
    *,
    positive: bool = False,
) -> torch.Tensor:
    given: Any = otherwise if values is None else values
    numbers = [given] if is_number(given) else given
    is_row = isinstance(numbers, list | tuple) and len(numbers) in (1, outputs)
    if not is_row or not all(is_number(n) and (n > 0 or not positive) for n in numbers):
        kind = "positive number" if positive else "number"
        raise ValueError(
            f"`{name}` must be one {kind}, or one for each of {outputs} outputs, but got "
            f"{name}={shown(values)}."
        )
    return torch.tensor([float(n) for n in numbers])
