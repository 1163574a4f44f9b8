"""Searches by alphas that take a second."""

from __future__ import annotations

from typing import Any

import optuna
import torch

from optuna_nas.objectives import AlphaRecipe, DARTSObjective, DARTSVariant, SoftmaxMixing
from optuna_nas.objectives.one_shot._learner import BilevelLearner
from optuna_nas.spaces import NASBench201Space
from optuna_nas.training import Recipe, Task, load_data
from optuna_nas.training.data import Batch

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


def batch(seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(8, 1, 8, 8, generator=generator)
    return Batch(images, torch.arange(8) % 10, 8)


def learner(
    space=SPACE, *, order=1, mixing=None, recipe=RECIPE, fixed=None, **alpha: Any
) -> BilevelLearner:
    torch.manual_seed(0)
    supernet = space.supernet(num_classes=10, in_channels=1, fixed=fixed, **SIZE)
    return BilevelLearner(
        supernet,
        Task.classification().bound_to(DATA, recipe),
        recipe,
        AlphaRecipe(**alpha),
        DARTSVariant(mixing=mixing or SoftmaxMixing(), order=order),
        device=torch.device("cpu"),
    )
