"""JSON files of a finalist, checked where they are read: folders go from hand to hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from optuna_nas._attributes import Decode

__all__ = ["read_json"]

T = TypeVar("T")

LARGEST = 10_000_000  # bytes


def read_json(path: Path, decode: Decode[T], *, way_out: str) -> T:
    """Return what a file holds.

    Args:
        path: An existing file.
        decode: Says what it must hold.
        way_out: What to do about a damaged one, as a sentence.

    Raises:
        ValueError: If it is damaged.
    """
    try:
        if (size := path.stat().st_size) > LARGEST:
            raise ValueError(f"must have at most {LARGEST:,} bytes, but has {size:,}")
        return decode(_parsed(path.read_bytes()))
    except ValueError as e:
        raise ValueError(f"The file {str(path)!r} is damaged: it {e}. {way_out}") from e


def _parsed(content: bytes) -> object:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as e:
        raise ValueError(f"must hold JSON, but does not ({e})") from e
