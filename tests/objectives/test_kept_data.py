"""Data that are loaded again by what a study keeps of them, and data of loaders in objectives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from optuna_nas.objectives import (
    DARTSObjective,
    SharedWeightsObjective,
    TrainingObjective,
    objective_from_study,
)
from optuna_nas.objectives.identity import DataIdentity
from optuna_nas.objectives.identity._rebuilt import load_kept
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.spaces import choice, function_space
from optuna_nas.training import Data, LoaderData, Recipe, Task, TensorData, load_data

RECIPE = Recipe(batch_size=8, lr=0.05, nesterov=False)
X = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
Y = X[:, 0] * X[:, 1]
REGRESSION = Task.regression(metric=None)


@function_space
def net(trial: Any, in_features: int = 3, out_features: int = 1) -> nn.Module:
    ops = {
        "skip_connect": nn.Identity,
        "relu": lambda: nn.Sequential(nn.Linear(8, 8), nn.ReLU()),
    }
    layers = [nn.Linear(in_features, 8), choice(trial, "layer_op", ops)]
    return nn.Sequential(*layers, nn.Linear(8, out_features))


def _csv(folder: Path) -> str:
    rows = [f"{row % 7 + 0.5},{row % 2},{'ab'[row % 2]},{row}" for row in range(40)]
    path = folder / "own.csv"
    path.write_text("\n".join(["y,label,kind,size", *rows]))
    return f"csv:{path}"


def _masks(folder: Path) -> str:
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
        for number in range(8):
            pixels = np.full((4, 4), number % 2, np.uint8)
            Image.fromarray(pixels).save(folder / kind / f"{number}.png")
    return f"masks:{folder}"


def _kept(data: Data) -> DataIdentity:
    return DataIdentity.from_json(data.identity)


def test_data_are_loaded_again_by_what_is_kept(tmp_path: Path) -> None:
    name = _csv(tmp_path)
    for data in (
        load_data("iris", train_size=50, val_size=20, split_seed=3),
        load_data(name, target="y", train_size=20, test_size=5),
        load_data(name, target="label", task="regression"),
        load_data(name, target="label"),
        load_data(name, target="y,size", task="regression"),
        load_data(_masks(tmp_path), image_size=6, split_seed=2),
    ):
        again = load_kept(_kept(data))
        assert again.identity == data.identity
        assert torch.equal(again.train.inputs, data.train.inputs)  # type: ignore[arg-type, union-attr]
        assert again.default_task == data.default_task


def _search(objective: Any, trials: int = 2) -> optuna.Study:
    study = optuna.create_study(direction=objective.direction, sampler=RandomSearchSampler(seed=0))
    study.optimize(objective, n_trials=trials)
    return study


def test_an_objective_is_made_again_with_its_table(tmp_path: Path) -> None:
    options: dict[str, Any] = {"epochs": 1, "recipe": RECIPE, "device": "cpu"}
    name = _csv(tmp_path)
    data = load_data(name, target="y")
    objective = TrainingObjective(net, data, task=REGRESSION, **options)
    assert objective.build == {"in_features": 4, "out_features": 1}
    study = _search(objective, 1)
    again = objective_from_study(study, space=net, device="cpu")
    assert again.identity == objective.identity
    study.optimize(again, n_trials=1)
    moved = tmp_path / "moved.csv"
    moved.write_bytes(Path(name.removeprefix("csv:")).read_bytes())
    elsewhere = objective_from_study(study, space=net, data=f"csv:{moved}", device="cpu")
    assert torch.equal(elsewhere.data.train.inputs, data.train.inputs)  # type: ignore[arg-type]
    changed = Path(name.removeprefix("csv:"))
    changed.write_text(changed.read_text().replace("3.5", "3.25"))
    with pytest.raises(ValueError, match="are not those of the study: .*content_hash"):
        objective_from_study(study, space=net)


def _loaders(train: Any = None) -> LoaderData:
    pairs = TensorDataset(X, Y)
    return LoaderData(
        "own",
        DataLoader(pairs, 8, shuffle=True) if train is None else train,
        DataLoader(TensorDataset(X[:20], Y[:20]), 10),
        task=REGRESSION,
        build={"in_features": 3},
        steps=None if train is None else 2,
    )


@pytest.mark.parametrize(
    "data", [TensorData("own", (X, Y), task=REGRESSION), _loaders()], ids=["tensors", "loaders"]
)
def test_every_objective_takes_them(data: Data) -> None:
    options: dict[str, Any] = {"recipe": RECIPE, "device": "cpu"}
    assert _search(TrainingObjective(net, data, epochs=1, **options)).best_value > 0
    assert _search(DARTSObjective(net, data, epochs=1, eval_epochs=1, **options), 1).best_value > 0
    assert _search(SharedWeightsObjective(net, data, epochs=1, **options)).best_value > 0


class _Stream(IterableDataset[Any]):
    def __iter__(self) -> Any:
        yield from zip(X, Y, strict=True)


def test_streams_train_and_say_what_they_cannot() -> None:
    data = _loaders(DataLoader(_Stream(), 8))
    options: dict[str, Any] = {"recipe": RECIPE, "device": "cpu"}
    assert _search(TrainingObjective(net, data, epochs=1, **options)).best_value > 0
    with pytest.raises(ValueError, match="`train` must be a DataLoader of a map-style dataset"):
        DARTSObjective(net, data, epochs=1, eval_epochs=1, **options)
