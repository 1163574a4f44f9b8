"""Cell and skeleton of NAS-Bench-201, exactly as published.

Legend: ``B`` batch, ``C`` channels, ``H``/``W`` height and width.

References:
    - Dong, Yang. NAS-Bench-201. ICLR 2020. arXiv:2001.00326.

Differences from the paper's code:
    1. Odd maps are rounded up where the release fails on them (see ``ResidualReduction``).
    2. The edges with ``none`` are left out instead of adding zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import nn

from optuna_nas._ground.checks import require_sizes
from optuna_nas.nn.networks._errors import check_image_size
from optuna_nas.nn.networks._features import (
    FeatureInfo,
    FeatureMap,
    FeatureNetwork,
    Taps,
    head_classes,
    run_tapped,
)
from optuna_nas.nn.networks._head import ClassifierHead
from optuna_nas.nn.ops import ConvNormAct, ReLUConvBN, ResidualReduction, avg_pool

__all__ = ["NASBench201Cell", "NASBench201Network"]

NUM_REDUCTIONS = 2
# Two halvings, rounded up, and the second must find at least 2 pixels: 3 -> 2 -> 1.
SMALLEST_IMAGE = 3


class NASBench201Cell(nn.Module):
    """A node is the sum of its incoming edges: ``(B, C, H, W) -> (B, C, H, W)``.

    Args:
        nodes: For nodes 1, 2, ... the operation on the edge from each earlier node:
            ``(("none",), ("skip_connect", "nor_conv_3x3"), ...)``.
        channels: ``C``.
    """

    def __init__(self, nodes: Sequence[Sequence[str]], channels: int) -> None:
        super().__init__()
        self.sources = [[j for j, op in enumerate(ops) if op != "none"] for ops in nodes]
        self.nodes = nn.ModuleList(
            nn.ModuleList(nasbench201_op(ops[j], channels) for j in sources)
            for ops, sources in zip(nodes, self.sources, strict=True)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states = [x]
        for edges, sources in zip(self.nodes, self.sources, strict=True):
            assert isinstance(edges, nn.ModuleList)
            terms = [edge(states[j]) for edge, j in zip(edges, sources, strict=True)]
            states.append(sum(terms[1:], start=terms[0]) if terms else torch.zeros_like(x))
        return states[-1]


class NASBench201Network(FeatureNetwork):
    """Three stages of cells with residual reductions between: ``(B, I, H, W) -> (B, classes)``.

    Its feature maps are described in :class:`MapNetwork`.

    Args:
        nodes: The cell, as :class:`NASBench201Cell` takes it, or what makes a cell of ``C``
            channels.
        num_classes: Number of logits; 0 for pooled features.
        in_channels: ``I``, channels of the image.
        cells: Cells in each stage (``N`` in the paper).
        channels: Channels of the first stage (``C``); doubled at each reduction.
        features_only: Whether forward returns the list of feature maps, the last of each
            resolution, from high to low.

    Raises:
        ValueError: If an argument is below 1.
        ImageTooSmallError: In ``forward``, for images below 3x3.
    """

    def __init__(
        self,
        nodes: Sequence[Sequence[str]] | Callable[[int], nn.Module],
        *,
        num_classes: int,
        in_channels: int,
        cells: int,
        channels: int,
        features_only: bool = False,
    ) -> None:
        super().__init__()
        classes = head_classes(num_classes, features_only=features_only)
        require_sizes(in_channels=in_channels, cells=cells, channels=channels)
        make_cell = nodes if callable(nodes) else partial(NASBench201Cell, nodes)
        self.stem = ConvNormAct(in_channels, channels, (3, 3), act=False)
        layers: list[nn.Module] = []
        maps: list[FeatureMap] = []
        for stage in range(NUM_REDUCTIONS + 1):
            if stage > 0:
                layers.append(ResidualReduction(channels, 2 * channels))
                channels *= 2
            layers += [make_cell(channels) for _ in range(cells)]
            last = stage == NUM_REDUCTIONS
            name = "act" if last else f"cells.{len(layers) - 1}"
            maps.append(FeatureMap(channels, 2**stage, name))
        self.features_only = features_only
        self.feature_info = FeatureInfo(maps)
        self.cells = nn.Sequential(*layers)
        self.act = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU())
        self.head = ClassifierHead(channels, classes)

    def _run(self, x: torch.Tensor, taps: Taps) -> torch.Tensor:
        check_image_size(x, SMALLEST_IMAGE)
        return run_tapped(
            self.act, "act", run_tapped(self.cells, "cells", self.stem(x), taps), taps
        )


def nasbench201_op(op: str, channels: int, *, affine: bool = True) -> nn.Module:
    """Make an operation other than ``none``: ``(B, C, H, W) -> (B, C, H, W)``."""
    if op == "skip_connect":
        return nn.Identity()
    if op == "avg_pool_3x3":
        return avg_pool(3)
    kernel_sizes = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}
    return ReLUConvBN(channels, channels, kernel_sizes[op], affine=affine)
