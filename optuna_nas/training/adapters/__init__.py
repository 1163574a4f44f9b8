"""Callbacks of other training libraries that report to a trial; each needs its extra.

They are loaded on first use, so that nobody needs a library that is not used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna_nas.training.adapters._lightning import LightningPruning
    from optuna_nas.training.adapters._trainer import TrainerPruning

__all__ = ["LightningPruning", "TrainerPruning"]

_MODULES = {
    "LightningPruning": ("_lightning", "lightning"),
    "TrainerPruning": ("_trainer", "transformers"),
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, extra = _MODULES[name]
    try:
        return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    except ImportError as e:
        raise ImportError(
            f"{name} needs {extra}, which cannot be imported ({e}): "
            f"pip install optuna-nas[{extra}]"
        ) from e


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
