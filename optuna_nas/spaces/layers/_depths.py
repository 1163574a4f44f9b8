"""Chains whose number of layers is given, or a decision within a range."""

from __future__ import annotations

from optuna_nas._ground.checks import is_int, shown

__all__ = ["MAX_LAYERS", "depth_range"]

MAX_LAYERS = 99  # names have two digits


def depth_range(num_layers: int | tuple[int, int]) -> tuple[int, int]:
    """Return the lowest and the highest depth that a setting ``num_layers`` allows.

    Raises:
        ValueError: If it is neither an int nor a range, or lies outside [1, 99].
    """
    depths = num_layers if isinstance(num_layers, tuple) else (num_layers, num_layers)
    are_ints = len(depths) == 2 and all(map(is_int, depths))
    if not are_ints or not 1 <= depths[0] <= depths[1] <= MAX_LAYERS:
        raise ValueError(
            f"`num_layers` must be an int or a range (low, high) within [1, {MAX_LAYERS}], "
            f"but got num_layers={shown(num_layers)}."
        )
    return depths
