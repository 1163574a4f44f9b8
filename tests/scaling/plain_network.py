"""A network that is counted in milliseconds, and whose sizes can be chosen finely."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from optuna_nas.scaling import ScalableNetwork, repeats


@dataclass(frozen=True, kw_only=True)
class PlainNetwork(ScalableNetwork):
    """Ten convolutions of 40 channels, on images of 100 pixels."""

    resolution: int = 100
    stride = 8

    def _build(self, num_classes: int, in_channels: int) -> nn.Module:
        channels = round(40 * self.width)
        layers: list[nn.Module] = [nn.Conv2d(in_channels, channels, 1)]
        layers += [nn.Conv2d(channels, channels, 1) for _ in range(repeats(10, self.depth))]
        pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        return nn.Sequential(*layers, *pool, nn.Linear(channels, num_classes))
