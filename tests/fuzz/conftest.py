"""Fixtures of all fuzz tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import optuna
import pytest

from optuna_nas.training import load_data


@pytest.fixture(scope="module", autouse=True)
def _quiet(one_thread: None) -> Iterator[None]:
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    yield
    optuna.logging.set_verbosity(level)


@pytest.fixture(scope="module")
def data() -> Any:
    return load_data("digits", train_size=64, val_size=40)
