"""All cells of NAS-Bench-201 in one network.

Legend: ``B`` batch, ``C`` channels, ``H``/``W`` height and width, ``O`` operations.

References:
    - Dong, Yang. NAS-Bench-201. ICLR 2020. arXiv:2001.00326.

Differences from the paper's code:
    1. ``none`` is not computed; its weight is lost as when zeros are added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from optuna_nas._ground.checks import require_bool
from optuna_nas.nn.networks import (
    SMALLEST_IMAGE,
    ClassifierHead,
    NASBench201Network,
    Taps,
    check_image_size,
    nasbench201_op,
)
from optuna_nas.nn.ops import use_batch_statistics
from optuna_nas.nn.supernets._features import FeatureSupernet
from optuna_nas.nn.supernets._mixed import add_up
from optuna_nas.nn.supernets._mixed_op import MixedOp, Selection

__all__ = ["NASBench201MixedCell", "NASBench201Supernet"]


class NASBench201MixedCell(nn.Module):
    """A cell with all operations on every edge: ``(B, C, H, W) -> (B, C, H, W)``.

    Args:
        edges: For nodes 1, 2, ... the name of the edge from each earlier node.
        choices: The operations of each edge.
        channels: ``C``.
        affine: Whether the batch norms have weights.
        track_running_stats: Whether they keep running statistics, or always use the batch's.
    """

    def __init__(
        self,
        edges: Sequence[Sequence[str]],
        choices: Mapping[str, Sequence[str]],
        channels: int,
        *,
        affine: bool,
        track_running_stats: bool,
    ) -> None:
        super().__init__()
        require_bool("affine", affine)
        require_bool("track_running_stats", track_running_stats)
        self.edges = edges
        self.mixed = nn.ModuleDict(
            {
                name: MixedOp(
                    [
                        None if op == "none" else nasbench201_op(op, channels, affine=affine)
                        for op in choices[name]
                    ]
                )
                for names in edges
                for name in names
            }
        )
        if not track_running_stats:
            use_batch_statistics(self)

    def forward(self, x: torch.Tensor, selection: Selection) -> torch.Tensor:
        states = [x]
        for names in self.edges:
            terms = [
                self.mixed[name](state, selection[name])
                for name, state in zip(names, states, strict=True)
            ]
            total = add_up(terms)
            states.append(torch.zeros_like(x) if total is None else total)
        return states[-1]


class NASBench201Supernet(FeatureSupernet):
    """The skeleton with mixed cells: ``(B, I, H, W) -> (B, num_classes)``.

    Args:
        edges: As :class:`NASBench201MixedCell` takes them.
        choices: The operations of each edge.
        num_classes: Number of logits; 0 for pooled features.
        in_channels: ``I``, channels of the image.
        cells: Cells in each stage.
        channels: Channels of the first stage.
        affine: Whether the batch norms of the cells have weights.
        track_running_stats: Whether they keep running statistics.
        features_only: Whether forward returns the list of feature maps, the last of each
            resolution, from high to low.

    Raises:
        ValueError: If a number is below 1.
        ImageTooSmallError: In ``forward``, for images below 3x3.
    """

    def __init__(
        self,
        edges: Sequence[Sequence[str]],
        choices: Mapping[str, Sequence[str]],
        *,
        num_classes: int,
        in_channels: int,
        cells: int,
        channels: int,
        affine: bool,
        track_running_stats: bool,
        features_only: bool = False,
    ) -> None:
        super().__init__()
        self.skeleton = NASBench201Network(
            lambda width: NASBench201MixedCell(
                edges, choices, width, affine=affine, track_running_stats=track_running_stats
            ),
            num_classes=num_classes,
            in_channels=in_channels,
            cells=cells,
            channels=channels,
            features_only=features_only,
        )
        self.features_only = features_only
        self.feature_info = self.skeleton.feature_info

    @property
    def head(self) -> ClassifierHead:  # type: ignore[override]
        """The head of the skeleton."""
        return self.skeleton.head

    def _run(self, x: torch.Tensor, selection: Selection, taps: Taps) -> torch.Tensor:
        check_image_size(x, SMALLEST_IMAGE)
        x = self.skeleton.stem(x)
        for number, layer in enumerate(self.skeleton.cells):
            x = layer(x, selection) if isinstance(layer, NASBench201MixedCell) else layer(x)
            taps.take(f"cells.{number}", x)
        x = self.skeleton.act(x)
        taps.take("act", x)
        return x
