"""Supernets of images that give their feature maps, as the networks of their spaces do."""

from __future__ import annotations

from typing import Any

import torch

from optuna_nas.nn.networks import MapNetwork, Taps
from optuna_nas.nn.supernets._mixed_op import Selection

__all__ = ["FeatureSupernet"]


class FeatureSupernet(MapNetwork):
    """Base of supernets that end in a head; a subclass writes ``_run``.

    ``(B, I, H, W) -> (B, K)``; with ``features_only`` a list of maps ``(B, C, H', W')``.
    """

    def forward(self, x: torch.Tensor, selection: Selection) -> Any:
        if self.features_only:
            taps = self._taps()
            self._run(x, selection, taps)
            return self._maps(taps)
        return self.head(self._run(x, selection, Taps()))

    def forward_features(self, x: torch.Tensor, selection: Selection) -> torch.Tensor:
        """Return the map that the head pools: ``(B, I, H, W) -> (B, num_features, H', W')``."""
        features: torch.Tensor = self.head.act(self._run(x, selection, Taps()))
        return features

    def _run(self, x: torch.Tensor, selection: Selection, taps: Taps) -> torch.Tensor:
        """Return the map that the head reads, and have others kept on the way."""
        raise NotImplementedError
