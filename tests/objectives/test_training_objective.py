"""TrainingObjective on real digits: values, reports, settings, what it records."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
import torch
from optuna.trial import FixedTrial, TrialState
from tiny_trainings import CONV, TINY, objective_of, study_of
from torch import nn

from optuna_nas.keys import (
    ARCHITECTURE_KEY,
    COPY_KEY,
    DIGEST_KEY,
    INFEASIBLE_KEY,
    MACS_KEY,
    PARAMS_KEY,
    RUN_KEY,
    SECONDS_KEY,
    STUDY_KEY,
    WORKER_KEY,
)
from optuna_nas.objectives.trial._failures import FAILURE_CONSTRAINT
from optuna_nas.spaces import Architecture, NASRLSpace, function_space, published
from optuna_nas.training import ImageData, Recipe, Split, load_data


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", train_size=200, val_size=100)


def test_a_trial_is_trained_reported_and_recorded(data: ImageData) -> None:
    study = study_of()
    CONV.enqueue(study)
    study.optimize(objective_of(data, epochs=3), n_trials=1)
    trial = study.trials[0]
    assert trial.state == TrialState.COMPLETE
    assert list(trial.intermediate_values) == [1, 2, 3]
    assert trial.value == trial.intermediate_values[3]
    assert trial.value > 0.3
    attributes = trial.user_attrs
    assert Architecture.from_json(attributes[ARCHITECTURE_KEY]) == CONV
    assert attributes[DIGEST_KEY] == CONV.digest
    model = CONV.build(num_classes=10, in_channels=1, **TINY)
    assert attributes[PARAMS_KEY] == sum(p.numel() for p in model.parameters())
    assert attributes[MACS_KEY] > 10_000
    assert attributes[SECONDS_KEY] > 0
    assert attributes[WORKER_KEY].keys() == {"host", "pid", "started"}


def test_keys_are_pinned() -> None:
    keys = [ARCHITECTURE_KEY, DIGEST_KEY, PARAMS_KEY, MACS_KEY, SECONDS_KEY, WORKER_KEY]
    keys += [RUN_KEY, COPY_KEY, INFEASIBLE_KEY, FAILURE_CONSTRAINT, STUDY_KEY]
    names = "architecture digest params macs seconds worker run copy_of infeasible failure study"
    assert keys == [f"optuna_nas:{name}" for name in names.split()]


def test_same_seed_same_result_and_trials_differ(data: ImageData) -> None:
    def curves(seed: int) -> list[dict[int, float]]:
        study = study_of()
        for _ in range(2):
            CONV.enqueue(study)
        study.optimize(objective_of(data, seed=seed, reuse=False), n_trials=2)
        return [trial.intermediate_values for trial in study.trials]

    first, again, other = curves(0), curves(0), curves(1)
    assert first == again
    assert first[0] != first[1]
    assert first != other


@pytest.mark.parametrize("score", ["last", "best", "max_last_5"])
def test_score(data: ImageData, score: str) -> None:
    study = study_of()
    CONV.enqueue(study)
    recipe = Recipe(lr=1.0, schedule="constant", batch_size=16)
    study.optimize(objective_of(data, score=score, epochs=7, recipe=recipe), n_trials=1)
    accuracies = list(study.trials[0].intermediate_values.values())
    expected = {"last": accuracies[-1], "best": max(accuracies), "max_last_5": max(accuracies[2:])}
    assert study.trials[0].value == expected[score]


def test_nas_rl_reward_counts_the_last_five_epochs() -> None:
    """Fact 3 of the NAS-RL paper's settings: the best of the last five only, not of all."""
    from optuna_nas.objectives._training import SCORES

    score = SCORES["maximize"]["max_last_5"]
    assert score([0.1, 0.2, 0.8, 0.7, 0.6, 0.5, 0.4]) == 0.8
    assert score([0.1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4]) == 0.8


def test_a_pruner_stops_a_trial(data: ImageData) -> None:
    pruner = optuna.pruners.ThresholdPruner(lower=1.1)
    study = study_of(pruner=pruner)
    study.optimize(objective_of(data, epochs=4), n_trials=1)
    trial = study.trials[0]
    assert trial.state == TrialState.PRUNED
    assert list(trial.intermediate_values) == [1]
    assert SECONDS_KEY in trial.user_attrs


def test_unknown_hyperparameters_are_refused(data: ImageData) -> None:
    objective = objective_of(data, hyperparameters=lambda trial: {"learning_rate": 0.1})
    with pytest.raises(ValueError, match=r"fields of a Recipe .*but returned \['learning_rate'\]"):
        study_of().optimize(objective, n_trials=1)


