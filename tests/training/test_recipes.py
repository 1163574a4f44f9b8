"""Recipes check their settings, and the named ones are the published ones."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from optuna_nas.training import NAS_RL_CIFAR, NASBENCH201, Recipe


def test_nasbench201_is_the_published_training() -> None:
    # specs/nasbench201.md: SGD, Nesterov momentum 0.9, lr 0.1, cosine to 0, weight decay 5e-4,
    # batch 256, flip, crop of 32 padded by 4, no label smoothing or drop path.
    assert NASBENCH201.to_dict() == {
        "optimizer": "sgd",
        "lr": 0.1,
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 5e-4,
        "batch_size": 256,
        "schedule": "cosine",
        "label_smoothing": 0.0,
        "clip_grad_norm": None,
        "crop_padding": 4,
        "flip": True,
        "drop_path": 0.0,
    }


def test_nas_rl_has_the_settings_that_are_known() -> None:
    # specs/nas_rl.md: momentum 0.9, Nesterov, lr 0.1, weight decay 1e-4, flip, crop.
    recipe = NAS_RL_CIFAR
    assert (recipe.optimizer, recipe.momentum, recipe.nesterov) == ("sgd", 0.9, True)
    assert (recipe.lr, recipe.weight_decay, recipe.flip) == (0.1, 1e-4, True)
    assert recipe.crop_padding > 0


def test_the_default_turns_no_digit_into_another_sign() -> None:
    assert (Recipe().flip, Recipe().crop_padding) == (False, 0)


@pytest.mark.parametrize("recipe", [Recipe(), NASBENCH201, Recipe(clip_grad_norm=5.0)])
def test_a_recipe_comes_back_from_json(recipe: Recipe) -> None:
    assert Recipe(**json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_a_recipe_is_a_value() -> None:
    assert hash(Recipe()) == hash(Recipe())
    with pytest.raises(dataclasses.FrozenInstanceError, match="lr"):
        Recipe().lr = 1.0  # type: ignore[misc]
    with pytest.raises(TypeError, match="positional"):
        Recipe("sgd")  # type: ignore[misc]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "lion"}, r'`optimizer` must be one of "sgd", "adamw", but got .*\'lion\''),
        ({"schedule": "step"}, r'`schedule` must be one of "cosine", "constant"'),
        ({"lr": 0.0}, r"`lr` must be a finite number above 0, but got lr=0\.0"),
        ({"lr": float("inf")}, r"`lr` must be a finite number above 0"),
        ({"clip_grad_norm": -1.0}, r"`clip_grad_norm` must be a finite number above 0"),
        ({"momentum": 1.0}, r"`momentum` must lie in \[0, 1\), but got momentum=1\.0"),
        ({"label_smoothing": -0.1}, r"`label_smoothing` must lie in \[0, 1\)"),
        ({"drop_path": float("nan")}, r"`drop_path` must lie in \[0, 1\)"),
        ({"weight_decay": -1e-4}, r"`weight_decay` must be a finite number of at least 0"),
        ({"batch_size": 1}, r"`batch_size` must be an integer of at least 2, but got"),
        ({"batch_size": 64.0}, r"`batch_size` must be an integer"),
        ({"crop_padding": -1}, r"`crop_padding` must be an integer of at least 0"),
        ({"optimizer": "adamw"}, r'`nesterov` must be False unless optimizer="sgd"'),
        ({"momentum": 0.0}, r"`nesterov` needs momentum"),
    ],
)
def test_settings_outside_their_range_are_errors(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe(**settings)
