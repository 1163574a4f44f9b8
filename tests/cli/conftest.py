"""Runs the command line as a user would, in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from optuna_nas.cli import main

OWN_SPACE = """
from torch import nn
from optuna_nas.spaces import function_space

@function_space
def net(trial, num_classes=10, in_channels=3):
    width = trial.suggest_categorical("width", [4, 8, 16])
    return nn.Sequential(nn.Conv2d(in_channels, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(width, num_classes))
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Call ``optuna-nas`` with arguments, and ``code=`` where an exit code is expected."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return call


@pytest.fixture
def own_space(tmp_path: Path) -> str:
    """A space of the user's own, as ``--space`` names it."""
    (tmp_path / "nets.py").write_text(OWN_SPACE)
    return "nets.py:net"
