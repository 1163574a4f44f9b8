"""Identities of losses and metrics, by which a study knows them again."""

from __future__ import annotations

from typing import Any

from optuna_nas._ground.names import identity_of
from optuna_nas._ground.source import hash_of_source

__all__ = ["identity_of_callable"]


def identity_of_callable(thing: Any) -> Any:
    """Name of a callable, with the hash of its source or the settings of one of a library."""
    if isinstance(thing, str):
        return thing
    owner = thing if hasattr(thing, "__qualname__") else type(thing)
    settings = {
        name: value
        for name, value in sorted(getattr(thing, "__dict__", {}).items())
        if not name.startswith("_") and isinstance(value, bool | int | float | str)
    }
    identity: dict[str, Any] = {"name": identity_of(thing), **settings}
    if owner.__module__.partition(".")[0] not in ("torch", "torchmetrics", "sklearn"):
        identity["source"] = hash_of_source([thing])
    return identity
