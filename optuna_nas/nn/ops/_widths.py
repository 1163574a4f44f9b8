"""How many channels a layer has when a network is made wider or narrower."""

from __future__ import annotations

from optuna_nas._ground.bounds import MAX_FACTOR
from optuna_nas._ground.checks import require_positive

__all__ = ["scaled_channels"]

DIVISOR = 8


def scaled_channels(channels: int, width: float) -> int:
    """Multiply by ``width`` and round to a multiple of 8, never by more than 10 % downwards.

    The rule of the MobileNet, MnasNet and EfficientNet releases. A width of exactly 1.0 changes
    nothing, as in the releases, where no multiplier means no rounding.

    Args:
        channels: At width 1.0.
        width: The multiplier.

    Raises:
        ValueError: If ``width`` is not positive.

    Example::

        assert scaled_channels(40, 1.1) == 48
        assert scaled_channels(18, 1.0) == 18
    """
    require_positive("width", width, at_most=MAX_FACTOR)
    if width == 1.0:
        return channels
    wanted = channels * width
    rounded = max(DIVISOR, int(wanted + DIVISOR / 2) // DIVISOR * DIVISOR)
    return rounded if rounded >= 0.9 * wanted else rounded + DIVISOR
