"""Networks of any inputs on the command line: ``--input-size`` of profile and export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from optuna_nas.cli import main

Run = Callable[..., Result]

NETS = """
import torch
from torch import nn
from optuna_nas.spaces import function_space


class Forecaster(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.lstm = nn.LSTM(2, width, batch_first=True)
        self.head = nn.Linear(width, 1)

    def forward(self, series):
        return self.head(self.lstm(series)[0][:, -1])


class Characters(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.token, self.head = nn.Embedding(20, width), nn.Linear(width, 20)

    def forward(self, ids):
        return self.head(self.token(ids).mean(1))


class Both(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.image, self.table = nn.Conv2d(1, width, 3), nn.Linear(5, width)

    def forward(self, image, table):
        return self.image(image).mean((2, 3)) + self.table(table)


@function_space
def series(trial):
    return Forecaster(trial.suggest_categorical("width", [4]))


@function_space
def characters(trial):
    return Characters(trial.suggest_categorical("width", [4]))


@function_space
def both(trial):
    return Both(trial.suggest_categorical("width", [4]))
"""
CASES = {
    "series": ("24x2", "input 24 x 2", 24 * 4 * 4 * (2 + 4) + 4),
    "characters": ("32:int64", "input 32 (int64)", 80),
    "both": ("image=1x8x6,table=5", "inputs image 1 x 8 x 6, table 5", 4 * 9 * 24 + 20),
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(NETS)

    def call(command: str, name: str, *arguments: str, code: int = 0) -> Result:
        network = ["--space", f"nets.py:{name}", "--architecture", '{"width": 4}']
        result = CliRunner().invoke(main, [command, *network, *arguments])
        assert result.exit_code == code, result.output
        return result

    return call


@pytest.mark.parametrize("name", CASES)
def test_profile(name: str, run: Run) -> None:
    size, words, macs = CASES[name]
    output = run(
        "profile", name, "--input-size", size, "--batch-size", "3", "--device", "cpu"
    ).output
    (total,) = (line for line in output.splitlines() if line.startswith("total "))
    assert f" {words} " in total
    assert total.split()[-1] == f"{macs:,}"
    assert words.partition(" ")[2] in output.splitlines()[-3]


def test_export(run: Run, tmp_path: Path) -> None:
    run("export", "both", "--input-size", "image=1x8x6,table=5", "--no-onnx", "-o", "out")
    program = torch.export.load(tmp_path / "out" / "model.pt2").module()
    given = {"image": torch.rand(4, 1, 8, 6), "table": torch.rand(4, 5)}
    assert program(**given).shape == (4, 4)
    code = (tmp_path / "out" / "model.py").read_text()
    assert 'INPUT_SIZES = {"image": (1, 8, 6), "table": (5,)}' in code


def test_inputs_that_do_not_fit(run: Run) -> None:
    output = run("profile", "both", "--input-size", "1x8x6", "--no-latency", code=1).output
    assert "missing 1 required positional argument: 'table'" in output
    wrong = run("export", "both", "--input-size", "image=1x8,5", code=2).output
    assert "several as image=1x64x48,table=5" in " ".join(wrong.split())
