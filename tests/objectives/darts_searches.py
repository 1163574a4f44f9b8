"""Searches by alphas that take a second."""

from __future__ import annotations

from typing import Any

import optuna

from optuna_nas.objectives import AlphaRecipe, DARTSObjective
from optuna_nas.spaces import NASBench201Space
from optuna_nas.training import Recipe, load_data

SPACE = NASBench201Space()
SIZE = {"cells": 1, "channels": 2}
DATA = load_data("digits", train_size=64, val_size=40)
RECIPE = Recipe(batch_size=16, nesterov=False, clip_grad_norm=5.0)


def objective(space=SPACE, **options: Any) -> DARTSObjective:
    settings: dict[str, Any] = {
        "epochs": 3,
        "judge_epochs": 1,
        "supernet": SIZE,
        "build": SIZE,
        "recipe": RECIPE,
        "alpha": AlphaRecipe(lr=0.1),
        "device": "cpu",
    }
    return DARTSObjective(space, DATA, **settings | options)


def run(objective: DARTSObjective, trials: int = 1, **study: Any) -> optuna.Study:
    made = optuna.create_study(direction="maximize", **study)
    made.optimize(objective, n_trials=trials)
    return made
