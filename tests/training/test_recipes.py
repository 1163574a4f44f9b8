"""Recipes check their settings, and the named ones are the published ones."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from optuna_nas.training import Recipe, recipes
from optuna_nas.training.recipes import NAS_RL_CIFAR, NASBENCH201

SGD = {"optimizer": "sgd", "momentum": 0.9}
CIFAR = {**SGD, "crop_padding": 4, "flip": True}
RESTARTS = {
    **CIFAR,
    "nesterov": True,
    "lr": 0.05,
    "schedule": "cosine_restarts",
    "restart_epochs": 10,
    "restart_factor": 2,
    "clip_grad_norm": 5.0,
    "auxiliary_weight": 0.4,
}
MOBILE = {
    "optimizer": "rmsprop",
    "rms_decay": 0.9,
    "momentum": 0.9,
    "lr": 0.256,
    "batch_size": 4096,
    "schedule": "exponential",
    "lr_decay": 0.97,
    "lr_decay_epochs": 2.4,
    "warmup_epochs": 5.0,
    "weight_decay": 1e-5,
    "label_smoothing": 0.1,
    "ema_decay": 0.9999,
    "batch_norm_momentum": pytest.approx(1 - 0.99),
    "batch_norm_eps": 1e-3,
}
NASNET_LARGE = {
    "optimizer": "rmsprop",
    "rms_decay": 0.9,
    "rms_eps": 1.0,
    "ema_decay": 0.9999,
    "label_smoothing": 0.1,
    "auxiliary_weight": 0.4,
    "schedule": "exponential",
    "lr_decay": 0.97,
    "lr_decay_epochs": 2.4,
    "clip_grad_norm": 10.0,
    "batch_norm_momentum": pytest.approx(1 - 0.9997),
    "batch_norm_eps": 1e-3,
    "drop_path_schedule": "steps",
}

# What the papers or their released code say. Of drop path they give what is kept. Settings that
# could not be checked are named "Ours" in the descriptions of the recipes and left out here.
PUBLISHED: dict[str, tuple[dict[str, Any], int | None]] = {
    "nas_rl_cifar": (
        {**SGD, "nesterov": True, "lr": 0.1, "weight_decay": 1e-4, "flip": True},
        50,
    ),
    "nasbench201": (
        {
            **CIFAR,
            "nesterov": True,
            "lr": 0.1,
            "weight_decay": 5e-4,
            "batch_size": 256,
            "schedule": "cosine",
            "lr_min": 0.0,
            "warmup_epochs": 0.0,
            "label_smoothing": 0.0,
            "drop_path": 0.0,
        },
        200,
    ),
    "nasnet_cifar": (
        {
            **CIFAR,
            "lr": 0.025,
            "batch_size": 32,
            "weight_decay": 5e-4,
            "schedule": "cosine",
            "clip_grad_norm": 5.0,
            "drop_path": pytest.approx(1 - 0.6),
            "drop_path_schedule": "steps",
            "auxiliary_weight": 0.4,
        },
        600,
    ),
    "nasnet_imagenet": (
        {
            **NASNET_LARGE,
            "lr": pytest.approx(100 * 0.015),
            "batch_size": 100 * 16,
            "weight_decay": 5e-5,
            "drop_path": pytest.approx(1 - 0.7),
        },
        None,
    ),
    "nasnet_imagenet_mobile": (
        {
            **NASNET_LARGE,
            "lr": pytest.approx(50 * 0.04),
            "batch_size": 50 * 32,
            "weight_decay": 4e-5,
            "drop_path": 0.0,
        },
        None,
    ),
    "amoebanet_cifar": (
        {
            **SGD,
            "lr": 0.024,
            "batch_size": 128,
            "weight_decay": 5e-4,
            "schedule": "cosine",
            "drop_path": pytest.approx(1 - 0.7),
        },
        600,
    ),
    "amoebanet_imagenet": (
        {
            "optimizer": "rmsprop",
            "rms_decay": 0.9,
            "rms_eps": 0.1,
            "lr": 0.001,
            "schedule": "exponential",
            "lr_decay": 0.97,
            "lr_decay_epochs": 2.0,
            "weight_decay": 4e-5,
            "label_smoothing": 0.1,
            "auxiliary_weight": 0.4,
            "drop_path": pytest.approx(1 - 0.7),
        },
        None,
    ),
    "pnas_cifar": ({}, 600),
    "darts_cifar": (
        {
            **CIFAR,
            "nesterov": False,
            "lr": 0.025,
            "lr_min": 0.0,
            "schedule": "cosine",
            "batch_size": 96,
            "weight_decay": 3e-4,
            "clip_grad_norm": 5.0,
            "auxiliary_weight": 0.4,
            "cutout": 16,
            "drop_path": 0.2,
            "drop_path_schedule": "epochs",
        },
        600,
    ),
    "darts_imagenet": (
        {
            "optimizer": "sgd",
            "lr": 0.1,
            "schedule": "exponential",
            "lr_decay": 0.97,
            "lr_decay_epochs": 1.0,
            "batch_size": 128,
            "weight_decay": 3e-5,
            "label_smoothing": 0.1,
            "auxiliary_weight": 0.4,
            "clip_grad_norm": 5.0,
            "drop_path": 0.0,
        },
        250,
    ),
    # Weight decay: twice the released factors of the sum of squares.
    "enas_micro_search": (
        {
            **RESTARTS,
            "lr_min": 0.0005,
            "batch_size": 160,
            "weight_decay": 2 * 1e-4,
            "drop_path": pytest.approx(1 - 0.6),
        },
        150,
    ),
    "enas_micro_final": (
        {
            **RESTARTS,
            "lr_min": 0.0001,
            "batch_size": 144,
            "weight_decay": 2 * 2e-4,
            "drop_path": pytest.approx(1 - 0.6),
        },
        630,
    ),
    "enas_macro_search": (
        {**RESTARTS, "lr_min": 0.0005, "batch_size": 128, "weight_decay": 2 * 2.5e-4},
        310,
    ),
    "enas_macro_final": (
        {
            **RESTARTS,
            "lr_min": 0.001,
            "batch_size": 100,
            "weight_decay": 2 * 2e-4,
            "drop_path": 0.0,
        },
        310,
    ),
    "mnasnet_imagenet": (MOBILE, 350),
    "efficientnet_imagenet": (
        {
            **MOBILE,
            "policy": "autoaugment_imagenet",
            "drop_path": 0.2,
            "drop_path_schedule": "constant",
        },
        350,
    ),
    "resnet_rs_imagenet": (
        {
            **SGD,
            "lr": 1.6,
            "batch_size": 4096,
            "schedule": "cosine",
            "weight_decay": 4e-5,
            "label_smoothing": 0.1,
            "ema_decay": 0.9999,
            "policy": "randaugment",
            "randaugment_layers": 2,
            "randaugment_magnitude": 10,
            "drop_path_schedule": "constant",
        },
        350,
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_named_recipes_are_the_published_ones(name: str) -> None:
    settings, epochs = PUBLISHED[name]
    recipe = recipes.by_name(name)
    assert {key: getattr(recipe, key) for key in settings} == settings
    assert recipes.published_epochs(name) == epochs


def test_all_names_are_pinned_and_are_constants_too() -> None:
    assert set(recipes.NAMES) == PUBLISHED.keys()
    for name in recipes.NAMES:
        assert getattr(recipes, name.upper()) is recipes.by_name(name)
    assert recipes.NASBENCH201 is NASBENCH201
    assert recipes.NAS_RL_CIFAR is NAS_RL_CIFAR


def test_imagenet_recipes_crop_and_flip() -> None:
    for name in recipes.NAMES:
        recipe = recipes.by_name(name)
        assert recipe.flip
        assert (recipe.resized_crop is not None) == ("imagenet" in name)
        assert bool(recipe.crop_padding) == ("imagenet" not in name)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match=r'`name` must be one of "nas_rl_cifar", .*name=\'darts\''
    ):
        recipes.by_name("darts")
    with pytest.raises(ValueError, match=r"`name` must be one of"):
        recipes.published_epochs("darts")


def test_rates_are_scaled_with_the_batch() -> None:
    scaled = recipes.MNASNET_IMAGENET.with_batch_size(256)
    assert scaled.lr == pytest.approx(0.016)  # the released base rate
    cosine = recipes.ENAS_MICRO_FINAL.with_batch_size(72)
    assert (cosine.lr, cosine.lr_min) == pytest.approx((0.025, 0.00005))
    assert dataclasses.replace(scaled, lr=0.256, batch_size=4096) == recipes.MNASNET_IMAGENET


def test_the_default_turns_no_digit_into_another_sign() -> None:
    recipe = Recipe()
    assert (recipe.flip, recipe.crop_padding, recipe.cutout) == (False, 0, 0)
    assert (recipe.resized_crop, recipe.policy) == (None, None)


@pytest.mark.parametrize("name", recipes.NAMES)
def test_a_recipe_comes_back_from_json(name: str) -> None:
    recipe = recipes.by_name(name)
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
        ({"optimizer": "lion"}, r'`optimizer` must be one of "sgd", "adamw", "rmsprop", but got'),
        ({"schedule": "step"}, r'`schedule` must be one of "cosine", "cosine_restarts", "expo'),
        ({"policy": "cutmix"}, r'`policy` must be one of "randaugment", "autoaugment_imagenet"'),
        ({"precision": "fp8"}, r'`precision` must be one of "float32", "mixed"'),
        ({"drop_path_schedule": "cosine"}, r'`drop_path_schedule` must be one of "epochs"'),
        ({"lr": 0.0}, r"`lr` must be a finite number above 0, but got lr=0\.0"),
        ({"lr": float("inf")}, r"`lr` must be a finite number above 0"),
        ({"lr_min": 0.2}, r"`lr_min` must be a finite number of at least 0 and at most 0\.1"),
        ({"lr_decay": 1.1}, r"`lr_decay` must be a finite number of at least 0 and at most 1"),
        ({"lr_decay_epochs": 0}, r"`lr_decay_epochs` must be a finite number above 0"),
        ({"warmup_epochs": -1}, r"`warmup_epochs` must be a finite number of at least 0"),
        ({"restart_factor": 0}, r"`restart_factor` must be at least 1"),
        ({"clip_grad_norm": -1.0}, r"`clip_grad_norm` must be a finite number above 0"),
        ({"momentum": 1.0}, r"`momentum` must lie in \[0, 1\), but got momentum=1\.0"),
        ({"label_smoothing": -0.1}, r"`label_smoothing` must lie in \[0, 1\)"),
        ({"drop_path": float("nan")}, r"`drop_path` must lie in \[0, 1\)"),
        ({"ema_decay": 1.0}, r"`ema_decay` must lie in \[0, 1\)"),
        ({"ema_decay": 0.0}, r"`ema_decay` must be a finite number above 0"),
        ({"weight_decay": -1e-4}, r"`weight_decay` must be a finite number of at least 0"),
        ({"auxiliary_weight": -1}, r"`auxiliary_weight` must be a finite number of at least 0"),
        ({"batch_norm_momentum": 2.0}, r"`batch_norm_momentum` must be .* at most 1"),
        ({"resized_crop": 0.0}, r"`resized_crop` must be a finite number above 0"),
        ({"resized_crop": 1.5}, r"`resized_crop` must be .* at most 1"),
        ({"randaugment_magnitude": 31}, r"`randaugment_magnitude` must be at most 30"),
        ({"cutout": -1}, r"`cutout` must be at least 0"),
        ({"batch_size": 1}, r"`batch_size` must be at least 2, but got"),
        ({"batch_size": 64.0}, r"`batch_size` must be an integer"),
        ({"crop_padding": -1}, r"`crop_padding` must be at least 0"),
        ({"optimizer": "adamw"}, r'`nesterov` must be False unless optimizer="sgd"'),
        ({"momentum": 0.0}, r"`nesterov` needs momentum"),
    ],
)
def test_settings_outside_their_range_are_errors(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recipe(**settings)
