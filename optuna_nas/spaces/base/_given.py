"""The check that a space was given where one is needed."""

from __future__ import annotations

from optuna_nas.spaces.base._space import SearchSpace

__all__ = ["require_space"]


def require_space(space: object) -> SearchSpace:
    """Return a space, refuse everything else, and say how a function becomes one.

    Raises:
        TypeError: If it is none.
    """
    if isinstance(space, SearchSpace):
        return space
    if isinstance(space, type):
        way_out = f"make one of the class, {space.__name__}()"
    elif callable(space):
        way_out = "put @function_space above the function"
    else:
        way_out = "see optuna_nas.spaces"
    raise TypeError(
        f"`space` must be a space (a SearchSpace, or a function under @function_space), but got "
        f"{space!r}: {way_out}."
    )
