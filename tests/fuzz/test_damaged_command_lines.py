"""Damaged command lines."""

from __future__ import annotations

import json
import random
import shlex
import warnings
from pathlib import Path
from typing import Any

import click
import optuna
import pytest
from bounds import SIZE, SPACE, bounded, is_ours
from click.testing import CliRunner
from damage import damaged_text

from optuna_nas.cli import main
from optuna_nas.objectives import TrainingObjective
from optuna_nas.stores import open_storage

pytestmark = pytest.mark.slow
COMMANDS = (
    "draw --published nasbench201-resnet -o cell.svg",
    "draw --storage sqlite:///nas.db --study-name nas --trial best -o cell.png",
    "profile --published nasbench201-resnet --build cells=1 --input-size 3x8x8 --no-latency",
    "best --storage sqlite:///nas.db --study-name nas --top 2 --json",
    "best --storage sqlite:///nas.db --study-name nas --space nasbench201",
    "spaces",
    "train --storage sqlite:///nas.db --study-name other --epochs 1 --top 1 --output out",
    "export out/trial-0",
    "scale --network mobilenet --setting width=1.0 --phi 0,1",
    "search --space nasbench201 --data digits --storage sqlite:///no/x.db --recipe lr=1",
    "darts --space darts --data digits --storage journal:no/x.log --epochs 1",
    "transfer --storage sqlite:///nas.db --study-name nas --size 1@8 --data none",
)


def test_command_lines(data: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No command here trains: where one would, its storage or its data are not there."""
    monkeypatch.chdir(tmp_path)
    rng = random.Random(6)
    study = optuna.create_study(
        storage=open_storage("sqlite:///nas.db"), study_name="nas", direction="maximize"
    )
    study.optimize(TrainingObjective(SPACE, data, epochs=1, build=SIZE, device="cpu"), n_trials=2)
    for _ in range(2_000):
        words = shlex.split(rng.choice(COMMANDS))
        for _ in range(rng.choice((1, 1, 2))):
            place = rng.randrange(len(words))
            name, equals, value = words[place].rpartition("=")  # half of the time NAME stays
            if rng.random() < 0.5:
                name, equals, value = "", "", words[place]
            damaged = damaged_text(value, rng)[:50_000].replace("\0", "")
            words[place] = f"{name}{equals}{damaged}"
        runs(words)


def runs(words: list[str]) -> None:
    """Run a command line, which may refuse in our own words or in those of click."""
    with bounded(words), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        error = CliRunner().invoke(main, words, standalone_mode=False).exception
    if error is None or isinstance(error, SystemExit | click.exceptions.Abort):
        return
    told = f"{error!r} of {error.__cause__!r} for {json.dumps(words)[:1000]}"
    assert isinstance(error, click.ClickException), told
    if error.__cause__ is not None and not isinstance(error, click.UsageError):
        assert is_ours(error.__cause__), told
