"""Optimizers, learning rates and drop path as a recipe asks for them.

Each is a function of the recipe and the step alone, so that a run can go on from any epoch.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from optuna_nas.training._recipes import Recipe

__all__ = ["learning_rate", "make_optimizer", "set_drop_path"]


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


def set_drop_path(model: nn.Module, probability: float) -> None:
    """Set ``drop_prob`` of every module that has one, as modules for drop path do.

    Raises:
        ValueError: If none has, and the probability is not 0.
    """
    found = [module for module in model.modules() if hasattr(module, "drop_prob")]
    if not found and probability > 0:
        raise ValueError(
            f"`drop_path` must be 0 for a network without drop path, but {type(model).__name__} "
            "has no module with a `drop_prob`: build it with drop path, or set drop_path=0.0."
        )
    for module in found:
        module.drop_prob = probability  # type: ignore[assignment]
