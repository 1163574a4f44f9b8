"""Values that another program, or a damaged disk, may have left where an attribute belongs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import optuna
from optuna.trial import FrozenTrial

__all__ = ["HOSTILE", "told", "with_attributes"]


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


HOSTILE: dict[str, Any] = {
    "a number": 5,
    "null": None,
    "an empty list": [],
    "an empty mapping": {},
    "nested lists": _nested(40),
    "a path": "a/b",
    "a long text": "x" * 10**6,
    "NaN": math.nan,
    "true": True,
    "wrong fields": {"parents": 5, "host": [], "key": {}, "macs": "a/b", "lr": "x", "a": [[]]},
    "a mixed list": [0, "a", [1, "x"], {"y": 2}],
    "infinity": -math.inf,
}


def with_attributes(trial: FrozenTrial, **attributes: dict[str, Any]) -> FrozenTrial:
    """A trial like another one, with more ``user_attrs`` and ``system_attrs``."""
    return optuna.create_trial(
        state=trial.state,
        values=trial.values,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs={**trial.user_attrs, **attributes.get("user_attrs", {})},
        system_attrs={**trial.system_attrs, **attributes.get("system_attrs", {})},
        intermediate_values=trial.intermediate_values,
    )


def told(records: Iterable[Any]) -> list[str]:
    """The warnings about attributes that were logged."""
    return [r.getMessage() for r in records if r.name == "optuna_nas._ground.attributes"]
