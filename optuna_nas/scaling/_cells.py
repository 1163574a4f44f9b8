"""Networks of cells that grow: a found cell in a larger network, for larger images.

References:
    - Zoph et al. Learning Transferable Architectures for Scalable Image Recognition. CVPR 2018.
      arXiv:1707.07012. The notation ``N @ P``.
    - Real et al. Regularized Evolution for Image Classifier Architecture Search. AAAI 2019.
      arXiv:1802.01548.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import torch

from optuna_nas._ground.bounds import MAX_CELLS, MAX_CHANNELS
from optuna_nas._ground.checks import require_int, shown
from optuna_nas.scaling._network import ScalableNetwork, repeats

if TYPE_CHECKING:
    from torch import nn

__all__ = ["CellArchitecture", "ScalableCells", "parse_size"]

SMALL_STRIDE, LARGE_STRIDE = 4, 32  # of two reductions, and of those with an ImageNet stem
_TRIAL_CHANNELS = 48  # of a network that is looked at only


class CellArchitecture(Protocol):
    """A thing to build at a number of cells and channels, such as an ``Architecture``."""

    def build(self, **arguments: Any) -> nn.Module:
        """Build the network, given ``cells``, ``channels``, ``num_classes``, ``in_channels``."""


@dataclass(frozen=True, kw_only=True)
class ScalableCells(ScalableNetwork):
    """A cell architecture as a network that grows: depth is its cells, width its channels.

    Channels are rounded to even numbers, since reductions halve them; cells are rounded up.

    Args:
        architecture: An architecture of any of our cell spaces, or anything with such a
            ``build``.
        cells: At depth 1.0: ``N`` of a stack in the NASNet family, ``L`` in all in DARTS.
        channels: ``F`` of the first stack, at width 1.0.
        build_arguments: Further arguments for ``architecture.build``, such as
            ``{"stem": "imagenet"}``.
        width: Factor of ``channels``.
        depth: Factor of ``cells``.
        resolution: Pixels; at least 4, with an ImageNet stem 32.
        dropout: Before the classifier, for architectures that take it.
        drop_path: Final drop probability, for architectures that take it.

    Raises:
        ValueError: If a number is out of range, or ``build`` says what has its own setting.

    Example::

        from optuna_nas.scaling import ScalableCells
        from optuna_nas.spaces import published

        searched = ScalableCells(
            architecture=published.NASNET_A, cells=2, channels=32, resolution=32
        )
        larger = searched.scaled(depth=3.0)  # 6 @ 768
        assert larger.profile(num_classes=10).params == 3_346_538
    """

    architecture: CellArchitecture
    cells: int
    channels: int
    build_arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("cells", "channels"):
            largest = MAX_CELLS if name == "cells" else MAX_CHANNELS
            require_int(name, getattr(self, name), at_most=largest)
        own = {"cells", "channels", "num_classes", "in_channels", "dropout", "drop_path"}
        doubled = sorted(own & self.build_arguments.keys())
        if doubled:
            raise ValueError(
                f"`build_arguments` must not have {doubled}, which are settings of their own."
            )

    @property
    def stride(self) -> int:
        stem = self.build_arguments.get("stem", "cifar")
        return SMALL_STRIDE if stem == "cifar" else LARGE_STRIDE

    @property
    def name(self) -> str:
        return str(getattr(getattr(self.architecture, "space", None), "name", "cells"))

    @property
    def identity(self) -> dict[str, Any]:
        digest = getattr(self.architecture, "digest", None)
        sizes = ("cells", "channels", "width", "depth", "resolution", "dropout", "drop_path")
        return {
            "network": self.name,
            "architecture": str(self.architecture) if digest is None else digest,
            "build_arguments": dict(self.build_arguments),
            **{size: getattr(self, size) for size in sizes},
        }

    @property
    def sizes(self) -> dict[str, int]:
        """The cells and channels of the network as it is built."""
        channels = 2 * max(1, round(self.channels * self.width / 2))
        if self.width == 1.0:
            channels = self.channels
        return {"cells": repeats(self.cells, self.depth), "channels": channels}

    def _build(self, num_classes: int, in_channels: int, **arguments: Any) -> nn.Module:
        dropped = {"dropout": self.dropout, "drop_path": self.drop_path}
        return self.architecture.build(
            num_classes=num_classes,
            in_channels=in_channels,
            **self.sizes,
            **{name: rate for name, rate in dropped.items() if rate > 0},
            **self.build_arguments,
            **arguments,
        )


def parse_size(text: str, architecture: CellArchitecture) -> tuple[int, int]:
    """Read the notation ``N @ P``: ``N`` cells a stack, ``P`` channels out of the last one.

    How many channels a cell puts out depends on how many of its states it concatenates: NASNet-A's
    normal cell has six, and the last stack four times the channels of the first, so that P = 24 F.

    Args:
        text: Such as ``"6 @ 768"``.
        architecture: Architecture of the NASNet family.

    Returns:
        ``cells`` and ``channels``, such as (6, 32).

    Raises:
        ValueError: If the text is something else, or no number of channels gives this P.
    """
    number = r"\s*([1-9][0-9]{0,8})\s*"
    found = re.fullmatch(f"{number}@{number}", text)
    if found is None:
        raise ValueError(f"A size is written as N @ P, such as '6 @ 768', but got {shown(text)}.")
    cells, last = int(found[1]), int(found[2])
    with torch.device("meta"):
        model = architecture.build(cells=1, channels=_TRIAL_CHANNELS)
    linear = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    per_channel, rest = divmod(linear[-1].in_features, _TRIAL_CHANNELS)
    assert rest == 0
    channels, rest = divmod(last, per_channel)
    if rest or channels == 0:
        nearest = max(1, round(last / per_channel)) * per_channel
        raise ValueError(
            f"P must be a multiple of {per_channel}, since the last cell of this architecture "
            f"puts out {per_channel} times the channels of the first stack, but got P={last}: the "
            f"nearest is {cells} @ {nearest}."
        )
    return cells, channels
