"""Payoff of the dimensions: how much error one more unit of cost takes away in each.

Two networks that differ in one dimension only are compared: by how much the logarithm of the error
fell, and by how much that of the cost rose. Over all such neighbours of a study, the slope of the
one over the other is what the dimension pays.

References:
    - Bello et al. Revisiting ResNets: Improved Training and Scaling Strategies. NeurIPS 2021.
      arXiv:2103.07579. Depth for long training, width for short.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from optuna_nas._ground.words import counted
from optuna_nas.scaling._results import DIMENSIONS, ScalingResult

__all__ = ["Payoff", "Verdict", "verdict"]

_SMALLEST_ERROR = 1e-6
_CLEAR = 2.0  # standard errors between the best two


@dataclass(frozen=True)
class Payoff:
    """Payoff of one dimension.

    Attributes:
        dimension: ``"width"``, ``"depth"`` or ``"resolution"``.
        slope: Fall of log error per rise of log cost: at 0.1, twice the cost means about 7 % less
            error.
        std_error: Standard error of the slope; NaN for a single pair.
        pairs: Neighbours that were compared.
    """

    dimension: str
    slope: float
    std_error: float
    pairs: int

    def __str__(self) -> str:
        return f"{self.dimension} {self.slope:+.3f} (se {self.std_error:.3f}, n {self.pairs})"


@dataclass(frozen=True)
class Verdict:
    """Verdict on the dimensions in one regime.

    Attributes:
        epochs: The regime.
        metric: The cost that was paid.
        payoffs: Best first; dimensions that the study did not vary are left out.
    """

    epochs: int
    metric: str
    payoffs: tuple[Payoff, ...]

    @property
    def best(self) -> str:
        """The dimension that pays most."""
        return self.payoffs[0].dimension

    @property
    def clear(self) -> bool:
        """Whether it pays, and two standard errors more than the next one."""
        if not self.payoffs[0].slope > 0:
            return False
        if len(self.payoffs) == 1:
            return self.payoffs[0].slope > _CLEAR * self.payoffs[0].std_error
        first, second = self.payoffs[:2]
        return first.slope - second.slope > _CLEAR * math.hypot(first.std_error, second.std_error)

    def __str__(self) -> str:
        how = "clearly" if self.clear else "not clearly"
        listed = ", ".join(map(str, self.payoffs))
        lasts = counted(self.epochs, "epoch")
        return f"{lasts}: {self.best} pays best per {self.metric}, {how}: {listed}"


def verdict(results: Sequence[ScalingResult], metric: str) -> Verdict:
    """Compare the dimensions over results of one regime.

    Args:
        results: Results of one regime; those of equal size (other seeds) are averaged.
        metric: ``"macs"``, ``"params"`` or ``"latency_ms"``.

    Raises:
        ValueError: If no two results differ in one dimension only.
    """
    sizes: dict[tuple[str, float, float, int], list[ScalingResult]] = defaultdict(list)
    for result in results:
        sizes[result.network, result.width, result.depth, result.resolution].append(result)
    payoffs = [
        _payoff(dimension, list(_neighbours(sizes, dimension, metric))) for dimension in DIMENSIONS
    ]
    found = sorted((p for p in payoffs if p is not None), key=lambda p: -p.slope)
    if not found:
        raise ValueError(
            "`study` must have networks that differ in one dimension only, but has none: run more "
            "points of its grid."
        )
    return Verdict(results[0].epochs, metric, tuple(found))


def _neighbours(
    sizes: dict[tuple[str, float, float, int], list[ScalingResult]], dimension: str, metric: str
) -> Iterator[tuple[float, float]]:
    """Yield (rise of log cost, fall of log error) along a dimension."""
    position = 1 + DIMENSIONS.index(dimension)
    lines: dict[tuple[object, ...], list[tuple[float, float, float]]] = defaultdict(list)
    for size, results in sizes.items():
        cost = float(np.mean([math.log(result.cost(metric)) for result in results]))
        error = math.log(max(float(np.mean([r.error for r in results])), _SMALLEST_ERROR))
        rest = size[:position] + size[position + 1 :]
        lines[rest].append((float(size[position]), cost, error))
    for line in lines.values():
        line.sort()
        for (_, cheap, before), (_, costly, after) in zip(line, line[1:], strict=False):
            if costly > cheap:
                yield costly - cheap, before - after


def _payoff(dimension: str, pairs: list[tuple[float, float]]) -> Payoff | None:
    if not pairs:
        return None
    rise, fall = np.array(pairs).T
    slope = float(rise @ fall / (rise @ rise))
    off = fall - slope * rise
    variance = off @ off / (len(pairs) - 1) if len(pairs) > 1 else math.nan
    return Payoff(dimension, slope, float(np.sqrt(variance / (rise @ rise))), len(pairs))
