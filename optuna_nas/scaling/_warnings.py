"""What is told to somebody who concludes more than was measured."""

from __future__ import annotations

__all__ = ["ExtrapolationWarning"]


class ExtrapolationWarning(UserWarning):
    """A conclusion goes beyond the sizes, epochs or networks that it was drawn from."""
