"""The points of a scaling study.

References:
    - Bello et al. Revisiting ResNets: Improved Training and Scaling Strategies. NeurIPS 2021.
      arXiv:2103.07579, section 6.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields

from optuna_nas._ground.checks import is_int, is_number, shown

__all__ = ["RESNET_RS_GRID", "ScalingGrid"]


@dataclass(frozen=True, kw_only=True)
class ScalingGrid:
    """Widths, depths and resolutions, all with all, in each regime of training; kept sorted.

    Args:
        widths: As the network counts them.
        depths: Likewise: factors of its layers, or layers for ``ResNetRS``.
        resolutions: Pixels.
        regimes: Numbers of epochs.

    Raises:
        ValueError: If a list is empty or says something twice.
    """

    widths: tuple[float, ...]
    depths: tuple[float, ...]
    resolutions: tuple[int, ...]
    regimes: tuple[int, ...]

    def __post_init__(self) -> None:
        for field in fields(self):
            values = getattr(self, field.name)
            fits = is_int if field.name in ("resolutions", "regimes") else is_number
            values = tuple(values) if isinstance(values, Iterable) else ()
            are_numbers = all(fits(value) and value > 0 for value in values)
            if not are_numbers or not values or len(set(values)) < len(values):
                raise ValueError(
                    f"`{field.name}` must be different numbers above 0, at least one, but got "
                    f"{field.name}={shown(values)}."
                )
            object.__setattr__(self, field.name, tuple(sorted(values)))

    @property
    def search_space(self) -> dict[str, list[float]]:
        """As ``optuna.samplers.GridSampler`` takes it."""
        names = ("width", "depth", "resolution", "epochs")
        values = (self.widths, self.depths, self.resolutions, self.regimes)
        return {name: list(choices) for name, choices in zip(names, values, strict=True)}

    def __len__(self) -> int:
        """Networks in one regime."""
        return math.prod(map(len, (self.widths, self.depths, self.resolutions)))

    def __iter__(self) -> Iterator[tuple[float, float, int]]:
        """Yield (width, depth, resolution), from the smallest of each to the largest."""
        return itertools.product(self.widths, self.depths, self.resolutions)


RESNET_RS_GRID = ScalingGrid(
    widths=(0.25, 0.5, 1.0, 1.5, 2.0),
    depths=(26, 50, 101, 200, 300, 350, 400),
    resolutions=(128, 160, 224, 320, 448),
    regimes=(10, 100, 350),
)
"""The 175 networks of the paper, which it trains for 350 epochs, and parts of them for 10 and 100
epochs."""
