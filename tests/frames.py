"""Frames and series as pandas has them, as far as data ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


class Series:
    """A column."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def to_numpy(self) -> np.ndarray:
        if isinstance(self._values, list):
            return np.array(self._values, dtype=object)
        return np.asarray(self._values)


class Frame:
    """Columns by name."""

    def __init__(self, columns: Mapping[str, Any], names: Sequence[str] = ()) -> None:
        self._columns = dict(columns)
        self.columns = list(names or columns)

    def __getitem__(self, name: str) -> Series:
        return Series(self._columns[name])

    def to_numpy(self) -> np.ndarray:
        return np.stack([self[name].to_numpy() for name in self.columns], axis=1)
