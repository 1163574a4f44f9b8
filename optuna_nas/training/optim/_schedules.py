"""Schedules of a recipe: the learning rate, and the probability of drop path.

Each is a function of the recipe and the step alone, so that a run can go on from any epoch.

References:
    Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts, arXiv 1608.03983.
"""

from __future__ import annotations

import math

from optuna_nas.training._recipe import Recipe

__all__ = ["drop_path", "learning_rate"]


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int, epochs: int) -> float:
    """Return the learning rate of a step in 0..epochs * steps_per_epoch - 1."""
    warmup = recipe.warmup_epochs * steps_per_epoch
    if step < warmup:
        return recipe.lr * step / warmup
    done = step - warmup  # steps of the schedule itself
    if recipe.schedule == "cosine":
        return _cosine(recipe, done / (epochs * steps_per_epoch - warmup))
    if recipe.schedule == "cosine_restarts":
        return _cosine(recipe, _restart_progress(recipe, done / steps_per_epoch))
    if recipe.schedule == "exponential":
        period = recipe.lr_decay_epochs * steps_per_epoch
        return recipe.lr * recipe.lr_decay ** math.floor(done / period)
    return recipe.lr


def drop_path(recipe: Recipe, step: int, steps_per_epoch: int, epochs: int) -> float:
    """Return the probability of drop path at a step in 0..epochs * steps_per_epoch - 1."""
    if recipe.drop_path_schedule == "constant":
        return recipe.drop_path
    if recipe.drop_path_schedule == "steps":
        return recipe.drop_path * step / (epochs * steps_per_epoch)
    epoch = step // steps_per_epoch + 1
    return recipe.drop_path * epoch / epochs


def _cosine(recipe: Recipe, progress: float) -> float:
    """Return the rate at a progress in [0, 1)."""
    return recipe.lr_min + (recipe.lr - recipe.lr_min) * (1 + math.cos(math.pi * progress)) / 2


def _restart_progress(recipe: Recipe, epochs: float) -> float:
    """Return how far the cosine of that moment has come, in [0, 1)."""
    length = recipe.restart_epochs
    while epochs >= length:
        epochs -= length
        length *= recipe.restart_factor
    return epochs / length
