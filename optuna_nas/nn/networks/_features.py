"""Feature maps of networks in the manner of timm: for pooling, for a head of one's own, as a list.

Legend: ``B`` batch, ``C`` channels, ``H``/``W`` height and width, ``K`` classes.

References:
    - Wightman. PyTorch Image Models (timm). https://github.com/huggingface/pytorch-image-models.
      The names ``forward_features``, ``forward_head``, ``num_features``, ``feature_info``,
      ``features_only``, ``get_classifier`` and ``reset_classifier``.

Differences from timm:
    1. ``features_only`` is an argument of the network itself, which is not rewritten or hooked:
       its weights keep their names, and those that no map needs are not made.
    2. All maps of a network of cells have passed the ReLU of its head, if that has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from optuna_nas._ground.bounds import MAX_CLASSES
from optuna_nas._ground.checks import require_bool, require_int
from optuna_nas.nn.networks._head import ClassifierHead

__all__ = [
    "FeatureInfo",
    "FeatureMap",
    "FeatureNetwork",
    "MapNetwork",
    "Reduction",
    "Taps",
    "head_classes",
    "run_tapped",
]

Reduction = int | tuple[int, int]


class FeatureMap(NamedTuple):
    """Description of a map that a network gives.

    Attributes:
        channels: ``C``.
        reduction: Pixels of the image for one pixel of the map, in a row and in a column; a pair
            (height, width) where they differ.
        module: Name of the module that makes it.
    """

    channels: int
    reduction: Reduction
    module: str


class FeatureInfo(tuple[FeatureMap, ...]):
    """The maps that a network gives with ``features_only=True``, from high to low resolution."""

    __slots__ = ()

    @classmethod
    def last_of_each(cls, maps: Iterable[FeatureMap]) -> FeatureInfo:
        """Take the last map of each resolution.

        Args:
            maps: All maps, in the order in which they are made.
        """
        kept = {one.reduction: one for one in maps}
        return cls(sorted(kept.values(), key=lambda one: _sides(one.reduction)))

    def channels(self) -> list[int]:
        """Return the channels of each map."""
        return [one.channels for one in self]

    def reduction(self) -> list[Reduction]:
        """Return the reduction of each map."""
        return [one.reduction for one in self]

    def module_name(self) -> list[str]:
        """Return the name of the module that makes each map."""
        return [one.module for one in self]


class Taps(Mapping[str, torch.Tensor]):
    """The maps of a forward pass that are kept, by the module that made them.

    Args:
        names: Modules whose maps are kept.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(names)
        self._maps: dict[str, torch.Tensor] = {}

    def take(self, name: str, x: torch.Tensor) -> None:
        """Keep a map, if it is asked for."""
        if name in self._names:
            self._maps[name] = x

    def within(self, name: str) -> bool:
        """Whether a map is kept that is made within a module."""
        return any(kept.startswith(f"{name}.") for kept in self._names)

    def __getitem__(self, name: str) -> torch.Tensor:
        return self._maps[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._maps)

    def __len__(self) -> int:
        return len(self._maps)


class MapNetwork(nn.Module):
    """Base of networks, and supernets, that end in a head and give their feature maps.

    A subclass makes ``head`` and ``feature_info``, and says how it runs up to the head.

    Attributes:
        head: Activation, pooling, dropout and classifier; ``head.fc`` may be replaced by a module
            of one's own that takes ``(B, num_features)``.
        feature_info: Channels and reduction of each map that ``features_only=True`` gives.
        features_only: Whether forward returns these maps.
    """

    head: ClassifierHead
    feature_info: FeatureInfo
    features_only: bool

    @property
    def num_features(self) -> int:
        """Channels of the map that the head pools."""
        return self.head.in_channels

    @property
    def num_classes(self) -> int:
        """Number of logits; 0: forward returns pooled features."""
        return self.head.num_classes

    def forward_head(self, features: torch.Tensor, *, pre_logits: bool = False) -> torch.Tensor:
        """Pool and classify: ``(B, num_features, H, W) -> (B, K)``.

        Args:
            features: What ``forward_features`` returns.
            pre_logits: Whether to return the pooled features, ``(B, num_features)``.
        """
        pooled = self.head.pooled(features)
        if pre_logits:
            return pooled
        logits: torch.Tensor = self.head.fc(pooled)
        return logits

    def get_classifier(self) -> nn.Module:
        """Return the last layer, ``(B, num_features) -> (B, K)``."""
        return self.head.fc

    def reset_classifier(self, num_classes: int) -> None:
        """Begin with a new last layer, such as for other data; the auxiliary head gets one too.

        Args:
            num_classes: Number of logits; 0: forward returns pooled features.

        Raises:
            ValueError: If it is negative, or the network gives feature maps only.
        """
        head_classes(num_classes)
        if self.features_only:
            raise ValueError(
                "`reset_classifier` needs a network with a classifier, but this one was built "
                "with features_only=True: build it without."
            )
        like = next(p for p in self.parameters() if p.is_floating_point())
        for head in (self.head, getattr(self, "auxiliary_head", None)):
            if head is not None:
                head.reset(num_classes, like)

    def _taps(self) -> Taps:
        return Taps(one.module for one in self.feature_info)

    def _maps(self, taps: Taps) -> list[torch.Tensor]:
        return [self.head.act(taps[one.module]) for one in self.feature_info]


class FeatureNetwork(MapNetwork):
    """A network of images that gives its feature maps; a subclass writes ``_run``.

    ``(B, I, H, W) -> (B, K)``; with ``features_only`` a list of maps ``(B, C, H', W')``.
    """

    def forward(self, x: torch.Tensor) -> Any:
        if self.features_only:
            taps = self._taps()
            self._run(x, taps)
            return self._maps(taps)
        return self.head(self._run(x, Taps()))

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """Return the map that the head pools: ``(B, I, H, W) -> (B, num_features, H', W')``."""
        features: torch.Tensor = self.head.act(self._run(x, Taps()))
        return features

    def _run(self, x: torch.Tensor, taps: Taps) -> torch.Tensor:
        """Return the map that the head reads, and have others kept on the way."""
        raise NotImplementedError


def run_tapped(module: nn.Module, name: str, x: torch.Tensor, taps: Taps) -> torch.Tensor:
    """Call a module, or what is within it one by one where a map within is asked for."""
    if isinstance(module, nn.Sequential) and taps.within(name):
        for part, child in module.named_children():
            x = run_tapped(child, f"{name}.{part}", x, taps)
    else:
        x = module(x)
    taps.take(name, x)
    return x


def head_classes(num_classes: int, *, features_only: bool = False, auxiliary: bool = False) -> int:
    """Check the arguments that say how a network ends, and return how many logits it has.

    Returns:
        ``num_classes``, or 0 where forward returns maps only.

    Raises:
        ValueError: If ``num_classes`` is no integer from 0, or there are features only and an
            auxiliary head.
    """
    require_int("num_classes", num_classes, at_least=0, at_most=MAX_CLASSES)
    require_bool("features_only", features_only)
    require_bool("auxiliary", auxiliary)
    if features_only and auxiliary:
        raise ValueError(
            "`auxiliary` must be False with features_only=True, which leaves no classifier, but "
            "got auxiliary=True: take features_only=False, or put a head of your own on a map."
        )
    return 0 if features_only else num_classes


def _sides(reduction: Reduction) -> tuple[int, int]:
    """The order of resolutions: by pixels, then by height."""
    height, width = (reduction, reduction) if isinstance(reduction, int) else reduction
    return height * width, height
