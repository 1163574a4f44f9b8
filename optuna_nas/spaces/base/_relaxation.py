"""Choices that are left in a supernet, and the error of a space that has none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from optuna.distributions import BaseDistribution, CategoricalDistribution

from optuna_nas.spaces.decisions import checked_value

__all__ = ["Choices", "no_relaxation", "open_choices"]

Choices = Mapping[str, tuple[Any, ...]]  # by name without prefix; a single one is decided


class Listed(Protocol):
    """A space with a fixed list of decisions."""

    @property
    def prefix(self) -> str: ...

    def distributions(self) -> Mapping[str, BaseDistribution]: ...


def open_choices(space: Listed, fixed: Mapping[str, Any]) -> Choices:
    """Return the choices of each decision of a space whose decisions are all categorical.

    Args:
        space: Without conditional decisions.
        fixed: Values by full name; each is then the only choice.

    Raises:
        ValueError: If ``fixed`` holds other names, or a value that does not fit.
    """
    distributions = space.distributions()
    left = sorted(fixed.keys() - distributions.keys())
    if left:
        raise ValueError(
            f"`fixed` must hold decisions of {space}, but it does not ask for {left}. Its "
            f"decisions are {', '.join(distributions)}."
        )
    choices: dict[str, tuple[Any, ...]] = {}
    for name, distribution in distributions.items():
        assert isinstance(distribution, CategoricalDistribution)
        values: tuple[Any, ...] = distribution.choices
        if name in fixed:
            values = (checked_value(name, fixed[name], distribution, space),)
        choices[name.removeprefix(space.prefix)] = values
    return choices


def no_relaxation(space: object) -> TypeError:
    """Make the error of a space that does not write ``relax``."""
    return TypeError(
        f"{space} has no supernet, since it does not write `relax`. Of the published spaces "
        "NASBench201Space and DARTSSpace have one, for example, and so have @function_space "
        "functions that choose between modules by choice(trial, name, {...})."
    )
