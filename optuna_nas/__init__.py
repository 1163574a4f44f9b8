"""Neural architecture search as ordinary Optuna studies.

A *space* says what can be built, a *sampler* decides, an *objective* evaluates, and the Optuna
*study* is the only thing that they share. Sub-packages load on first use, so that importing this
package imports neither torch nor Optuna:

    >>> import optuna_nas
    >>> optuna_nas.samplers.RandomSearchSampler.__name__
    'RandomSearchSampler'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from optuna_nas._version import __version__

if TYPE_CHECKING:
    from optuna_nas import (
        dashboard,
        drawing,
        export,
        final,
        keys,
        nn,
        objectives,
        profiling,
        pruners,
        samplers,
        scaling,
        spaces,
        stores,
        testing,
        training,
        visualization,
    )

__all__ = [
    "__version__",
    "dashboard",
    "drawing",
    "export",
    "final",
    "keys",
    "nn",
    "objectives",
    "profiling",
    "pruners",
    "samplers",
    "scaling",
    "spaces",
    "stores",
    "testing",
    "training",
    "visualization",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
