"""Residual networks that grow: ResNet and ResNet-RS.

References:
    - He et al. Deep Residual Learning for Image Recognition. CVPR 2016. arXiv:1512.03385.
    - Bello et al. Revisiting ResNets: Improved Training and Scaling Strategies. NeurIPS 2021.
      arXiv:2103.07579.

Differences from the papers:
    1. The splits of 26, 300 and 400 layers over the stages are not published. Ours lie on straight
       lines between the released splits, and that of 26 layers is two blocks a stage.
    2. Width multiplies all channels, those of the stem too.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from torch import nn

from optuna_nas._ground.bounds import MAX_LAYERS
from optuna_nas._ground.checks import is_int, require_choice, require_share, shown
from optuna_nas.nn.networks import RESNET_STEMS, ResNetwork
from optuna_nas.scaling._network import ScalableNetwork, repeats

__all__ = ["RESNETS_RS", "ReleasedResNetRS", "ResNet", "ResNetRS", "resnet_rs", "stage_blocks"]

STAGE_STRIDE = 8  # of the four stages together
KINDS = ("basic", "bottleneck")

_SPLITS: Mapping[int, tuple[int, int, int, int]] = MappingProxyType(
    {
        26: (2, 2, 2, 2),
        50: (3, 4, 6, 3),
        101: (3, 4, 23, 3),
        152: (3, 8, 36, 3),
        200: (3, 24, 36, 3),
        270: (4, 29, 53, 4),
        350: (4, 36, 72, 4),
        420: (4, 44, 87, 4),
    }
)


class ReleasedResNetRS(NamedTuple):
    """One line of the release.

    Args:
        depth: Layers, as in the name.
        drop_path: Stochastic depth of the (not existing) fifth stage.
        dropout: By resolution in pixels; the first resolution is the default.
    """

    depth: int
    drop_path: float
    dropout: Mapping[int, float]


RESNETS_RS: Mapping[str, ReleasedResNetRS] = MappingProxyType(
    {
        "50": ReleasedResNetRS(50, 0.0, MappingProxyType({160: 0.25})),
        "101": ReleasedResNetRS(101, 0.0, MappingProxyType({192: 0.25, 160: 0.25})),
        "152": ReleasedResNetRS(152, 0.0, MappingProxyType({256: 0.25, 224: 0.25, 192: 0.25})),
        "200": ReleasedResNetRS(200, 0.1, MappingProxyType({256: 0.25})),
        "270": ReleasedResNetRS(270, 0.1, MappingProxyType({256: 0.25})),
        "350": ReleasedResNetRS(350, 0.1, MappingProxyType({256: 0.25, 320: 0.4})),
        "420": ReleasedResNetRS(420, 0.1, MappingProxyType({320: 0.4})),
    }
)
"""The released networks by name."""


@dataclass(frozen=True, kw_only=True)
class ResNet(ScalableNetwork):
    """ResNet, by default ResNet-50.

    Args:
        width: Factor of all channels.
        depth: Factor of the blocks of every stage, rounded up.
        resolution: Pixels.
        dropout: Before the classifier.
        drop_path: Final drop probability; stage ``s`` of 4 has ``drop_path * (s + 1) / 5``.
        blocks: Blocks of each of the four stages, at depth 1.0.
        kind: ``"bottleneck"``, or ``"basic"`` as in ResNet-18 and -34.
        stem: ``"imagenet"`` (stride 4), ``"deep"`` (ResNet-RS, stride 4) or ``"cifar"`` (stride
            1).

    Example::

        from optuna_nas.scaling import ResNet

        small = ResNet(blocks=(1, 1, 1, 1), kind="basic", stem="cifar", resolution=28)
        print(small.scaled(width=0.25, depth=2.0).profile(num_classes=10, in_channels=1))
    """

    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    kind: str = "bottleneck"
    stem: str = "imagenet"

    def __post_init__(self) -> None:
        for name, choices in (("kind", KINDS), ("stem", RESNET_STEMS)):
            require_choice(name, getattr(self, name), choices)
        blocks = self.blocks
        are_ints = isinstance(blocks, tuple) and all(map(is_int, blocks))
        if not are_ints or len(blocks) != 4 or min(blocks) < 1 or sum(blocks) > MAX_LAYERS:
            raise ValueError(
                "`blocks` must be four numbers of at least 1, one for each stage, and together at "
                f"most {MAX_LAYERS}, but got blocks={shown(blocks)}."
            )
        super().__post_init__()

    @property
    def stride(self) -> int:
        return RESNET_STEMS[self.stem] * STAGE_STRIDE

    def _build(
        self, num_classes: int, in_channels: int, *, features_only: bool = False
    ) -> nn.Module:
        return ResNetwork(
            [repeats(count, self.depth) for count in self.blocks],
            kind=self.kind,
            stem=self.stem,
            num_classes=num_classes,
            in_channels=in_channels,
            width=self.width,
            dropout=self.dropout,
            drop_path=self.drop_path,
            features_only=features_only,
        )


@dataclass(frozen=True, kw_only=True)
class ResNetRS(ScalableNetwork):
    """ResNet-RS: bottlenecks with ResNet-D's stem and shortcuts and squeeze-and-excitation.

    Depth is counted in layers, as in the names: ``ResNetRS(depth=101)``, and
    ``ResNetRS(depth=50).scaled(depth=2.0)`` has about 100. More layers go mostly to the second
    and third stage, see :func:`stage_blocks`.

    Args:
        width: Factor of all channels.
        depth: Number of layers, from 26 on.
        resolution: Pixels.
        dropout: Before the classifier.
        drop_path: Stage ``s`` of 4 drops its paths with ``drop_path * (s + 1) / 5``.
        se_ratio: Squeezed share of the channels that a block puts out.
        stem: ``"deep"`` (stride 4), or ``"cifar"`` (stride 1) for small images.

    Example::

        from optuna_nas.scaling import ResNetRS

        print(ResNetRS.named("101", resolution=160).profile())
    """

    depth: float = 50
    resolution: int = 160
    dropout: float = 0.25
    se_ratio: float = 0.25
    stem: str = "deep"

    def __post_init__(self) -> None:
        require_choice("stem", self.stem, RESNET_STEMS)
        super().__post_init__()
        require_share("se_ratio", self.se_ratio)
        stage_blocks(self.depth)

    @classmethod
    def named(cls, name: str, *, resolution: int | None = None) -> ResNetRS:
        """Return a released network, with its dropout and stochastic depth.

        Args:
            name: ``"50"``, ``"101"``, ``"152"``, ``"200"``, ``"270"``, ``"350"`` or ``"420"``.
            resolution: One of those that it was released for; None: the first in ``RESNETS_RS``.

        Raises:
            ValueError: If there is no such network.
        """
        require_choice("name", name, RESNETS_RS)
        released = RESNETS_RS[name]
        pixels = next(iter(released.dropout)) if resolution is None else resolution
        if pixels not in released.dropout:
            raise ValueError(
                f"`resolution` of ResNet-RS-{name} must be one of {tuple(released.dropout)}, but "
                f"got resolution={resolution}; for another one call `.at(resolution=...)`."
            )
        return cls(
            depth=released.depth,
            resolution=pixels,
            dropout=released.dropout[pixels],
            drop_path=released.drop_path,
        )

    @property
    def stride(self) -> int:
        return RESNET_STEMS[self.stem] * STAGE_STRIDE

    def _build(
        self, num_classes: int, in_channels: int, *, features_only: bool = False
    ) -> nn.Module:
        return ResNetwork(
            stage_blocks(self.depth),
            kind="bottleneck",
            stem=self.stem,
            num_classes=num_classes,
            in_channels=in_channels,
            width=self.width,
            se_ratio=self.se_ratio,
            pooled_shortcut=True,
            dropout=self.dropout,
            drop_path=self.drop_path,
            features_only=features_only,
        )


def stage_blocks(depth: float) -> tuple[int, int, int, int]:
    """Return how ResNet-RS splits its layers over the four stages.

    At the released depths it is the released split. Between two of them, the total and all stages
    but the third lie on a straight line, and the third takes the rest; above the last one, all
    stages grow in proportion.

    Args:
        depth: Number of layers, about three for each block; at least 26.

    Raises:
        ValueError: If ``depth`` is below.

    Example::

        assert stage_blocks(350) == (4, 36, 72, 4)
        assert stage_blocks(26) == (2, 2, 2, 2)
    """
    depths = tuple(_SPLITS)
    if depth < depths[0]:
        raise ValueError(
            f"`depth` of ResNet-RS must be at least 26 layers, but got depth={depth:g}: make it "
            "narrower, or its images smaller, instead."
        )
    if depth >= depths[-1]:
        return _filled([count * depth / depths[-1] for count in _SPLITS[depths[-1]]])
    upper = bisect.bisect_right(depths, depth)
    low, high = depths[upper - 1], depths[upper]
    share = (depth - low) / (high - low)
    return _filled([a + share * (b - a) for a, b in zip(_SPLITS[low], _SPLITS[high], strict=True)])


def _filled(stages: list[float]) -> tuple[int, int, int, int]:
    """Round the total and all stages but the third, which takes the rest."""
    first, second, _, fourth = map(round, stages)
    return first, second, round(sum(stages)) - first - second - fourth, fourth


def resnet_rs(
    name: str,
    *,
    resolution: int | None = None,
    num_classes: int = 1000,
    in_channels: int = 3,
    features_only: bool = False,
) -> nn.Module:
    """Build a released ResNet-RS: ``(B, in_channels, H, W) -> (B, num_classes)``.

    Args:
        name: See :meth:`ResNetRS.named`, which gives the value behind it, with its resolution.
        resolution: Likewise; it decides on dropout only.
        num_classes: Number of logits; 0 for pooled features.
        in_channels: Channels of an image.
        features_only: Whether forward returns the list of feature maps, one per resolution.

    Raises:
        ValueError: If there is no such network.

    Example::

        from optuna_nas.scaling import resnet_rs

        model = resnet_rs("50", num_classes=10)
    """
    network = ResNetRS.named(name, resolution=resolution)
    return network.build(
        num_classes=num_classes, in_channels=in_channels, features_only=features_only
    )
