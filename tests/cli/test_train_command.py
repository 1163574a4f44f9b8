"""``optuna-nas train`` and ``export``: from a search to a network that needs only torch."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from click.testing import Result

from optuna_nas.cli.commands._train import _word
from optuna_nas.objectives import MacsReward, TrainingObjective
from optuna_nas.spaces import NASBench201Space
from optuna_nas.stores import open_storage
from optuna_nas.training import load_data

Run = Callable[..., Result]
SEARCH = ("search", "--data", "digits", "--train-size", "200", "--val-size", "100")
TINY = ("--build", "cells=1", "--build", "channels=4")
CELL = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"


pytestmark = pytest.mark.usefixtures("one_thread")


def test_search_train_export(run: Run, tmp_path: Path) -> None:
    search = (*SEARCH, *TINY, "--space", "nasbench201", "--epochs", "1", "--no-pictures")
    run(*search, "--trials", "3", "--max-params", "30000", "--pruner", "none")
    train = ("train", *TINY, "--epochs", "1", "--top", "2", "--seeds", "2")
    output = run(*train).output
    table = [line for line in output.splitlines() if re.search(r"± .*%$", line)]
    assert [line.split("  ")[0] for line in table] == ["found"] * 2 + ["random search", "baseline"]
    assert "the best of 3 trials, 3 epochs" in output
    assert "1,497 test images" in output
    assert run(*train).output.splitlines()[-12:] == output.splitlines()[-12:]  # nothing anew

    storage = open_storage("sqlite:///nas.db")
    baseline = optuna.load_study(study_name="nas-random", storage=storage)
    assert len(baseline.trials) == 3
    assert all(trial.user_attrs["optuna_nas:params"] <= 30_000 for trial in baseline.trials)
    again = run(*train, "--random-study", "nas-random", "-o", "second", "--no-resnet").output
    assert "baseline" not in again

    (folder,) = re.findall(r"optuna-nas export (\S+)", output)
    exported = run("export", folder, "--no-onnx").output
    assert "random weights" not in exported
    made = {path.name for path in (tmp_path / folder / "export").iterdir()}
    assert made == {"model.py", "weights.pt", "model.pt2", "architecture.svg"}
    card = json.loads((tmp_path / folder / "card.json").read_text())
    code = (tmp_path / folder / "export" / "model.py").read_text()
    assert card["origin"]["architecture"][:40] in code
    assert "INPUT_SIZE = (1, 8, 8)" in code
    assert "MEAN = " in code


def test_a_folder_for_a_shell() -> None:
    assert _word(Path("nas-final/trial-1")) == "nas-final/trial-1"
    assert shlex.split(_word(Path("-my runs; rm x/trial-1"))) == ["./-my runs; rm x/trial-1"]


def test_export_fails_where_a_file_cannot_be_made(
    run: Run, own_space: str, tmp_path: Path
) -> None:
    source = (tmp_path / "nets.py").read_text()
    odd = "nn.Sequential(nn.LogSigmoid(), Odd(), nn.Conv2d("
    own = "import torch\nclass Odd(torch.nn.Module):\n    scale = [torch.ones(1)]\n"
    own += "    def forward(self, x):\n        return x * self.scale[0]\n"
    (tmp_path / "nets.py").write_text(own + source.replace("nn.Sequential(nn.Conv2d(", odd))
    arguments = ("export", "--space", own_space, "--architecture", '{"width": 8}', "--no-onnx")
    output = run(*arguments, "--input-size", "3x8x8", code=1).output
    assert re.search(r"^export/model\.py +not written: Odd \(1\) uses a tensor", output, re.M)
    assert output.splitlines()[-1] == "Error: not written: model.py"
    assert {path.name for path in Path("export").iterdir()} == {
        *("weights.pt", "model.pt2", "architecture.svg")
    }


def test_random_search_can_be_left_out(run: Run) -> None:
    search = (*SEARCH, *TINY, "--space", "nasbench201", "--epochs", "1", "--no-pictures")
    run(*search, "--trials", "2")
    train = ("train", *TINY, "--epochs", "1", "--top", "1", "--seeds", "1", "--no-resnet")
    output = run(*train, "--random-trials", "0").output
    assert "random" not in output.replace("random-trials", "")
    everything = run(*train, "--random-trials", "0", "--no-validate", "-o", "all").output
    assert re.search(r"^trial-\d, seed 0: trained$", everything, re.M)
    assert "* chosen by the search" in everything
    run(*train, "--random-trials", "1", "--random-study", "x", code=2)
    error = run(*train[:5], "--top", "1", code=2).output
    assert "give --epochs, or a --published-recipe" in error


def test_a_published_recipe_says_how_long(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run(*SEARCH, *TINY, "--space", "nasbench201", "--epochs", "1", "--trials", "1")
    seen = {}

    def retrain(study: object, objective: object, **settings: object) -> object:
        seen.update(settings)
        raise RuntimeError("far enough")

    monkeypatch.setattr("optuna_nas.final.retrain", retrain)
    run("train", "--published-recipe", "darts_cifar", "--recipe", "lr=0.5", code=1)
    assert seen["epochs"] == 600
    assert (seen["recipe"].cutout, seen["recipe"].lr) == (16, 0.5)


def test_a_space_of_ones_own(run: Run, own_space: str, tmp_path: Path) -> None:
    small = ("--image-size", "6", "--epochs", "1", "--trials", "2", "--no-pictures")
    run(*SEARCH, "--space", own_space, *small)
    train = ("train", "--epochs", "1", "--top", "1", "--seeds", "1", "--no-resnet")
    assert "give it again" in run(*train, code=2).output
    output = run(*train, "--space", own_space).output
    (folder,) = re.findall(r"optuna-nas export (\S+)", output)
    run("export", folder, "--space", own_space, "--no-onnx")
    code = (tmp_path / folder / "export" / "model.py").read_text()
    assert "class Network(nn.Sequential)" in code
    assert "INPUT_SIZE = (1, 6, 6)" in code


def test_a_study_that_was_rewarded_for_macs_goes_on_so(run: Run, tmp_path: Path) -> None:
    data = load_data("digits", train_size=200, val_size=100)
    build = {"cells": 1, "channels": 4}
    reward = MacsReward(target_macs=1e5)
    objective = TrainingObjective(NASBench201Space(), data, epochs=1, build=build, value=reward)
    study = optuna.create_study(
        storage=open_storage(f"sqlite:///{tmp_path / 'nas.db'}"),
        study_name="nas",
        direction="maximize",
    )
    study.optimize(objective, n_trials=1)
    train = ("train", *TINY, "--epochs", "1", "--top", "1", "--seeds", "1", "--no-resnet")
    run(*train)
    baseline = optuna.load_study(study_name="nas-random", storage=open_storage("sqlite:///nas.db"))
    assert baseline.user_attrs["optuna_nas:study"] == study.user_attrs["optuna_nas:study"]


def test_hyperparameters_of_a_trial_are_carried(run: Run, tmp_path: Path) -> None:
    data = load_data("digits", train_size=200, val_size=100)
    objective = TrainingObjective(
        NASBench201Space(),
        data,
        epochs=1,
        build={"cells": 1, "channels": 4},
        hyperparameters=lambda trial: {"lr": trial.suggest_float("rate", 0.01, 0.09)},
    )
    storage = open_storage(f"sqlite:///{tmp_path / 'nas.db'}")
    study = optuna.create_study(storage=storage, study_name="nas", direction="maximize")
    study.optimize(objective, n_trials=1)
    sizes = ("--epochs", "1", "--seeds", "1")
    train = ("train", *TINY, *sizes, "--no-resnet", "--random-trials", "0")
    error = run(*train[:-2], code=2).output
    assert "sampled hyperparameters by a function" in " ".join(error.split())
    assert "go on with it in Python" in " ".join(run("search", code=2).output.split())
    assert len(study.trials) == 1
    run(*train, "--recipe", "momentum=0.8")
    card = json.loads((tmp_path / "nas-final" / "trial-0" / "card.json").read_text())
    assert card["recipe"]["lr"] == study.best_params["rate"]
    assert card["recipe"]["momentum"] == 0.8
    run(
        "transfer",
        "--data",
        "digits",
        "--train-size",
        "200",
        "--val-size",
        "100",
        *sizes,
        "--cells",
        "2",
        "--channels",
        "4",
    )
    card = json.loads((tmp_path / "transferred" / "larger" / "card.json").read_text())
    assert card["recipe"]["lr"] == study.best_params["rate"]


def test_an_architecture_without_weights(run: Run, tmp_path: Path) -> None:
    architecture = ("--space", "nasbench201", "--architecture", CELL, "--input-size", "1x8x8")
    output = run("export", *architecture, *TINY, "--no-onnx", "-o", "out").output
    assert "random weights: the network has not been trained" in output
    assert "self.nodes" in (tmp_path / "out" / "model.py").read_text()
    assert "give RUN" in run("export", *architecture, "--seed", "1", code=2).output
    (tmp_path / "empty").mkdir()
    assert "with card.json" in run("export", "empty", code=1).output
    assert "leave them out" in run("export", "empty", *TINY, code=2).output
