"""A found cell at other sizes: what is built, and what is refused."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest

from optuna_nas.final import retrain, transfer
from optuna_nas.final._transfer import transferred
from optuna_nas.objectives import TrainingObjective
from optuna_nas.spaces import published
from optuna_nas.training import ImageData, Recipe, load_data

SEARCHED = {"cells": 1, "channels": 8, "num_classes": 7}


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return load_data("digits", train_size=8, val_size=8)


def _build(data: ImageData, **options: object) -> dict[str, dict[str, object]]:
    options = {"searched": SEARCHED, "cells": 2, "channels": 16} | options
    made = transferred(published.NASNET_A, data, **options)
    return {candidate.name: candidate.origin["build"] for candidate in made}


def test_both_sizes_are_built_for_the_new_data(digits: ImageData) -> None:
    built = _build(digits, origin={"study": "a"})
    assert {name: (b["cells"], b["channels"]) for name, b in built.items()} == {
        "searched-size": (1, 8),
        "larger": (2, 16),
    }
    assert all((b["num_classes"], b["in_channels"]) == (10, 1) for b in built.values())


def test_stem_follows_the_images(digits: ImageData) -> None:
    assert _build(digits)["larger"]["stem"] == "cifar"
    assert _build(digits.resized(96))["larger"]["stem"] == "imagenet"
    assert _build(digits.resized(32), stem="imagenet")["larger"]["stem"] == "imagenet"
    with pytest.raises(ValueError, match="at least 32 pixels"):
        _build(digits, stem="imagenet")
    resnet = published.NASBENCH201_RESNET
    sizes = {"searched": SEARCHED, "cells": 2, "channels": 16}
    assert "stem" not in transferred(resnet, digits, **sizes)[0].origin["build"]
    with pytest.raises(TypeError, match="`stem` must be left out"):
        transferred(resnet, digits, stem="cifar", **sizes)


def test_drop_path_of_the_recipe_is_built_in(digits: ImageData) -> None:
    (_, larger) = transferred(
        published.NASNET_A,
        digits,
        searched=SEARCHED,
        cells=2,
        channels=16,
        recipe=Recipe(drop_path=0.4),
    )
    rates = [getattr(module, "drop_prob", 0.0) for module in larger.make().modules()]
    assert max(rates) == pytest.approx(0.4)


def test_equal_sizes_are_trained_once(digits: ImageData) -> None:
    assert list(_build(digits, cells=1, channels=8)) == ["larger"]


def test_only_cells_can_be_transferred(digits: ImageData) -> None:
    with pytest.raises(TypeError, match="must be of a cell space"):
        transferred(published.NAS_RL_V1, digits, searched={}, cells=2, channels=16)


def test_options_that_there_are_not(digits: ImageData, tmp_path: Path) -> None:
    size = {"searched": SEARCHED, "cells": 2, "channels": 16, "folder": tmp_path, "epochs": 1}
    with pytest.raises(TypeError, match=r"transfer takes .*'seeds'.*, not \['seed'\]"):
        transfer(published.NASNET_A, digits, **size, seed=1)
    objective = TrainingObjective(published.NASNET_A.space, digits, epochs=1)
    study = optuna.create_study(direction="maximize")
    with pytest.raises(TypeError, match=r"retrain takes .*, not \['rival'\]"):
        retrain(study, objective, folder=tmp_path, epochs=1, rival=False)
    assert not study.trials
