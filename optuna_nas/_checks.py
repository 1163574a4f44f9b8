"""Checks of settings: an error names the setting, the rule and the value."""

from __future__ import annotations

import math

__all__ = [
    "require_choice",
    "require_int",
    "require_number",
    "require_positive",
    "require_share",
]


def require_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise unless the value is one of the names."""
    if value not in choices:
        names = ", ".join(f'"{choice}"' for choice in choices)
        raise ValueError(f"`{name}` must be one of {names}, but got {name}={value!r}.")


def require_positive(name: str, value: float) -> None:
    """Raise unless the value is finite and above 0."""
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"`{name}` must be a finite number above 0, but got {name}={value!r}.")


def require_share(name: str, value: float) -> None:
    """Raise unless the value lies in [0, 1)."""
    if not 0 <= value < 1:
        raise ValueError(f"`{name}` must lie in [0, 1), but got {name}={value!r}.")


def require_number(
    name: str, value: float, *, at_least: float, at_most: float | None = None
) -> None:
    """Raise unless the value is finite and within the bounds."""
    if not (value >= at_least and math.isfinite(value)) or (
        at_most is not None and value > at_most
    ):
        top = "" if at_most is None else f" and at most {at_most:g}"
        raise ValueError(
            f"`{name}` must be a finite number of at least {at_least:g}{top}, but got "
            f"{name}={value!r}."
        )


def require_int(name: str, value: object, *, at_least: int, at_most: int | None = None) -> None:
    """Raise unless the value is an integer within the bounds."""
    if (
        not isinstance(value, int)
        or isinstance(value, bool)
        or value < at_least
        or (at_most is not None and value > at_most)
    ):
        top = "" if at_most is None else f" and at most {at_most}"
        raise ValueError(
            f"`{name}` must be an integer of at least {at_least}{top}, but got {name}={value!r}."
        )
