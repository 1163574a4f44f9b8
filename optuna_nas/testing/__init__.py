"""Test cases and toy problems for people who write samplers and spaces of their own.

A test case is a class to inherit from in a test module; it needs pytest, the toy problems do not:

    >>> import pytest
    >>> from optuna_nas.testing import SpaceTestCase, ToySpace
    >>> class TestToySpace(SpaceTestCase):
    ...     @pytest.fixture
    ...     def space(self):
    ...         return ToySpace(num_layers=(1, 3))

``pytest.register_assert_rewrite("optuna_nas.testing")`` in a ``conftest.py`` makes failures show
the values that were compared.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from optuna_nas.testing._problems import (
    SymmetricSpace,
    ToyProblem,
    conditional_objective,
    static_objective,
)
from optuna_nas.testing._toy import ToySpace

if TYPE_CHECKING:
    from optuna_nas.testing._learning import LearningSamplerTestCase
    from optuna_nas.testing._sampler import SamplerTestCase
    from optuna_nas.testing._space import SpaceTestCase
    from optuna_nas.testing._supernet import SupernetTestCase

__all__ = [
    "LearningSamplerTestCase",
    "SamplerTestCase",
    "SpaceTestCase",
    "SupernetTestCase",
    "SymmetricSpace",
    "ToyProblem",
    "ToySpace",
    "conditional_objective",
    "static_objective",
]

# Loaded on first use: they need pytest, and those of spaces torch.
_CASES = {
    "LearningSamplerTestCase": "_learning",
    "SamplerTestCase": "_sampler",
    "SpaceTestCase": "_space",
    "SupernetTestCase": "_supernet",
}


def __getattr__(name: str) -> Any:
    if name in _CASES:
        module = importlib.import_module(f"{__name__}.{_CASES[name]}")
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
