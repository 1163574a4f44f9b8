"""Kinds of numbers that options take: what is out of range is refused before anything is read."""

from __future__ import annotations

import math
from typing import Any

import click

from optuna_nas._ground.bounds import MAX_BATCH, MAX_SIDE, MAX_THREADS

__all__ = [
    "BATCH",
    "COUNT",
    "EPOCHS",
    "PHI",
    "PORT",
    "POSITIVE",
    "SEED",
    "SHARE",
    "SIDE",
    "THREADS",
    "FiniteRange",
    "POSITIVE_FLOAT",
]


class FiniteRange(click.FloatRange):
    """A range of floats, in which NaN and the infinities are not."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{number} is no finite number.", param, ctx)
        return number


COUNT = click.IntRange(min=0)
POSITIVE = click.IntRange(min=1)
EPOCHS = click.IntRange(1, 10**6)
SEED = click.IntRange(0, 2**32 - 1)
SIDE = click.IntRange(1, MAX_SIDE)
BATCH = click.IntRange(1, MAX_BATCH)
THREADS = click.IntRange(1, MAX_THREADS)
PORT = click.IntRange(0, 2**16 - 1)
POSITIVE_FLOAT = FiniteRange(min=0, min_open=True)
PHI = FiniteRange(-100, 100)
SHARE = FiniteRange(min=0, max=1, min_open=True)
