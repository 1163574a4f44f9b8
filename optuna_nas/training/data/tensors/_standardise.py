"""Columns of tables with mean 0 and standard deviation 1.

Letters: ``B`` examples in a batch, ``N`` examples in a split, ``F`` columns.
"""

from __future__ import annotations

import dataclasses
import functools

import torch

__all__ = ["Standardiser"]

_CONSTANT = 1e-7  # deviation per mean below which float32 tells no two values apart


@dataclasses.dataclass(frozen=True)
class Standardiser:
    """Subtracts a mean from each column and divides by a deviation.

    Attributes:
        mean: Mean of each of F columns.
        std: Deviation of each; 1 for a constant column.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, table: torch.Tensor) -> Standardiser:
        """Return that of the columns of a table (N, F)."""
        exact = table.double().cpu()
        mean, std = exact.mean(0), exact.std(0, correction=0)
        std = torch.where(std > _CONSTANT * mean.abs(), std, 1.0)
        return cls(tuple(mean.tolist()), tuple(std.tolist()))

    def __call__(self, table: torch.Tensor) -> torch.Tensor:
        """Return a table (B, F) with standardised columns."""
        return (table - _row(self.mean, table.device)) / _row(self.std, table.device)


@functools.lru_cache(maxsize=32)  # batches follow each other: no copy to the device for each
def _row(values: tuple[float, ...], device: torch.device) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device)
