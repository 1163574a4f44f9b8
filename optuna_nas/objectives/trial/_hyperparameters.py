"""Hyperparameters that a trial samples beside an architecture: fields of its recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optuna_nas._ground.attributes import (
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

__all__ = ["HYPERPARAMETERS", "recipe_of", "sampled_hyperparameters", "sampled_recipe"]

_KINDS: Mapping[str, Decode[Any]] = {
    "bool": scalar,  # 0 and 1 are sampled for it too
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


def sampled_recipe(trial: BaseTrial, recipe: Recipe, sampled: Mapping[str, Any]) -> Recipe:
    """Keep in a live trial what it has sampled, and return the recipe with that.

    Args:
        trial: A live trial.
        recipe: Recipe of the objective.
        sampled: Fields of the recipe by name.

    Raises:
        ValueError: If a name is no field of a recipe, or a value is out of range.
    """
    known = {field.name for field in dataclasses.fields(Recipe)}
    unknown = sorted(sampled.keys() - known)
    if unknown:
        raise ValueError(
            f"`hyperparameters` must return fields of a Recipe ({', '.join(sorted(known))}), "
            f"but returned {unknown}."
        )
    changed = dataclasses.replace(recipe, **sampled)
    trial.set_user_attr(HYPERPARAMETERS_KEY, {**sampled})
    return changed


def sampled_hyperparameters(study: Study) -> list[Mapping[str, Any]]:
    """Return the hyperparameters of each trial whose objective had a function to sample them.

    No storage keeps the function, so that a study with some goes on in Python only.
    """
    found = (HYPERPARAMETERS.read(trial) for trial in study.get_trials(deepcopy=False))
    return [sampled for sampled in found if sampled is not None]


def recipe_of(trial: FrozenTrial, recipe: Recipe) -> Recipe:
    """Return the recipe of a trial: the objective's, but for the fields that it sampled.

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
        trial: Trial of a :class:`TrainingObjective`; any other has sampled nothing.
        recipe: Recipe of the objective.
    """
    try:
        return dataclasses.replace(recipe, **(HYPERPARAMETERS.read(trial) or {}))
    except ValueError as e:
        pass_over(trial, HYPERPARAMETERS_KEY, f"must fit the recipe, but does not ({e})")
        return recipe
