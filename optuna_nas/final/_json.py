"""JSON files of a finalist, checked where they are read: folders go from hand to hand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from optuna_nas._ground.json import read_json

if TYPE_CHECKING:
    from optuna_nas._ground.attributes import Decode

__all__ = ["decoded_file"]

T = TypeVar("T")


def decoded_file(path: Path, decode: Decode[T], *, way_out: str) -> T:
    """Return the content of a JSON file.

    Args:
        path: An existing file.
        decode: Checks the content.
        way_out: Advice about a damaged one, as a sentence.

    Raises:
        ValueError: If it is damaged.
    """
    what = f"The file {str(path)!r}"
    try:
        # A run that failed has an accuracy of NaN, and a class may have an undecodable name.
        value = read_json(path, "it", lenient=True)
    except ValueError as e:
        raise ValueError(f"{what} is damaged: {e} {way_out}") from e
    try:
        return decode(value)
    except ValueError as e:
        raise ValueError(f"{what} is damaged: it {e}. {way_out}") from e
