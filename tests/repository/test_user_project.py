"""A user's project, typed as a strict checker wants it, against the public interface."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@pytest.mark.slow
@pytest.mark.parametrize("file", [HERE / "user_project.py", ROOT / "tests/spaces/typed_space.py"])
def test_a_strict_type_checker_takes_a_users_project(file: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull, str(file)]
    done = subprocess.run(
        [*command, "--cache-dir", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "Success: no issues found" in done.stdout


@pytest.mark.parametrize("file", [HERE / "user_project.py", ROOT / "tests/spaces/typed_space.py"])
def test_a_users_project_runs(file: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, str(file)], check=True, env=environment, cwd=tmp_path)
