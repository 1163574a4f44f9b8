"""Words for people."""

from __future__ import annotations

__all__ = ["counted"]


def counted(count: int, noun: str) -> str:
    """Write a count with its noun, as in ``1 epoch`` and ``1,200 epochs``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
