"""One call of a training function outside of a study: final training of what it found."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

__all__ = ["FunctionRun"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class FunctionRun:
    """Result of :meth:`TrainingFunction.train`.

    Attributes:
        metric: As the function returned or reported it.
        reports: What it reported, by epoch.
        model: The network, as the function left it.
    """

    metric: float
    reports: Mapping[int, float]
    model: nn.Module
