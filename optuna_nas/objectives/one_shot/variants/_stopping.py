"""Rules by which a search by alphas ends before its last epoch, and which epoch counts then."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from optuna_nas.objectives.one_shot.variants._part import VariantPart

if TYPE_CHECKING:
    from optuna_nas.objectives.one_shot._readings import SearchReading

__all__ = ["Stopping"]


class Stopping(VariantPart, ABC):
    """Base of the rules by which a search ends early.

    A subclass writes :meth:`stops_at`. It is a frozen dataclass with a ``name`` of its own.

    Example::

        from dataclasses import dataclass
        from typing import ClassVar

        from optuna_nas.objectives import Stopping


        @dataclass(frozen=True, kw_only=True)
        class TwoSkips(Stopping):
            name: ClassVar[str] = "TwoSkips"
            share: float = 0.25

            def stops_at(self, readings):
                return len(readings) if readings[-1].skip_share > self.share else None
    """

    kind: ClassVar[str] = "stop"

    needs_eigenvalue: ClassVar[bool] = False
    """Whether readings must have the largest eigenvalue of alpha's Hessian."""

    goes_back: ClassVar[bool] = False
    """Whether :meth:`stops_at` may return an earlier epoch than the last one, whose weights are
    gone by then."""

    @abstractmethod
    def stops_at(self, readings: Sequence[SearchReading]) -> int | None:
        """Return the number, from 1, of the epoch that counts, or None to go on.

        Args:
            readings: One for each epoch until now, at least one.
        """
