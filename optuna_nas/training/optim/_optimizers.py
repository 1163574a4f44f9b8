"""Optimizers, and batch norm, as a recipe asks for them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from optuna_nas.training._recipe import Recipe
from optuna_nas.training.optim._rmsprop import TensorFlowRMSProp

__all__ = ["make_optimizer", "restore_optimizer", "set_batch_norm"]

_CHANGING = {"lr", "params"}  # what training changes of an optimizer's settings


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
    if recipe.optimizer == "rmsprop":
        return TensorFlowRMSProp(
            weights,
            recipe.lr,
            decay=recipe.rms_decay,
            momentum=recipe.momentum,
            eps=recipe.rms_eps,
            weight_decay=recipe.weight_decay,
        )
    return torch.optim.SGD(
        weights,
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
        foreach=True,
    )


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load the state of an equal optimizer; ``load_state_dict`` takes any settings and shapes.

    Raises:
        ValueError: If it is of another one, which the next step would stumble over.
    """
    ours = [dict(group) for group in optimizer.param_groups]
    optimizer.load_state_dict(state)
    for mine, group in zip(ours, optimizer.param_groups, strict=True):
        for key, setting in mine.items():  # of a later torch than the one that wrote it
            group.setdefault(key, setting)
        different = [key for key in mine.keys() - _CHANGING if group[key] != mine[key]]
        if different or not isinstance(group["lr"], float | int):
            raise ValueError(f"its optimizer has other settings ({', '.join(different) or 'lr'})")
        for weight in group["params"]:
            for name, kept in optimizer.state[weight].items():
                if isinstance(kept, torch.Tensor) and kept.shape not in ((), weight.shape):
                    raise ValueError(f"its optimizer has {name} of the shape {tuple(kept.shape)}")


def set_batch_norm(model: nn.Module, recipe: Recipe) -> None:
    """Give all batch norms the recipe's momentum and epsilon, where it names them."""
    for module in model.modules():
        if not isinstance(module, _BatchNorm):
            continue
        if recipe.batch_norm_momentum is not None:
            module.momentum = recipe.batch_norm_momentum
        if recipe.batch_norm_eps is not None:
            module.eps = recipe.batch_norm_eps
