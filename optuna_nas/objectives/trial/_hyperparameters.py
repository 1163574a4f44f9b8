"""What a trial draws for itself beside an architecture: fields of the recipe it is trained by."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optuna_nas._attributes import (
    Attribute,
    Decode,
    fields,
    integer,
    number,
    optional,
    pass_over,
    scalar,
    text,
)
from optuna_nas.keys import HYPERPARAMETERS_KEY
from optuna_nas.training import Recipe

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import BaseTrial, FrozenTrial

__all__ = ["HYPERPARAMETERS", "drawn_in", "recipe_of", "settle_recipe"]

_KINDS: Mapping[str, Decode[Any]] = {
    "bool": scalar,  # 0 and 1 are drawn for it too
    "int": integer(),
    "float": number(),
    "str": text(200),
    "float | None": optional(number()),
    "str | None": optional(text(200)),
}

HYPERPARAMETERS = Attribute(
    HYPERPARAMETERS_KEY,
    fields({}, {field.name: _KINDS[str(field.type)] for field in dataclasses.fields(Recipe)}),
)


def settle_recipe(trial: BaseTrial, recipe: Recipe, drawn: Mapping[str, Any]) -> Recipe:
    """Note in a live trial what it drew, and return the recipe with that.

    Raises:
        ValueError: If a name is no field of a recipe, or a value is out of range.
    """
    known = {field.name for field in dataclasses.fields(Recipe)}
    unknown = sorted(drawn.keys() - known)
    if unknown:
        raise ValueError(
            f"`hyperparameters` must return fields of a Recipe ({', '.join(sorted(known))}), "
            f"but returned {unknown}."
        )
    settled = dataclasses.replace(recipe, **drawn)
    trial.set_user_attr(HYPERPARAMETERS_KEY, {**drawn})
    return settled


def drawn_in(study: Study) -> list[Mapping[str, Any]]:
    """Return what each trial drew for itself, of those that had a function to draw by.

    No storage keeps the function.
    """
    found = (HYPERPARAMETERS.read(trial) for trial in study.get_trials(deepcopy=False))
    return [drawn for drawn in found if drawn is not None]


def recipe_of(trial: FrozenTrial, recipe: Recipe) -> Recipe:
    """Return how a trial was trained: by a recipe, but for the fields that it drew for itself.

    Example:
        >>> import optuna
        >>> from optuna_nas.objectives import TrainingObjective, recipe_of
        >>> from optuna_nas.spaces import NASBench201Space
        >>> objective = TrainingObjective(
        ...     NASBench201Space(),
        ...     "digits",
        ...     epochs=1,
        ...     build={"cells": 1, "channels": 2},
        ...     hyperparameters=lambda trial: {"lr": trial.suggest_float("lr", 0.01, 0.1)},
        ... )
        >>> study = optuna.create_study(direction="maximize")
        >>> study.optimize(objective, n_trials=1)
        >>> recipe_of(study.best_trial, objective.recipe).lr == study.best_params["lr"]
        True

    Args:
        trial: That a :class:`TrainingObjective` has judged; any other drew nothing.
        recipe: Of the objective.
    """
    try:
        return dataclasses.replace(recipe, **(HYPERPARAMETERS.read(trial) or {}))
    except ValueError as e:
        pass_over(trial, HYPERPARAMETERS_KEY, f"must fit the recipe, but does not ({e})")
        return recipe
