"""Shared set-up of all tests."""

from __future__ import annotations

import optuna
import pytest

pytest.register_assert_rewrite("optuna.testing.pytest_samplers")


@pytest.fixture(autouse=True)
def _quiet_optuna() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
