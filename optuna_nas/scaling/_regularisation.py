"""Regularisation that grows with the network.

References:
    - Tan and Le. EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks. ICML
      2019. arXiv:1905.11946. Dropout from 0.2 for B0 to 0.5 for B7.
    - Bello et al. Revisiting ResNets: Improved Training and Scaling Strategies. NeurIPS 2021.
      arXiv:2103.07579. Dropout, stochastic depth and RandAugment grow with model and image.

Differences from the papers:
    1. The settings of single configurations are not published. Here they lie on a straight line
       over the logarithm of the multiply-adds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

from optuna_nas._ground.checks import is_int, is_number, shown
from optuna_nas.scaling._grid import ScalingGrid
from optuna_nas.scaling._network import ScalableNetwork

__all__ = ["GrowingRegularisation", "randaugment_magnitude"]

NetworkT = TypeVar("NetworkT", bound=ScalableNetwork)


@dataclass(frozen=True, kw_only=True)
class GrowingRegularisation:
    """Dropout and drop path between those of the smallest and of the largest network of a study.

    Args:
        smallest: Multiply-adds of the smallest network.
        largest: Multiply-adds of the largest one, more than ``smallest``.
        dropout: Rates of the smallest and of the largest network, in [0, 1).
        drop_path: Likewise; (0.0, 0.0) for networks without drop path.

    Raises:
        ValueError: If a number is out of range.

    Example::

        from optuna_nas.scaling import EfficientNet, GrowingRegularisation

        growing = GrowingRegularisation(
            smallest=385_814_752, largest=37_700_000_000, dropout=(0.2, 0.5)
        )
        assert growing.applied(EfficientNet(), 385_814_752).dropout == 0.2
    """

    smallest: int
    largest: int
    dropout: tuple[float, float] = (0.0, 0.4)
    drop_path: tuple[float, float] = (0.0, 0.2)

    def __post_init__(self) -> None:
        sizes = (self.smallest, self.largest)
        if not all(map(is_int, sizes)) or not 0 < self.smallest < self.largest:
            raise ValueError(
                "`smallest` must be above 0 and below `largest`, but got "
                f"smallest={shown(self.smallest)} and largest={shown(self.largest)}."
            )
        for name in ("dropout", "drop_path"):
            ends = getattr(self, name)
            are_rates = isinstance(ends, list | tuple) and all(
                is_number(rate) and 0 <= rate < 1 for rate in ends
            )
            if not are_rates or len(ends) != 2:
                raise ValueError(
                    f"`{name}` must be two rates in [0, 1), of the smallest and of the largest "
                    f"network, but got {name}={shown(ends)}."
                )

    @classmethod
    def over(
        cls,
        base: ScalableNetwork,
        grid: ScalingGrid,
        *,
        num_classes: int,
        in_channels: int,
        dropout: tuple[float, float] = (0.0, 0.4),
        drop_path: tuple[float, float] = (0.0, 0.2),
    ) -> GrowingRegularisation:
        """Return what grows from the smallest to the largest network of a grid.

        Args:
            base: The network that is scaled.
            grid: Grid of the study.
            num_classes: Number of logits.
            in_channels: Likewise.
            dropout: Rates of the smallest and of the largest network.
            drop_path: Likewise.
        """
        points = list(grid)
        smallest, largest = (
            base.at(width=width, depth=depth, resolution=resolution)
            .profile(num_classes=num_classes, in_channels=in_channels)
            .macs
            for width, depth, resolution in (points[0], points[-1])
        )
        return cls(smallest=smallest, largest=largest, dropout=dropout, drop_path=drop_path)

    def applied(self, network: NetworkT, macs: int) -> NetworkT:
        """Return a network of so many multiply-adds with what its size asks for."""
        share = math.log(macs / self.smallest) / math.log(self.largest / self.smallest)
        share = min(1.0, max(0.0, share))
        dropout, drop_path = (
            low + share * (high - low) for low, high in (self.dropout, self.drop_path)
        )
        return network.regularised(dropout=dropout, drop_path=drop_path)


def randaugment_magnitude(resolution: int) -> int:
    """Return the strength of RandAugment for an image size, as EfficientNet-RS has it.

    Example::

        assert [randaugment_magnitude(size) for size in (224, 260, 320, 380)] == [10, 15, 15, 20]
    """
    if resolution <= 224:
        return 10
    return 20 if resolution > 320 else 15
