"""Finished trials for the tests of samplers: six operations of five choices each."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

NAMES = tuple(f"op_{i}" for i in range(6))
CHOICES = tuple("abcde")


def suggest(trial: optuna.Trial) -> dict[str, str]:
    """Six operations."""
    return {name: trial.suggest_categorical(name, CHOICES) for name in NAMES}


def alike(choice: str, **others: str) -> dict[str, str]:
    """All operations alike, but for the others that are named."""
    return {**dict.fromkeys(NAMES, choice), **others}


def finished(
    params: Mapping[str, str],
    *values: float,
    age: float = 0.0,
    state: TrialState = TrialState.COMPLETE,
    system_attrs: dict[str, Any] | None = None,
) -> FrozenTrial:
    """A trial that ended ``age`` seconds before some fixed moment."""
    trial = optuna.create_trial(
        params=dict(params),
        distributions={name: CategoricalDistribution(CHOICES) for name in params},
        values=None if state == TrialState.FAIL else list(values),
        state=state,
        system_attrs=system_attrs,
    )
    trial.datetime_complete = datetime.datetime(2026, 1, 2) - datetime.timedelta(seconds=age)
    return trial


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Names of the operations that differ."""
    return [name for name in NAMES if first[name] != second[name]]


def proposals(study: optuna.Study, count: int) -> list[dict[str, str]]:
    """Proposals that are never finished, so that the study stays as it is but for the claims."""
    return [suggest(study.ask()) for _ in range(count)]


def hypervolume(points: Sequence[Sequence[float]], corner: tuple[float, float]) -> float:
    """Area that points dominate, both objectives being maximised, up to a corner."""
    area, high = 0.0, corner[1]
    for x, y in sorted(points, reverse=True):
        if y > high:
            area += (x - corner[0]) * (y - high)
            high = y
    return area
