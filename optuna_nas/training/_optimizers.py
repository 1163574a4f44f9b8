"""Optimizers and learning rates as a recipe asks for them.

Each is a function of the recipe and the step alone, so that a run can go on from any epoch.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from optuna_nas.training._recipes import Recipe

__all__ = ["learning_rate", "make_optimizer"]


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the optimizer of the trainable weights."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    if not weights:
        raise ValueError(
            f"`model` must have trainable parameters, but {type(model).__name__} has none."
        )
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(
            weights,
            lr=recipe.lr,
            betas=(recipe.momentum, 0.999),
            weight_decay=recipe.weight_decay,
            foreach=True,
        )
    return torch.optim.SGD(
        weights,
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        foreach=True,
    )


def learning_rate(recipe: Recipe, step: int, total: int) -> float:
    """Return the learning rate of a step in 0..total-1."""
    if recipe.schedule == "constant":
        return recipe.lr
    return recipe.lr * (1 + math.cos(math.pi * step / total)) / 2
