"""Checks of single decisions: Optuna only warns about values that do not fit, we refuse them."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from optuna_nas._ground.checks import is_number, shown

__all__ = ["checked_value"]

_WAY_OUT = "Check the parameters, or use the space that they were made for."


def checked_value(name: str, value: Any, distribution: BaseDistribution, space: object) -> Any:
    """Return ``value`` as the distribution spells it, or refuse it.

    Args:
        name: The decision, as the trial knows it.
        value: The value that a sampler, a user or a storage gave.
        distribution: The distribution that the space asks for under that name.
        space: For the message only.

    Returns:
        The choice itself (so that ``1`` becomes ``True`` where the choices are booleans), a
        plain ``int``, or a plain ``float``.

    Raises:
        ValueError: If the value has another type or lies outside the range.
    """
    if isinstance(distribution, CategoricalDistribution):
        return _checked_choice(name, value, distribution, space)
    if isinstance(distribution, IntDistribution):
        return _checked_int(name, value, distribution, space)
    assert isinstance(distribution, FloatDistribution)
    return _checked_float(name, value, distribution, space)


def _checked_choice(
    name: str, value: Any, distribution: CategoricalDistribution, space: object
) -> Any:
    try:
        return distribution.choices[distribution.choices.index(value)]
    except ValueError:
        raise ValueError(
            f"`{name}` must be one of {distribution.choices} in {space}, but got {shown(value)}. "
            f"{_WAY_OUT}"
        ) from None


def _checked_int(name: str, value: Any, distribution: IntDistribution, space: object) -> int:
    low, high, step = distribution.low, distribution.high, distribution.step
    fits = isinstance(value, Integral) and not isinstance(value, bool)
    if not fits or not low <= value <= high or (value - low) % step != 0:
        steps = f" in steps of {step}" if step != 1 else ""
        raise ValueError(
            f"`{name}` must be an int in [{low}, {high}]{steps} in {space}, but got "
            f"{shown(value)}. {_WAY_OUT}"
        )
    return int(value)


def _checked_float(name: str, value: Any, distribution: FloatDistribution, space: object) -> float:
    low, high, step = distribution.low, distribution.high, distribution.step
    number = float(value) if is_number(value) else math.nan
    fits = low <= number <= high
    if fits and step is not None:
        steps = (number - low) / step
        fits = math.isclose(steps, round(steps), rel_tol=0.0, abs_tol=1e-6)
    if not fits:
        in_steps = f" in steps of {step}" if step is not None else ""
        raise ValueError(
            f"`{name}` must be a float in [{low}, {high}]{in_steps} in {space}, "
            f"but got {shown(value)}. {_WAY_OUT}"
        )
    return number
