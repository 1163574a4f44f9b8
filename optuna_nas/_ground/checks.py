"""Checks of settings: an error names the setting, the rule and the value.

A value may come from a storage or a text, so nothing is taken for granted: a boolean is no number,
NaN is within no bounds, and whatever is given is shown in a few characters.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Collection, Mapping
from numbers import Real
from typing import Any

from optuna_nas._ground.bounds import MAX_CELLS, MAX_CHANNELS, MAX_CLASSES

__all__ = [
    "is_int",
    "is_number",
    "require_bool",
    "require_choice",
    "require_int",
    "require_number",
    "require_options",
    "require_positive",
    "require_probability",
    "require_seed",
    "require_share",
    "require_sizes",
    "shown",
]

_BOUNDS = {"num_classes": MAX_CLASSES, "cells": MAX_CELLS}
_LONGEST = 120  # characters of a value in a message
_short = reprlib.Repr()
_short.maxlevel = 6
_short.maxstring = _short.maxother = _short.maxlong = _LONGEST
_short.maxlist = _short.maxtuple = _short.maxdict = _short.maxset = _short.maxfrozenset = 40


def shown(value: object) -> str:
    """Return the ``repr`` of a value for a message, shortened where it is long or deep."""
    try:
        text = _short.repr(value)  # a text of all of a huge value would never be seen
    except (ValueError, RecursionError):  # integers of more than 4,300 digits, deep lists
        text = f"a huge {type(value).__name__}"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def is_int(value: object) -> bool:
    """Tell whether a value is an integer, which a boolean is not."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Tell whether a value is a finite real number, which a boolean is not."""
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the floats
        return False


def require_bool(name: str, value: object) -> None:
    """Raise unless the value is True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"`{name}` must be True or False, but got {name}={shown(value)}.")


def require_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Raise unless the value is one of the names."""
    if not isinstance(value, str) or value not in choices:
        names = ", ".join(f'"{choice}"' for choice in choices)
        raise ValueError(f"`{name}` must be one of {names}, but got {name}={shown(value)}.")


def require_positive(name: str, value: Any, *, at_most: float | None = None) -> None:
    """Raise unless the value is finite, above 0 and within the bound."""
    if not (is_number(value) and 0 < value and (at_most is None or value <= at_most)):
        top = "" if at_most is None else f" and at most {at_most:g}"
        raise ValueError(
            f"`{name}` must be a finite number above 0{top}, but got {name}={shown(value)}."
        )


def require_share(name: str, value: Any) -> None:
    """Raise unless the value lies in [0, 1)."""
    if not (is_number(value) and 0 <= value < 1):
        raise ValueError(f"`{name}` must lie in [0, 1), but got {name}={shown(value)}.")


def require_probability(name: str, value: Any) -> None:
    """Raise unless the value lies in [0, 1]."""
    if not (is_number(value) and 0 <= value <= 1):
        raise ValueError(f"`{name}` must lie in [0, 1], but got {name}={shown(value)}.")


def require_number(
    name: str, value: Any, *, at_least: float, at_most: float | None = None
) -> None:
    """Raise unless the value is finite and within the bounds."""
    if not is_number(value) or value < at_least or (at_most is not None and value > at_most):
        top = "" if at_most is None else f" and at most {at_most:g}"
        raise ValueError(
            f"`{name}` must be a finite number of at least {at_least:g}{top}, but got "
            f"{name}={shown(value)}."
        )


def require_int(name: str, value: Any, *, at_least: int = 1, at_most: int | None = None) -> None:
    """Raise unless the value is an integer within the bounds, naming the rule that it breaks."""
    rule = ""
    if not is_int(value):
        rule = "an integer"
    elif value < at_least:
        rule = f"at least {at_least}"
    elif at_most is not None and value > at_most:
        rule = f"at most {at_most}"
    if rule:
        raise ValueError(f"`{name}` must be {rule}, but got {name}={shown(value)}.")


def require_sizes(**sizes: object) -> None:
    """Raise unless all are integers from 1 to the bound of their name, else that of channels.

    For the build arguments of networks: ``require_sizes(num_classes=10, cells=8, channels=16)``.
    """
    for name, value in sizes.items():
        require_int(name, value, at_most=_BOUNDS.get(name, MAX_CHANNELS))


def require_options(owner: str, options: Mapping[str, object], known: type[Any]) -> None:
    """Raise ``TypeError`` if there are options that the typed dictionary ``known`` has not."""
    unknown = sorted(options.keys() - known.__annotations__.keys())
    if unknown:
        raise TypeError(
            f"{owner} takes {sorted(known.__annotations__)} besides its own settings, not "
            f"{unknown}."
        )


def require_seed(seed: object) -> None:
    """Raise unless the seed of a training is an integer of at most 64 bits."""
    if not isinstance(seed, int) or isinstance(seed, bool) or not -(2**63) <= seed < 2**64:
        raise ValueError(f"`seed` must be an integer of at most 64 bits, but got {shown(seed)}.")
