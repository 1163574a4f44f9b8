"""Shared set-up of all tests."""

from __future__ import annotations

import os

# Two test processes on two cores: more threads than cores make small networks many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import optuna
import pytest

pytest.register_assert_rewrite("optuna.testing.pytest_samplers")


@pytest.fixture(autouse=True)
def _quiet_optuna() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
