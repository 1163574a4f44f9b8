"""DARTS-ES: a search ends where the validation loss becomes sharp in alpha.

References:
    [Zela2020] Zela et al. Understanding and Robustifying Differentiable Architecture Search.
    ICLR 2020. arXiv:1909.09656.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from optuna_nas._ground.checks import is_number, require_int, shown
from optuna_nas.objectives.one_shot.variants._stopping import Stopping
from optuna_nas.objectives.one_shot.variants._variant import DARTSVariant

if TYPE_CHECKING:
    from optuna_nas.objectives.one_shot._readings import SearchReading

__all__ = ["DARTS_ES", "EigenvalueStop"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EigenvalueStop(Stopping):
    """DARTS-ES: ends a search when the eigenvalue has risen, and goes back to before that.

    Args:
        window: Epochs of which the local average is taken, at least 1. Default: 5.
        lag: Number of epochs by which the average is earlier that it is compared with, at least
            1. Default: 4.
        ratio: Growth that ends the search, more than 0. Default: 1.3.
        from_epoch: First epoch, from 0 as in the released code, that may be returned. Default: 10.

    Raises:
        ValueError: If a number is out of range.
    """

    name: ClassVar[str] = "EigenvalueStop"
    needs_eigenvalue: ClassVar[bool] = True
    goes_back: ClassVar[bool] = True
    window: int = 5
    lag: int = 4
    ratio: float = 1.3
    from_epoch: int = 10

    def __post_init__(self) -> None:
        for name in ("window", "lag"):
            require_int(name, getattr(self, name))
        require_int("from_epoch", self.from_epoch, at_least=0)
        if not is_number(self.ratio) or self.ratio <= 0:
            raise ValueError(f"`ratio` must be more than 0, but got ratio={shown(self.ratio)}.")

    def stops_at(self, readings: Sequence[SearchReading]) -> int | None:
        eigenvalues = [reading.eigenvalue or 0.0 for reading in readings]
        if len(eigenvalues) < self.window + self.lag:
            return None
        means = np.convolve(eigenvalues, np.ones(self.window) / self.window, mode="valid")
        # A mean belongs to the epoch in the middle of its window. The epoch that counts is `lag`
        # before the last such middle: there the eigenvalue was still calm.
        centre = len(eigenvalues) - 1 - self.window // 2  # from 0
        before = centre - self.lag
        if before < self.from_epoch or not means[-1] > self.ratio * means[-1 - self.lag]:
            return None
        return before + 1

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)  # studies have kept it without a name from the first on


DARTS_ES = DARTSVariant(name="es", stop=EigenvalueStop())
"""The search of [Zela2020] with early stopping."""
