"""Warning for conclusions that go beyond the measurements."""

from __future__ import annotations

__all__ = ["ExtrapolationWarning"]


class ExtrapolationWarning(UserWarning):
    """A conclusion goes beyond the sizes, epochs or networks that it was drawn from."""
