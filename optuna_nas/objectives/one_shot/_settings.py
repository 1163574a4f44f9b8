"""The settings of a search by alphas: as published, and as changed by a trial.

References:
    [Liu2019] Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019.
    arXiv:1806.09055.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optuna_nas._ground.checks import require_int
from optuna_nas.objectives._build import decided_arguments
from optuna_nas.objectives.one_shot._alpha_recipe import AlphaRecipe
from optuna_nas.spaces.base import require_space
from optuna_nas.training import Recipe, recipes

if TYPE_CHECKING:
    from optuna_nas.objectives.one_shot.variants import DARTSVariant
    from optuna_nas.spaces import SearchSpace
    from optuna_nas.training import Data, Task

__all__ = [
    "changed",
    "check_at_least_one",
    "published_recipe",
    "published_shared_recipe",
    "supernet_arguments",
]

_DARTS = Recipe(
    lr=0.025,
    lr_min=0.001,
    nesterov=False,
    weight_decay=3e-4,
    batch_size=64,
    clip_grad_norm=5.0,
    crop_padding=4,
    flip=True,
)
"""The weights of the supernet of [Liu2019]."""

ALPHA_PREFIX = "alpha_"  # of hyperparameters that are fields of AlphaRecipe


def published_recipe(space: SearchSpace, data: Data) -> Recipe:
    """Return the recipe of a supernet's weights while alphas learn, as published.

    Args:
        space: Its ``one_shot.recipe`` says it.
        data: Data that the recipe shall suit.
    """
    return data.suited(_recipe(space.one_shot.recipe))


def published_shared_recipe(space: SearchSpace, data: Data) -> Recipe:
    """Return the recipe of the weights that a space's children share, as published.

    Args:
        space: Its ``one_shot.shared_recipe`` says it; where that is None, ``one_shot.recipe``.
        data: Data that the recipe shall suit.
    """
    told = space.one_shot.shared_recipe
    recipe = data.suited(_recipe(space.one_shot.recipe if told is None else told))
    return dataclasses.replace(recipe, drop_path=0.0)  # one path alone has none to drop


def changed(
    recipe: Recipe, alpha: AlphaRecipe, changes: Mapping[str, Any]
) -> tuple[Recipe, AlphaRecipe]:
    """Return both recipes with other values for some fields.

    Args:
        recipe: Of the weights.
        alpha: Of alpha; names of its fields have ``alpha_`` before them.
        changes: By name.

    Raises:
        ValueError: If a name is no field, or a value is out of range.
    """
    of_alpha = {
        name: changes[ALPHA_PREFIX + name]
        for name in _fields(AlphaRecipe)
        if ALPHA_PREFIX + name in changes
    }
    of_weights = {name: value for name, value in changes.items() if name in _fields(Recipe)}
    known = _fields(Recipe) | {ALPHA_PREFIX + name for name in _fields(AlphaRecipe)}
    unknown = sorted(changes.keys() - known)
    if unknown:
        raise ValueError(
            f"`hyperparameters` must return fields of a Recipe or, with `{ALPHA_PREFIX}` before "
            f"them, of an AlphaRecipe ({', '.join(sorted(known))}), but returned {unknown}."
        )
    return dataclasses.replace(recipe, **of_weights), dataclasses.replace(alpha, **of_alpha)


def supernet_arguments(
    space: SearchSpace,
    data: Data,
    task: Task,
    arguments: Mapping[str, Any] | None,
    variant: DARTSVariant | None = None,
) -> dict[str, Any]:
    """Complete arguments of ``space.supernet`` by what the data and the variant decide.

    Args:
        space: One with a supernet.
        data: Decides on channels.
        task: Decides on classes.
        arguments: As the user gives them; they count more.
        variant: Of the search, if it is one by alphas.

    Raises:
        TypeError: If the space has no supernet, or does not take one of them, or is no space.
    """
    require_space(space)
    takes = space.supernet_arguments
    needed = {} if variant is None else dict(variant.supernet)
    missing = sorted(needed.keys() - takes.keys())
    if missing:
        raise TypeError(
            f"`variant` needs a supernet that takes {missing}, but that of {space} takes "
            f"{sorted(takes)}: search in a space that has them, such as DARTSSpace, or by another "
            "variant."
        )
    unknown = sorted((arguments or {}).keys() - takes.keys())
    if unknown:
        raise TypeError(
            f"`supernet` must name arguments of the supernet of {space} ({sorted(takes)}), not "
            f"{unknown}."
        )
    decided = decided_arguments(data, task)
    known = {name: value for name, value in decided.items() if name in takes}
    return {**known, **needed, **(arguments or {})}


def check_at_least_one(**numbers: int) -> None:
    """Refuse numbers of epochs that are none.

    Raises:
        ValueError: If so.
    """
    for name, value in numbers.items():
        require_int(name, value, at_least=1)


def _recipe(told: str | Mapping[str, Any]) -> Recipe:
    if isinstance(told, str):
        return recipes.by_name(told)
    return dataclasses.replace(_DARTS, **told)


def _fields(cls: type[Any]) -> set[str]:
    return {field.name for field in dataclasses.fields(cls)}
