"""The project of a user in ``tests/user_project``, which has tests of its own, and its types."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "tests" / "user_project"


def mypy(folder: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    """Check a project as its user would, who has this package installed and no settings."""
    pytest.importorskip("mypy", reason="the dev extra is not installed")
    return subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent"),
            *("--config-file", os.devnull, "--cache-dir", str(cache), "."),
        ],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_a_strict_type_checker_takes_a_users_project(tmp_path: Path) -> None:
    for path in PROJECT.glob("*.py"):
        assert "type: ignore" not in path.read_text()
    done = mypy(PROJECT, tmp_path / "cache")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Success: no issues found" in done.stdout
    # The check is one: the types of the public classes find a wrong call.
    (tmp_path / "wrong.py").write_text(
        "from optuna_nas.objectives import TrainingObjective\n"
        "from optuna_nas.spaces import NASBench201Space\n"
        'TrainingObjective(NASBench201Space(), "digits", epochs=1, max_parms=3)\n'
    )
    done = mypy(tmp_path, tmp_path / "cache")
    assert done.returncode == 1
    assert 'Unexpected keyword argument "max_parms"' in done.stdout
