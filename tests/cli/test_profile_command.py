"""``optuna-nas profile``, and what ``best`` says of rewards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from click.testing import CliRunner, Result

from optuna_nas.cli import main
from optuna_nas.objectives import LatencyReward, TrainingObjective
from optuna_nas.spaces import NASBench201Space
from optuna_nas.stores import open_storage
from optuna_nas.training import load_data

Run = Callable[..., Result]
CELL = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"
TINY = {"cells": 1, "channels": 4}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, ["profile", *arguments])
        assert result.exit_code == code, result.output
        return result

    return call


def test_a_published_network_as_its_table_says(run: Run) -> None:
    """Facts 1 and 4 of the MnasNet paper's settings."""
    lines = run("--published", "mnasnet-a1", "--depth", "2", "--no-latency").output.splitlines()
    (third,) = [line for line in lines if line.startswith("stages.2 ")]
    assert third.split()[-2:] == ["39,098", "28,850,592"]
    assert lines[-1].split()[-2:] == ["3,887,038", "311,579,072"]
    assert "input 3 x 224 x 224" in lines[-1]


def test_a_text_with_build_arguments_and_latencies(run: Run) -> None:
    output = run(
        *("--space", "nasbench201", "--architecture", CELL, "--input-size", "1x8x8"),
        *("--build", "cells=1", "--build", "channels=4", "--batch-size", "1", "--batch-size", "4"),
        *("--resolution", "8", "--resolution", "16", "--device", "cpu"),
    ).output
    model = NASBench201Space().parse(CELL).build(in_channels=1, **TINY)
    assert f"{sum(p.numel() for p in model.parameters()):,}" in output
    assert "input 1 x 8 x 8" in output
    measured = [line.split() for line in output.splitlines() if line.startswith("1 x ")]
    assert [(row[2], row[5]) for row in measured] == [
        ("8", "1"),
        ("8", "4"),
        ("16", "1"),
        ("16", "4"),
    ]
    assert "cpu, 1 thread(s), channels last, 11 of 12 batch norms folded" in output


def test_a_trial_of_a_study_is_built_as_there(run: Run, tmp_path: Path) -> None:
    space = NASBench201Space()
    storage = f"sqlite:///{tmp_path / 'nas.db'}"
    study = optuna.create_study(
        storage=open_storage(storage), study_name="nas", direction="maximize"
    )
    data = load_data("digits", train_size=200, val_size=100)
    reward = LatencyReward(target_ms=1.0)
    objective = TrainingObjective(
        space, data, epochs=1, value=reward, build=TINY, latency=lambda *_: 3.25
    )
    space.parse(CELL).enqueue(study)
    study.optimize(objective, n_trials=1)

    output = run("--storage", storage, "--trial", "0", "--no-latency").output
    params = study.trials[0].user_attrs["optuna_nas:params"]
    macs = study.trials[0].user_attrs["optuna_nas:macs"]
    assert output.splitlines()[0] == CELL
    assert output.splitlines()[-1].split()[-2:] == [f"{params:,}", f"{macs:,}"]

    best = CliRunner().invoke(main, ["best", "--storage", storage]).output
    accuracy = study.trials[0].user_attrs["optuna_nas:accuracy"]
    for line in (
        f"reward                {study.best_value:.4g}",
        f"validation accuracy   {accuracy:.2%}",
        "latency               3.25 ms",
    ):
        assert line in best


def test_a_search_by_reward_goes_on_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    begin = ["search", "--space", "nasbench201", "--data", "digits", "--train-size", "200"]
    begin += ["--val-size", "100", "--epochs", "1", "--build", "cells=1", "--build", "channels=4"]
    begin += ["--target-latency-ms", "1.5", "--device", "cpu", "--no-pictures", "--trials", "2"]
    first = CliRunner().invoke(main, begin)
    assert first.exit_code == 0, first.output
    assert "reward  " in first.output
    more = ["search", "--trials", "1", "--device", "cpu", "--no-pictures"]
    again = CliRunner().invoke(main, more)
    assert again.exit_code == 0, again.output
    study = optuna.load_study(study_name="nas", storage=open_storage("sqlite:///nas.db"))
    assert study.user_attrs["optuna_nas:study"]["reward"]["target"] == 1.5
    for trial in study.trials:
        factor = (trial.user_attrs["optuna_nas:latency_ms"] / 1.5) ** -0.07
        assert trial.value == pytest.approx(factor * trial.user_attrs["optuna_nas:accuracy"])
    other = CliRunner().invoke(main, [*more, "--target-latency-ms", "2"])
    assert "reward.target was 1.5 and is now 2.0" in other.output
    limited = CliRunner().invoke(main, [*more, "--max-latency-ms", "0.0001"])
    assert "1 infeasible" in limited.output, limited.output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--architecture", CELL], 2, "--architecture needs --space"),
        (["--published", "x", "--architecture", CELL], 2, "either --architecture or --published"),
        (["--published", "mnasnet-a1", "--input-size", "224px"], 2, "write sizes as 3x224x224"),
        (["--published", "nas-rl-v1", "--input-size", "224"], 1, "an input of shape (1, 224)"),
        (["--published", "nas-rl-v1", "--input-size", "2,3", "--resolution", "8"], 2, "of one in"),
        (["--published", "nas-rl-v1", "--build", "depth=3"], 1, "depth"),
    ],
)
def test_errors(run: Run, arguments: list[str], code: int, message: str) -> None:
    assert message in run(*arguments, code=code).output
