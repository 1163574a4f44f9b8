"""Commands on a training function of the user's own, loaded from a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from click.testing import Result

from optuna_nas.keys import SEARCH_KEY
from optuna_nas.stores import open_storage

Run = Callable[..., Result]
NETS = """
from torch import nn
from optuna_nas.objectives import ProxyObjective, TrainingObjective, training_function
from optuna_nas.spaces import NASBench201Space, function_space

@function_space
def net(trial, outputs=1):
    width = trial.suggest_categorical("width", [4, 8, 16])
    return nn.Sequential(nn.Linear(5, width), nn.Linear(width, outputs))

@training_function(space=net, inputs=(5,), metric="MAE", seed=7)
def objective(model, trial, report):
    for epoch in (1, 2):
        report(model[0].out_features / epoch * model[1].out_features, epoch)

@training_function(space=net, metric="MAE")
def unknown(model, trial, report):
    return model[0].out_features

@training_function(space=net, inputs=(5,), metric="MAE", value=("metric", "params"))
def pareto(model, trial, report):
    return 1.0

images = TrainingObjective(
    NASBench201Space(), "digits", epochs=1, build={"cells": 1, "channels": 2}, device="cpu"
)
scores = ProxyObjective(NASBench201Space(), "digits", device="cpu")
number = 3
"""
OWN = ("--objective", "nets.py:objective")


@pytest.fixture(autouse=True)
def _nets(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(NETS)


def study() -> optuna.Study:
    return optuna.load_study(study_name="nas", storage=open_storage("sqlite:///nas.db"))


def test_search_goes_on_and_keeps_what_was_chosen(run: Run) -> None:
    first = ("--sampler", "random", "--enqueue", '{"width": 4}')
    output = run("search", *OWN, "--trials", "1", *first).output
    assert "study 'nas': 1 complete" in output
    assert "MAE" in output
    run("search", *OWN, "--trials", "1", "--max-params", "50", "--enqueue", '{"width": 16}')
    trials = study().trials
    assert [trial.state.name for trial in trials] == ["COMPLETE", "PRUNED"]
    assert study().direction == optuna.study.StudyDirection.MINIMIZE
    assert study().user_attrs[SEARCH_KEY]["seed"] == 7
    assert study().user_attrs[SEARCH_KEY]["sampler"] == "random"
    assert study().user_attrs[SEARCH_KEY]["max_params"] == 50
    assert len(list(Path("nas.db-artifacts").iterdir())) == 1  # none of the pruned one


def test_the_study_is_shown_drawn_and_exported(run: Run) -> None:
    run("search", *OWN, "--trials", "1", "--enqueue", '{"width": 4}', "--no-pictures")
    assert '"value": 2.0' in run("best", *OWN, "--json").output
    assert '{"width": 4}' in run("draw", *OWN).output
    assert Path("architecture.svg").stat().st_size > 1000
    assert "export/model.py" in run("export", *OWN, "--no-onnx").output
    trained = run("train", *OWN, "--seeds", "2", "--top", "1").output
    assert "trial-0, seed 1: MAE 2\n" in trained
    assert "2 ± 0" in trained
    exported = run("export", "nas-final/trial-0", *OWN, "--no-onnx").output
    assert "nas-final/trial-0/export/model.py" in exported
    kept = json.loads(Path("nas-final/trial-0/seed-0.json").read_text())
    assert kept["result"]["val_metric"] == 2.0
    wider = run("train", *OWN, "--seeds", "1", "--build", "outputs=3", "-o", "wide").output
    assert "trial-0, seed 0: MAE 6\n" in wider


@pytest.mark.parametrize("command", ["search", "best", "draw", "export", "train"])
def test_the_function_is_asked_for(run: Run, command: str) -> None:
    run("search", *OWN, "--trials", "1", "--no-pictures")
    asked = run(command, code=2).output
    assert "'nas' is evaluated by a training function of your own (objective): give it" in asked
    assert "--objective file.py:object" in asked


def test_inputs_that_the_function_does_not_say_are_asked_for(run: Run) -> None:
    run("search", "--objective", "nets.py:unknown", "--trials", "1", "--no-pictures")
    asked = run("export", "--objective", "nets.py:unknown", code=2).output
    assert "the training function 'unknown' does not say its inputs: give --input-size" in asked


def test_an_objective_of_this_package_is_taken_as_it_is(run: Run) -> None:
    images = ("--objective", "nets.py:images")
    assert "1 complete" in run("search", *images, "--trials", "1", "--no-pictures").output
    final = ("--seeds", "1", "--epochs", "1", "--random-trials", "0", "--no-resnet")
    assert "trial-0" in run("train", *images, *final, "--build", "channels=2").output
    refused = run("search", *images, "--trials", "1", "--max-params", "5", code=2).output
    assert "--max-params is set where the objective is made" in refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("search", *OWN, "--epochs", "3"), "--epochs is set in the code of --objective"),
        (("search", *OWN, "--space", "pnas"), "--space is set in the code of --objective"),
        (("search", *OWN, "--data", "digits"), "--data is set in the code of --objective"),
        (("best", *OWN, "--space", "pnas"), "give either --space or --objective, which says"),
        (("search", "--objective", "objective"), "write module:object or file.py:object, not"),
        (("search", "--objective", "no.py:objective"), "there is no file 'no.py'"),
        (("search", "--objective", "nomodule:objective"), "No module named 'nomodule'"),
        (("search", "--objective", "nets.py:none"), "there is no 'none' in 'nets.py'"),
        (("search", "--objective", "nets.py:number"), "'number' in 'nets.py' is no objective: pu"),
        (("search", "--objective", "nets.py:net"), "'net' in 'nets.py' is no objective: put @tra"),
        (("search", "--objective", "nets.py:pareto"), "must return one value for each trial, but"),
    ],
)
def test_what_does_not_go_together(run: Run, arguments: tuple[str, ...], message: str) -> None:
    output = run(*arguments, code=2).output
    assert message in " ".join(output.split())
    assert "Invalid value for --space" not in output


def test_train_refuses_what_the_function_says(run: Run) -> None:
    run("search", *OWN, "--trials", "1", "--no-pictures")
    refused = run("train", *OWN, "--epochs", "3", code=2).output
    assert "--epochs is set in the code of --objective: change it there" in refused
    other = run("train", "--objective", "nets.py:unknown", code=1).output
    assert "was created with other settings: " in other
    scores = run("train", "--objective", "nets.py:scores", code=2).output
    assert "'nets.py:scores' trains no networks: give a training function or a Tr" in scores
