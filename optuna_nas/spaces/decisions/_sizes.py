"""Number of values of a decision."""

from __future__ import annotations

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

__all__ = ["size_of"]


def size_of(distribution: BaseDistribution) -> int:
    """Count the values of a discrete distribution."""
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    assert isinstance(distribution, IntDistribution)
    return (distribution.high - distribution.low) // distribution.step + 1
