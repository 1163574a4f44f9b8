"""Shared set-up of all tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

# Two test processes on two cores: more threads than cores make small networks many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import optuna
import pytest

pytest.register_assert_rewrite("optuna.testing.pytest_samplers", "optuna_nas.testing")


@pytest.fixture(autouse=True)
def _quiet_optuna() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """On a busy machine the threads of tiny networks only wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Torchrun(Protocol):
    """Runs a script in processes that train together."""

    def __call__(self, script: str, folder: Path, *, processes: int = 2) -> str:
        """Give the script ``folder`` as its argument, and return what it prints."""


@pytest.fixture(scope="session")
def torchrun() -> Torchrun:
    def run(script: str, folder: Path, *, processes: int = 2) -> str:
        path = folder / "script.py"
        path.write_text(script)
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        done = subprocess.run(
            [sys.executable, *(launcher if processes > 1 else []), str(path), str(folder)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
