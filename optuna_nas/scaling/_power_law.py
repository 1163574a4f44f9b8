"""Whether costs predict errors: a power law on the cheap half, checked on the expensive half.

References:
    - Bello et al. Revisiting ResNets: Improved Training and Scaling Strategies. NeurIPS 2021.
      arXiv:2103.07579. Multiply-adds predict errors of small models only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optuna_nas.scaling._results import ScalingResult

__all__ = ["PowerLaw", "power_law"]

_SMALLEST_ERROR = 1e-6
_LEAST = 3  # results of a half


@dataclass(frozen=True)
class PowerLaw:
    """``error = a * cost ** -b``, fitted to the cheaper half of the results.

    Attributes:
        a: Factor.
        b: Exponent; above 0 where more cost means less error.
        metric: The cost.
        split: The largest cost of the half that was fitted.
        residual_small: Root mean square of ``log(error / predicted)`` on that half.
        residual_large: The same on the other half. Where it is much larger, the law is not one.
        n_small: Results of that half.
        n_large: Number of the other results.
    """

    a: float
    b: float
    metric: str
    split: float
    residual_small: float
    residual_large: float
    n_small: int
    n_large: int

    def error(self, cost: float) -> float:
        """Predict the error at a cost."""
        return float(self.a * cost**-self.b)

    def __str__(self) -> str:
        return (
            f"error = {self.a:.3g} * {self.metric} ** {-self.b:.3f}; it is off by "
            f"{_percent(self.residual_small)} on the {self.n_small} cheaper runs that it was "
            f"fitted to, by {_percent(self.residual_large)} on the {self.n_large} more expensive "
            "ones"
        )


def power_law(results: Sequence[ScalingResult], metric: str = "macs") -> PowerLaw:
    """Fit a power law to the cheaper half of the results.

    Args:
        results: Results of one regime, at least six at different costs.
        metric: ``"macs"``, ``"params"`` or ``"latency_ms"``.

    Raises:
        ValueError: If there are fewer.
    """
    ordered = sorted(results, key=lambda result: result.cost(metric))
    costs = np.log([result.cost(metric) for result in ordered])
    errors = np.log([max(result.error, _SMALLEST_ERROR) for result in ordered])
    half = (len(ordered) + 1) // 2
    if len(ordered) - half < _LEAST or len(set(costs[:half].tolist())) < 2:
        raise ValueError(
            f"`results` must be at least {2 * _LEAST} of different cost, but got {len(ordered)}: "
            "run more trials."
        )
    slope, intercept = np.polyfit(costs[:half], errors[:half], 1)
    off = errors - (intercept + slope * costs)
    return PowerLaw(
        a=float(np.exp(intercept)),
        b=-float(slope),
        metric=metric,
        split=ordered[half - 1].cost(metric),
        residual_small=float(np.sqrt(np.mean(off[:half] ** 2))),
        residual_large=float(np.sqrt(np.mean(off[half:] ** 2))),
        n_small=half,
        n_large=len(ordered) - half,
    )


def _percent(log_ratio: float) -> str:
    return f"{np.expm1(log_ratio):.0%}"