def test_going_on_with_other_settings_lists_the_differences(data: ImageData) -> None:
    study = study_of(study_name="s")
    study.optimize(objective_of(data), n_trials=1)
    identity = study.user_attrs[STUDY_KEY]
    assert identity["space"] == "nasbench201"
    assert identity["data"]["split_seed"] == 0
    other = load_data("digits", train_size=200, val_size=100, split_seed=7)
    message = r"'s' was created with other settings: build.cells was 1 and is now 2; "
    message += r"data.split_seed was 0 and is now 7; epochs was 2 and is now 5\. Go on with"
    with pytest.raises(ValueError, match=message):
        study.optimize(
            objective_of(other, epochs=5, build={"cells": 2, "channels": 4}), n_trials=1
        )
    assert study.trials[0].state == TrialState.COMPLETE


def test_a_minimising_study_is_refused(data: ImageData) -> None:
    with pytest.raises(ValueError, match='create it with direction="maximize"'):
        optuna.create_study().optimize(objective_of(data), n_trials=1)


def test_an_architecture_of_another_space_is_refused(data: ImageData) -> None:
    study = study_of()
    published.NAS_RL_V1.enqueue(study)
    with pytest.raises(ValueError, match="belongs to another space"):
        study.optimize(objective_of(data), n_trials=1)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"epochs": 0}, ValueError, "`epochs` must be at least 1"),
        ({"score": "mean"}, ValueError, "`score` must be one of"),
        ({"max_params": 0}, ValueError, "`max_params` must be at least 1 or None"),
        ({"build": {"stem": "cifar"}}, TypeError, r"`build` must name arguments of .*\['stem'\]"),
        ({"device": "cuda:99"}, ValueError, "`device` must be a device of this machine"),
    ],
)
def test_bad_settings(
    data: ImageData, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        objective_of(data, **changes)


def test_user_functions_are_searched(data: ImageData) -> None:
    study = study_of()
    study.optimize(objective_of(data, space=convnet, build={}, epochs=3), n_trials=4)
    assert len({trial.user_attrs[DIGEST_KEY] for trial in study.trials}) == 4
    best = convnet.architecture(study.best_trial)
    assert best.build(num_classes=5)(torch.zeros(2, 3, 8, 8)).shape == (2, 5)


@function_space
def convnet(trial: optuna.Trial, num_classes: int = 10, in_channels: int = 3) -> nn.Module:
    layers: list[nn.Module] = []
    channels = in_channels
    for i in range(trial.suggest_int("num_layers", 1, 2)):
        width = trial.suggest_categorical(f"layer_{i}_width", [4, 8])
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
        channels = width
    head = [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * channels, num_classes)]
    return nn.Sequential(*layers, *head)


def test_a_fixed_trial_can_be_evaluated(data: ImageData) -> None:
    value = objective_of(data)(FixedTrial(CONV.params))
    assert 0.0 <= value <= 1.0


def test_test_images_are_never_seen(data: ImageData) -> None:
    """A network that sees a test image would raise: they are marked by a value of their own."""
    marked = Split(torch.full_like(data.test.images, 255), data.test.labels)
    watched = ImageData(
        **{**{f: getattr(data, f) for f in data.__dataclass_fields__}, "test": marked}
    )
    study = study_of()
    study.optimize(objective_of(watched, space=watchful, build={}, epochs=2), n_trials=1)
    assert study.trials[0].state == TrialState.COMPLETE


class _Watch(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not x.is_meta:
            assert (x.flatten(1).std(1) > 0).all(), "a test image came in"
        return x


@function_space
def watchful(trial: optuna.Trial, num_classes: int = 10, in_channels: int = 3) -> nn.Module:
    width = trial.suggest_categorical("width", [8, 16])
    return nn.Sequential(
        _Watch(), nn.Flatten(), nn.LazyLinear(width), nn.ReLU(), nn.Linear(width, num_classes)
    )


def test_nas_rl_runs_with_its_schedule(data: ImageData) -> None:
    study = study_of()
    space = NASRLSpace(num_layers=2)
    study.optimize(objective_of(data, space=space, build={}, epochs=1), n_trials=2)
    assert {len(space.architecture(trial).genotype) for trial in study.trials} == {2}


def test_a_search_needs_validation_images(data: ImageData) -> None:
    with pytest.raises(ValueError, match="`data` must have validation images.*'digits' are none"):
        objective_of(data.merged())
