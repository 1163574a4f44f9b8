"""Searches of the space of networks for tables."""

from __future__ import annotations

import dataclasses

import numpy as np
import optuna
import pytest

from optuna_nas.objectives import DARTSObjective, TrainingObjective
from optuna_nas.spaces import MLPSpace
from optuna_nas.training import Task, TensorData, evaluate, fit, load_data, recipes, seeded

SPACE = MLPSpace(num_layers=(1, 2), widths=(4, 8), norms=("none", "batch"), dropout=(0.0,))
USUAL = "num_layers=2, width=32, activation=gelu, norm=batch, skip=False, dropout=0.1, embedding="


def sums() -> TensorData:
    """A target far from 0, of a unit far from 1."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(200, 3)).astype(np.float32)
    target = 500 + 40 * inputs.sum(1)
    return TensorData("sums", (inputs, target), task=Task.regression(metric="r2"))


@pytest.mark.parametrize("embedding", ["none", "periodic"])
def test_networks_learn_targets_of_any_unit(embedding: str) -> None:
    data = sums()
    objective = TrainingObjective(MLPSpace(), data, epochs=10, device="cpu")
    assert objective.build["target_mean"] == [pytest.approx(500, abs=20)]
    with seeded(0):
        model = objective.space.parse(USUAL + embedding).build(**objective.build)
    before = evaluate(model, data.val, data, device="cpu").metric
    recipe = dataclasses.replace(objective.recipe, batch_size=16)
    fit(model, data, epochs=10, recipe=recipe, device="cpu")
    after = evaluate(model, data.val, data, device="cpu").metric
    assert -2 < before < 0.2  # about the mean of the targets
    assert after > 0.6


def test_tables_have_a_recipe_and_are_searched() -> None:
    data = load_data("wine")
    objective = TrainingObjective(SPACE, data, epochs=1, device="cpu")
    assert objective.recipe == recipes.TABLE
    assert (objective.build["in_features"], objective.build["out_features"]) == (13, 3)
    study = optuna.create_study(direction=objective.direction)
    study.optimize(objective, n_trials=2)
    assert study.best_value > 0


def test_series_keep_the_usual_recipe() -> None:
    series = TensorData("series", (np.zeros((20, 3, 8)), np.zeros(20)), task=Task.regression())
    assert series.default_recipe != recipes.TABLE


def test_darts_searches_tables() -> None:
    recipe = dataclasses.replace(recipes.TABLE, batch_size=32)
    objective = DARTSObjective(SPACE, load_data("diabetes"), epochs=1, recipe=recipe, device="cpu")
    study = optuna.create_study(direction=objective.direction)
    study.optimize(objective, n_trials=1)
    assert SPACE.architecture(study.best_trial).params.keys() == SPACE.distributions().keys()
