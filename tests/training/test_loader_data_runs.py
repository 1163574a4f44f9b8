"""Training on loaders: as on tensors, resumed, and in two processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from optuna_nas.training import EpochResult, LoaderData, Task, fit, seeded

X = torch.randn(41, 6, generator=torch.Generator().manual_seed(0))
Y = X[:, :1] * 2 + 1


class Noisy(TensorDataset):
    """Inputs with noise that is drawn when they are read."""

    def __getitem__(self, index: Any) -> Any:
        x, y = super().__getitem__(index)
        return x + 0.1 * torch.rand(6), y


def _data() -> LoaderData:
    train = DataLoader(Noisy(X[:30], Y[:30]), batch_size=8, shuffle=True)
    return LoaderData(
        "own",
        train,
        DataLoader(TensorDataset(X[30:], Y[30:]), 5),
        task=Task.regression(metric=None),
    )


def _net() -> nn.Module:
    with seeded(0):
        return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 1))


class _StopError(Exception):
    pass


def _stop(result: EpochResult) -> None:
    if result.epoch == 2:
        raise _StopError


def test_a_run_that_goes_on_ends_as_it_would_have(tmp_path: Path) -> None:
    whole = fit(_net(), _data(), epochs=4, device="cpu")
    kept = {"device": "cpu", "checkpoint": tmp_path / "run.pt"}
    with pytest.raises(_StopError):
        fit(_net(), _data(), epochs=4, on_epoch=_stop, **kept)
    torch.rand(7)  # whatever else a process draws
    resumed = fit(_net(), _data(), epochs=4, **kept)
    assert [epoch.restored for epoch in resumed.epochs] == [True, True, False, False]
    for ours, theirs in zip(resumed.epochs, whole.epochs, strict=True):
        assert (ours.train_loss, ours.val_loss) == (theirs.train_loss, theirs.val_loss)
    assert whole.last.val_metric < whole.epochs[0].val_metric


TRAIN = """
import json, sys
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler
from optuna_nas.training import LoaderData, Recipe, Task, distributed, evaluate, fit, seeded

torch.set_num_threads(1)
X = torch.randn(48, 6, generator=torch.Generator().manual_seed(0))
dataset = TensorDataset(X, X[:, :1] * 2 + 1)

with distributed() as processes:
    found = {}
    for name in ("rows", "sampler"):
        options = {"shuffle": True, "batch_size": 8}
        if name == "sampler" and processes.count > 1:
            options = {"sampler": DistributedSampler(dataset, shuffle=False), "batch_size": 4}
        elif name == "sampler":
            options = {"shuffle": False, "batch_size": 8}
        data = LoaderData(
            "own",
            DataLoader(dataset, **options),
            DataLoader(dataset, 7),
            task=Task.regression(metric=None),
        )
        with seeded(0):
            model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 1))
        history = fit(model, data, epochs=2, recipe=Recipe(lr=0.05), device="cpu")
        found[name] = [(e.train_loss, e.val_loss, e.val_metric) for e in history.epochs]
    with open(f"{sys.argv[1]}/{processes.count}-{processes.rank}.json", "w") as file:
        json.dump(found, file)
"""


@pytest.mark.slow
def test_two_processes_learn_what_one_does(tmp_path: Path, torchrun: Any) -> None:
    """Whether they share the loader's batches or a sampler deals the examples out."""
    torchrun(TRAIN, tmp_path)
    torchrun(TRAIN, tmp_path, processes=1)
    found = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("*.json")}
    assert found["2-0"] == found["2-1"]
    for name, curve in found["1-0"].items():
        for ours, alone in zip(found["2-0"][name], curve, strict=True):
            assert ours == pytest.approx(alone, abs=1e-5)
