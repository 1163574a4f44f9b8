"""Searches by alphas that take a second."""

from __future__ import annotations

from typing import Any

import optuna

from optuna_nas.objectives import AlphaRecipe, DARTSObjective, DARTSVariant
from optuna_nas.spaces import NASBench201Space
from optuna_nas.training import Recipe, load_data

SPACE = NASBench201Space()
SIZE = {"cells": 1, "channels": 2}
DATA = load_data("digits", train_size=64, val_size=40)
RECIPE = Recipe(batch_size=16, nesterov=False, clip_grad_norm=5.0)


PARTS = ("order", "mixing", "selection", "stop", "watch_eigenvalue")


def objective(space=SPACE, **options: Any) -> DARTSObjective:
    """A search; what belongs to the variant may be given beside the other options."""
    parts = {name: options.pop(name) for name in PARTS if name in options}
    if parts:
        options["variant"] = DARTSVariant(**parts)
    settings: dict[str, Any] = {
        "epochs": 3,
        "eval_epochs": 1,
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
