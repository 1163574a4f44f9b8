"""JSON files of a finalist, checked where they are read: folders go from hand to hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from optuna_nas._ground.attributes import Decode, real
from optuna_nas._ground.json import read_json

__all__ = ["FIGURES", "decoded_file", "with_metrics"]

_EARLIER = {"val_accuracy": "val_metric", "test_accuracy": "test_metric"}
FIGURES: Mapping[str, Decode[float]] = dict.fromkeys(
    ("val_metric", "test_metric", "seconds", *_EARLIER), real
)
"""Figures of a run, as files have named them until now."""

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
        # A run that failed has a metric of NaN, and a class may have an undecodable name.
        value = read_json(path, "it", lenient=True)
    except ValueError as e:
        raise ValueError(f"{what} is damaged: {e} {way_out}") from e
    try:
        return decode(value)
    except ValueError as e:
        raise ValueError(f"{what} is damaged: it {e}. {way_out}") from e


def with_metrics(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run with the names that its figures have today."""
    return {_EARLIER.get(name, name): item for name, item in run.items()}
