"""Tables as data of the commands."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from click.testing import Result

from optuna_nas.objectives import read_identity
from optuna_nas.stores import open_storage
from optuna_nas.training.recipes import TABLE

Run = Callable[..., Result]

SPACE = """
from torch import nn
from optuna_nas.spaces import function_space

@function_space
def net(trial, in_features=4, out_features=1):
    width = trial.suggest_categorical("width", [4, 8])
    return nn.Sequential(nn.Linear(in_features, width), nn.ReLU(), nn.Linear(width, out_features))
"""
HOUSES = ["price,rooms,city"] + [f"{row}.5,{row % 5},{'ab'[row % 2]}" for row in range(30)]
RECIPE = ("--recipe", "batch_size=8", "--recipe", "lr=0.01", "--epochs", "1")
STORAGE = "sqlite:///nas.db"


@pytest.fixture
def space(tmp_path: Path) -> tuple[str, str]:
    (tmp_path / "nets.py").write_text(SPACE)
    (tmp_path / "houses.csv").write_text("\n".join(HOUSES))
    return "--space", "nets.py:net"


def test_a_table_of_scikit_learn_is_searched(run: Run, space: tuple[str, str]) -> None:
    found = run("search", *space, "--data", "iris", *RECIPE, "--trials", "1", "--no-pictures")
    assert "study 'nas': " in found.output
    identity = read_identity(optuna.load_study(study_name="nas", storage=open_storage(STORAGE)))
    assert identity is not None
    assert identity.build == {"in_features": 4, "out_features": 3}


def test_a_file_is_searched_and_gone_on_with(run: Run, space: tuple[str, str]) -> None:
    data = ("--data", "csv:houses.csv", "--target", "rooms", "--task", "classification")
    run("search", *space, *data, *RECIPE, "--trials", "1", "--no-pictures")
    run("search", *space, "--trials", "1", "--no-pictures")
    study = optuna.load_study(study_name="nas", storage=open_storage(STORAGE))
    identity = read_identity(study)
    assert len(study.trials) == 2
    assert identity is not None
    assert identity.data is not None
    assert (identity.data.target, identity.data.task) == ("rooms", "classification")
    assert identity.data.arguments["train_size"] == 18


def test_a_file_is_searched_with_the_space_for_tables(run: Run, space: tuple[str, str]) -> None:
    data = ("--data", "csv:houses.csv", "--target", "price", "--task", "regression")
    settings = ("--space", "mlp", "--space-setting", "num_layers=1", "--recipe", "batch_size=8")
    run("search", *settings, *data, "--epochs", "1", "--trials", "2", "--no-pictures")
    study = optuna.load_study(study_name="nas", storage=open_storage(STORAGE))
    identity = read_identity(study)
    assert identity is not None
    assert identity.training_recipe() == dataclasses.replace(TABLE, batch_size=8)
    place = ("--epochs", "1", "--seeds", "1", "--top", "1", "--random-trials", "0")
    assert "test RMSE" in run("train", *place, "--output", "final").output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--data", "csv:houses.csv"), "`target` must name the column .*--target"),
        (("--data", "csv:none.csv", "--target", "price"), "must exist, but 'none.csv' does not"),
        (
            ("--data", "csv:houses.csv", "--target", "price", "--task", "classification"),
            "texts or whole numbers for classification",
        ),
        (("--data", "iris", "--target", "price"), "`target` is for csv:PATH"),
        (("--data", "california"), "The files of 'california' are missing"),
        (("--data", "csv:houses.csv", "--task", "ranking"), "'ranking' is not one of"),
    ],
)
def test_data_that_are_refused(
    run: Run, space: tuple[str, str], arguments: tuple[str, ...], message: str
) -> None:
    code = 2 if "ranking" in arguments else 1
    place = ("--data-root", "here", "--trials", "1", "--no-pictures")
    output = run("search", *space, *RECIPE, *place, *arguments, code=code).output
    assert "Error" in output
    assert re.search(message, output)


def test_commands_for_images_say_so(run: Run) -> None:
    output = run(
        "transfer",
        "--published",
        "DARTS_V2",
        "--data",
        "iris",
        "--size",
        "4 @ 64",
        "--epochs",
        "1",
        code=2,
    ).output
    assert "--data must name images for this command" in output
