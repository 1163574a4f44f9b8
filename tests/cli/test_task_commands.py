"""Commands on data of another task: its words, its format and its direction."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from click.testing import Result
from torch import nn

from optuna_nas.cli.commands._best import describe, value_in_words
from optuna_nas.objectives import MacsReward, TrainingObjective
from optuna_nas.objectives.identity import metric_words
from optuna_nas.spaces import choice, function_space
from optuna_nas.stores import open_storage
from optuna_nas.training import Recipe, Task, TensorData

Run = Callable[..., Result]
MAE = Task.regression(metric="mae")
SPACE = """
from torch import nn
from optuna_nas.spaces import choice, function_space

@function_space
def net(trial, in_features=3, out_features=1):
    ops = {"skip": nn.Identity, "relu": nn.ReLU, "tanh": nn.Tanh}
    hidden = choice(trial, "op", ops)
    return nn.Sequential(nn.Linear(in_features, 4), hidden, nn.Linear(4, out_features))
"""
OWN = ("--space", "nets.py:net")
SHORT = ("--epochs", "1", "--recipe", "batch_size=16", "--recipe", "lr=0.01", "--device", "cpu")

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]


@function_space
def network(trial: Any, in_features: int = 3, out_features: int = 1) -> nn.Module:
    ops = {"skip": nn.Identity, "relu": nn.ReLU}
    hidden = choice(trial, "op", ops)
    return nn.Sequential(nn.Linear(in_features, 4), hidden, nn.Linear(4, out_features))


def prices(task: Task | None = MAE) -> TensorData:
    x = torch.randn(80, 3, generator=torch.Generator().manual_seed(0))
    return TensorData("prices", (x, 100 + 50 * x[:, :1] * x[:, 1:2]), task=task)


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every command load the same table, for which ``nets.py:net`` makes networks."""
    (tmp_path / "nets.py").write_text(SPACE)
    monkeypatch.setattr("optuna_nas.training.load_data", lambda *args, **kwargs: prices())


def study(name: str = "nas") -> optuna.Study:
    return optuna.load_study(study_name=name, storage=open_storage("sqlite:///nas.db"))


@pytest.mark.usefixtures("table")
def test_an_error_is_searched_and_trained_in_its_words(run: Run) -> None:
    search = ("search", *OWN, "--data", "prices", *SHORT, "--pruner", "none", "--no-pictures")
    output = run(*search, "--trials", "3", "--sampler", "random").output
    made = study()
    assert made.direction.name == "MINIMIZE"
    least = min(trial.values[0] for trial in made.trials)
    assert f"validation MAE        {least:.4g} (minimised)" in output
    assert "accuracy" not in output
    facts = json.loads(run("best", *OWN, "--json").output)
    assert (facts["validation_metric"], facts["validation"]) == ("validation MAE", least)

    output = run("train", *OWN, "--epochs", "1", "--top", "1", "--seeds", "2").output
    assert re.search(r"^trial-\d, seed 0: validation MAE \d+\.\d+$", output, re.M)
    assert re.search(
        r"network +parameters +multiply-adds +validation MAE +test MAE$", output, re.M
    )
    assert "16 test examples\nthe lower the MAE, the better\n* chosen by validation MAE" in output
    assert "accuracy" not in output
    assert "baseline" not in output  # a ResNet is of images
    assert study("nas-random").direction.name == "MINIMIZE"
    (folder,) = re.findall(r"optuna-nas export (\S+)", output)
    run("export", folder, *OWN, "--no-onnx")
    assert "INPUT_SIZE = (3,)" in Path(folder, "export", "model.py").read_text()


@pytest.mark.usefixtures("table")
def test_one_shot_commands_tell_errors(run: Run) -> None:
    given = (*OWN, "--data", "prices", "--recipe", "batch_size=16", "--recipe", "lr=0.01")
    output = run("darts", *given, "--epochs", "1", "--eval-epochs", "1").output
    assert re.findall(r"^(\w+) 1 of 1: MAE \d+(?:\.\d+)?$", output, re.M) == [
        "search",
        "evaluation",
    ]
    assert "accuracy" not in output
    assert study("darts").direction.name == "MINIMIZE"
    run("darts", "--trials", "1", *OWN)  # it goes on

    short = ("--epochs", "1", "--children-per-epoch", "3", "--top-k", "3", "--sampler", "random")
    output = run("enas", *given, *short).output
    assert "the best on shared weights, on all 16 validation examples:" in output
    rows = re.findall(r"^ +\d +([\d.]+) +\d+  \{", output, re.M)
    assert [float(row) for row in rows] == sorted(map(float, rows))
    assert re.search(r"^ +MAE   trial  architecture$", output, re.M)
    assert "accuracy" not in output
    told = run("best", "--study-name", "enas", *OWN).output
    assert f"validation MAE        {rows[0]} (minimised)" in told


@pytest.mark.usefixtures("table")
def test_a_study_of_another_direction_is_named(run: Run) -> None:
    optuna.create_study(
        storage=open_storage("sqlite:///nas.db"), study_name="nas", direction="maximize"
    )
    output = run("search", *OWN, "--data", "prices", *SHORT, code=1).output
    assert "returns one number, the less the better, but the study 'nas' does not mini" in output
    assert 'create it with direction="minimize"' in output


def largest_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (outputs - targets).abs().max()


def _searched(task: Task, **options: Any) -> optuna.Study:
    objective = TrainingObjective(
        network,
        prices(task),
        epochs=1,
        recipe=Recipe(batch_size=16, lr=0.01),
        device="cpu",
        **options,
    )
    made = optuna.create_study(
        storage=open_storage("sqlite:///nas.db"), study_name="own", direction=objective.direction
    )
    made.optimize(objective, n_trials=1)
    return made


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (largest_error, "largest_error"),
        (None, "loss"),
        ("mae", "MAE"),
    ],
)
def test_a_task_of_the_users_own_is_told_in_the_words_that_the_study_keeps(
    metric: Any, words: str, run: Run
) -> None:
    loss = lambda outputs, targets: (outputs - targets).abs().mean()  # noqa: E731
    task = Task(loss=loss, metric=metric, direction="minimize")
    made = _searched(task, value=MacsReward(target_macs=100))
    found = metric_words(made)
    assert found is not None
    assert (found.name, found.format(0.5)) == (f"validation {words}", "0.5")
    value, error = describe(made, network, made.trials[0]).splitlines()[2:4]
    assert re.fullmatch(r"reward +[\d.e+]+ \(minimised\)", value)
    assert re.fullmatch(rf"validation {words} +[\d.e+]+ \(minimised\)", error)
    assert value_in_words(made, made.trials[0]) == re.sub(" +", " ", value)


def test_words_of_the_users_own_name_the_metric(run: Run) -> None:
    loss = lambda outputs, targets: (outputs - targets).abs().mean()  # noqa: E731
    made = _searched(Task(loss=loss, metric_name="deviation in euros"))
    found = metric_words(made)
    assert found is not None
    assert found.name == "validation deviation in euros"
