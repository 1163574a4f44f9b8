"""Final training for other tasks than classification, on data that are no images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from linear_candidates import FAST, digits, linear_candidate
from own_data import OwnData, Rows
from torch import nn

from optuna_nas.final import (
    Candidate,
    read_card,
    retrain,
    train_candidates,
    trained_network,
    transfer,
)
from optuna_nas.final._resnet import is_task_of_resnet, resnet_of_equal_macs
from optuna_nas.objectives import TrainingObjective
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.spaces import choice, function_space, published
from optuna_nas.training import Data, Recipe, Task, evaluate, save_weights

RECIPE = Recipe(batch_size=16, lr=0.05, nesterov=False)
MAE = Task.regression(metric="mae")


def table() -> Data:
    """Five columns and a number."""
    x = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
    y = 10 * x[:, 0] + x[:, 4]
    return OwnData(x, y).holding(test=Rows(x[:9], y[:9]))


def two_inputs() -> Data:
    """Two tables with names."""
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    inputs = {"x": x, "z": x[:, :2]}
    return OwnData(inputs, x[:, 0]).holding(test=Rows(inputs, x[:, 0]))


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(5, 1)

    def forward(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return self.head(torch.cat([x, z], 1))


@function_space
def network(trial: Any, out_features: int = 1) -> nn.Module:
    ops = {"skip": nn.Identity, "relu": nn.ReLU, "tanh": nn.Tanh}
    return nn.Sequential(nn.Linear(5, 8), choice(trial, "op", ops), nn.Linear(8, out_features))


def test_the_whole_way_of_an_error(tmp_path: Path) -> None:
    data = table()
    objective = TrainingObjective(network, data, task=MAE, epochs=1, recipe=RECIPE, device="cpu")
    study = optuna.create_study(direction=objective.direction, sampler=RandomSearchSampler(seed=0))
    study.optimize(objective, n_trials=3)
    compared = retrain(study, objective, folder=tmp_path, epochs=2, top=2, seeds=2, device="cpu")
    assert [f.role for f in compared.finalists] == ["found", "found", "random search"]
    assert compared.finalists[0].origin["trial"] == study.best_trial.number
    assert (
        optuna.load_study(
            study_name=f"{study.study_name}-random", storage=study._storage
        ).direction
        == study.direction
    )
    chosen = compared.chosen
    assert chosen is not None
    assert chosen.val_metric.mean == min(f.val_metric.mean for f in compared.finalists[:2])
    card = read_card(chosen.folder)
    assert card["metric"] == {"name": "MAE", "direction": "minimize"}
    assert card["task"] == MAE.identity
    assert card["data"]["inputs"] == "5"
    kept = trained_network(chosen.folder, space=network)
    found = evaluate(kept, data.test, data, task=MAE, device="cpu").metric
    assert found == pytest.approx(chosen.best.test_metric)
    text = (chosen.folder / "README.md").read_text()
    assert f"| test MAE | {chosen.test_metric} |" in text
    assert "| data | own: 30 train, 30 val, 9 test |\n| inputs | 5 |" in text


def test_a_run_for_another_task_in_the_same_folder_is_named(tmp_path: Path) -> None:
    own = Candidate(name="two", make=Two, origin={})
    settings: dict[str, Any] = {"folder": tmp_path, "epochs": 1, "seeds": 1, "device": "cpu"}
    compared = train_candidates([own], two_inputs(), task=MAE, **settings)
    assert (compared["two"].params, compared["two"].macs) == (6, 5)
    assert "| inputs | x 3, z 2 |" in (tmp_path / "two" / "README.md").read_text()
    with pytest.raises(ValueError, match="task.metric was 'mae' and is now 'r2'"):
        train_candidates([own], two_inputs(), task=Task.regression(metric="r2"), **settings)


def test_runs_of_earlier_versions_are_read(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"epochs": 1, "seeds": 2, "recipe": FAST, "device": "cpu"}
    first = train_candidates([linear_candidate()], digits(), folder=tmp_path, **settings)
    for path in (tmp_path / "linear").glob("*.json"):
        old = path.read_text().replace("val_metric", "val_accuracy")
        path.write_text(old.replace("test_metric", "test_accuracy"))
    card = json.loads((tmp_path / "linear" / "card.json").read_text())
    del card["metric"], card["data"]["inputs"]
    (tmp_path / "linear" / "card.json").write_text(json.dumps(card))
    read = read_card(tmp_path / "linear")
    assert [run["val_metric"] for run in read["runs"]] == [
        run.val_metric for run in first["linear"].runs
    ]
    assert read["data"]["inputs"] == "1x8x8"
    assert train_candidates([linear_candidate()], digits(), folder=tmp_path, **settings) == first


@pytest.mark.parametrize(("direction", "seed"), [("maximize", 1), ("minimize", 0)])
def test_the_best_run_of_a_card_has_the_best_metric(
    direction: str, seed: int, tmp_path: Path
) -> None:
    made = published.NASBENCH201_RESNET
    build = {"num_classes": 2, "in_channels": 1, "cells": 1, "channels": 2}
    card = {
        "name": "mine",
        "origin": {"json": made.to_json(), "build": build},
        "data": {"inputs": "1x8x8"},
        "metric": {"name": "MAE", "direction": direction},
        "runs": [{"seed": k, "failure": "", "val_metric": v} for k, v in ((0, 2.0), (1, 3.0))],
    }
    (tmp_path / "card.json").write_text(json.dumps(card))
    save_weights(made.build(**build), tmp_path / f"seed-{seed}.pt")
    assert isinstance(trained_network(tmp_path), nn.Module)


def test_a_resnet_stands_beside_where_it_can_be_trained() -> None:
    images = digits()
    assert is_task_of_resnet(images, Task.classification(metric="macro_f1"))
    assert not is_task_of_resnet(images, Task.multilabel())  # their labels are one number each
    assert not is_task_of_resnet(images, Task(loss=nn.L1Loss()))
    assert not is_task_of_resnet(table(), MAE)
    numbers = Task.regression()
    assert is_task_of_resnet(images, numbers)
    made = resnet_of_equal_macs(images, 10_000, task=numbers).make()
    assert made(torch.zeros(2, 1, 8, 8)).shape == (2, 1)


def test_data_that_cannot_be_merged_say_so(tmp_path: Path) -> None:
    objective = TrainingObjective(
        network, table(), task=MAE, epochs=1, recipe=RECIPE, device="cpu"
    )
    study = optuna.create_study(direction="minimize")
    with pytest.raises(TypeError, match=r"must say how its splits are joined, but 'own' is a Own"):
        retrain(study, objective, folder=tmp_path, epochs=1, validate=False)


def test_cells_are_transferred_to_images_only(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="of one image each.*but the inputs of 'own' are x=3,z=2"):
        transfer(
            published.NASNET_A,
            two_inputs(),
            task=MAE,
            searched={},
            cells=1,
            channels=4,
            folder=tmp_path,
            epochs=1,
        )
