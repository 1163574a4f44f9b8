"""Base of the networks that grow.

Legend: ``w`` width, ``d`` depth, ``r`` resolution, as factors.

References:
    - Tan and Le. EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks. ICML
      2019. arXiv:1905.11946.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from optuna_nas._ground.bounds import MAX_FACTOR, MAX_SIDE
from optuna_nas._ground.checks import is_int, require_positive, require_share, shown
from optuna_nas.profiling import Profile, profile

__all__ = ["ScalableNetwork", "repeats"]

_DIGITS = 9  # a product such as 1.2**2 must not become one layer more by its last bit


@dataclass(frozen=True, kw_only=True)
class ScalableNetwork(ABC):
    """A network as a value that can be made wider, deeper and for larger images.

    Nothing is built before :meth:`build`, so that a thousand sizes can be compared by what they
    would cost. The networks of this package are subclasses. One of your own is a frozen dataclass
    that says its ``stride`` and writes ``_build``, with ``self.width`` and ``self.depth`` in it.

    Args:
        width: How wide, above 0; most networks count it as a factor of their channels.
        depth: How deep, above 0; most networks count it as a factor of their layers.
        resolution: Height and width of an image in pixels, at least ``stride``.
        dropout: Before the classifier, in [0, 1).
        drop_path: Final drop probability of paths (stochastic depth), in [0, 1).

    Raises:
        ValueError: If a number is out of range.

    Example::

        from dataclasses import dataclass

        from torch import nn

        from optuna_nas.nn import scaled_channels
        from optuna_nas.scaling import ScalableNetwork, repeats

        @dataclass(frozen=True, kw_only=True)
        class Plain(ScalableNetwork):
            stride = 2

            def _build(self, num_classes: int, in_channels: int) -> nn.Module:
                channels = scaled_channels(16, self.width)
                layers = [nn.Conv2d(in_channels, channels, 3, stride=2, padding=1)]
                for _ in range(repeats(2, self.depth)):
                    layers += [nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1)]
                pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
                return nn.Sequential(*layers, *pool, nn.Linear(channels, num_classes))

        larger = Plain(resolution=32).scaled(width=1.5, depth=2.0, resolution=1.25)
        assert larger.resolution == 40
        print(larger.profile(num_classes=10))
    """

    width: float = 1.0
    depth: float = 1.0
    resolution: int = 224
    dropout: float = 0.0
    drop_path: float = 0.0

    def __post_init__(self) -> None:
        for name in ("width", "depth"):
            require_positive(name, getattr(self, name), at_most=MAX_FACTOR)
        for name in ("dropout", "drop_path"):
            require_share(name, getattr(self, name))
        if is_int(self.resolution) and self.resolution > MAX_SIDE:
            raise ValueError(
                f"`resolution` must be at most {MAX_SIDE}, but got "
                f"resolution={shown(self.resolution)}."
            )
        if not is_int(self.resolution) or self.resolution < self.stride:
            raise ValueError(
                f"`resolution` must be an integer of at least {self.stride} pixels, the stride of "
                f"{type(self).__name__}, but got resolution={shown(self.resolution)}: a smaller "
                "image would be less than one pixel of its last map. Take larger images, or a "
                "network of smaller stride."
            )

    @property
    @abstractmethod
    def stride(self) -> int:
        """Pixels of an image, in a row, for one pixel of the last map."""

    @abstractmethod
    def _build(self, num_classes: int, in_channels: int) -> nn.Module:
        """Build the network at its width and depth."""

    @property
    def name(self) -> str:
        """Name of the kind of network, in a word."""
        return type(self).__name__

    @property
    def params(self) -> dict[str, float]:
        """Width, depth and resolution, which scaling changes."""
        return {"width": self.width, "depth": self.depth, "resolution": self.resolution}

    @property
    def identity(self) -> dict[str, Any]:
        """Settings that name the network in a study, ready for JSON."""
        return {"network": self.name, **asdict(self)}

    def scaled(self, *, width: float = 1.0, depth: float = 1.0, resolution: float = 1.0) -> Self:
        """Return the network made wider, deeper and for larger images.

        Sizes are rounded when the network is built, and always from its own unrounded width and
        depth: scaling twice does not round twice. Resolution is rounded to a pixel.

        Args:
            width: Factor ``w`` of the width.
            depth: Factor ``d`` of the depth.
            resolution: Factor ``r`` of the resolution.

        Raises:
            ValueError: If a factor is not positive, or leaves less than one pixel.
        """
        for name, factor in (("width", width), ("depth", depth), ("resolution", resolution)):
            require_positive(name, factor)
        return self.at(
            width=self.width * width,
            depth=self.depth * depth,
            resolution=round(self.resolution * resolution),
        )

    def at(
        self,
        *,
        width: float | None = None,
        depth: float | None = None,
        resolution: int | None = None,
    ) -> Self:
        """Return the network of these sizes; what is None stays.

        Args:
            width: As in the network's own settings, not a factor of its present width.
            depth: Likewise.
            resolution: Pixels.
        """
        return replace(
            self,
            width=self.width if width is None else width,
            depth=self.depth if depth is None else depth,
            resolution=self.resolution if resolution is None else resolution,
        )

    def regularised(self, *, dropout: float, drop_path: float) -> Self:
        """Return the network with another dropout and drop path."""
        return replace(self, dropout=dropout, drop_path=drop_path)

    def build(
        self, *, num_classes: int = 1000, in_channels: int = 3, **arguments: Any
    ) -> nn.Module:
        """Build the network: ``(B, in_channels, H, W) -> (B, num_classes)``.

        It is made for images of ``resolution``, and takes others as far as its stride allows.

        Args:
            num_classes: Number of logits; 0 for pooled features.
            in_channels: Channels of an image.
            arguments: What ``_build`` takes beside. The networks of this package take
                ``features_only=True``, for the list of feature maps, one per resolution, that
                ``model.feature_info`` describes.
        """
        return self._build(num_classes, in_channels, **arguments)

    def profile(self, *, num_classes: int = 1000, in_channels: int = 3) -> Profile:
        """Count parameters and multiply-adds at ``resolution``, without allocating the network."""
        with torch.device("meta"):
            model = self.build(num_classes=num_classes, in_channels=in_channels)
        params = sum(p.numel() for p in model.parameters() if p.requires_grad)
        _leave_out_norms(model)
        counted = profile(model, (in_channels, self.resolution, self.resolution))
        return replace(counted, params=params)

    def __str__(self) -> str:
        sizes = f"width {self.width:.3g}, depth {self.depth:.3g}, {self.resolution} px"
        return f"{self.name} ({sizes})"


def _leave_out_norms(model: nn.Module) -> None:
    """Drop the batch norms of a network that is only counted.

    They have no multiply-adds, and take most of the time of a pass without data.
    """
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, _BatchNorm):
                setattr(module, name, nn.Identity())


def repeats(layers: int, depth: float) -> int:
    """Return how many layers ``layers`` become at a depth: the product, rounded up.

    Example::

        assert [repeats(1, 1.1), repeats(4, 3.1)] == [2, 13]
    """
    return max(1, math.ceil(round(layers * depth, _DIGITS)))
