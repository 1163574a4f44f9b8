"""Children of NAS-Bench-201 on shared weights, in a second."""

from __future__ import annotations

from typing import Any

import optuna

from optuna_nas.objectives import SharedWeightsObjective
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.spaces import NASBench201Space
from optuna_nas.training import Recipe, load_data

SPACE = NASBench201Space()
SIZE = {"cells": 1, "channels": 2}
DATA = load_data("digits", train_size=64, val_size=40)
RECIPE = Recipe(batch_size=16)
EPOCH = "optuna_nas:shared:epoch"


def objective(space=SPACE, **options: Any) -> SharedWeightsObjective:
    settings: dict[str, Any] = {
        "epochs": 3,
        "children_per_epoch": 4,
        "supernet": SIZE,
        "recipe": RECIPE,
        "device": "cpu",
    }
    return SharedWeightsObjective(space, DATA, **settings | options)


def study(sampler=None, **options: Any) -> optuna.Study:
    sampler = sampler or RandomSearchSampler(seed=0)
    return optuna.create_study(direction="maximize", sampler=sampler, **options)


def values(of: optuna.Study) -> list[float | None]:
    return [trial.value for trial in of.trials]


def supernet_of(sharing: SharedWeightsObjective):
    return sharing.weights._network.supernet
