"""TrainingObjective on real digits: values, reports, limits, reuse, failures, what it records."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta
from optuna.trial import FixedTrial, TrialState
from torch import nn

from optuna_nas.keys import (
    ARCHITECTURE_KEY,
    COPY_KEY,
    DIGEST_KEY,
    HYPERPARAMETERS_KEY,
    INFEASIBLE_KEY,
    MACS_KEY,
    PARAMS_KEY,
    RUN_KEY,
    SECONDS_KEY,
    STUDY_KEY,
    WORKER_KEY,
)
from optuna_nas.objectives import TrainingObjective, TrialError, recipe_of
from optuna_nas.objectives.trial._failures import FAILURE_CONSTRAINT
from optuna_nas.samplers import RandomSearchSampler, RegularizedEvolutionSampler
from optuna_nas.spaces import Architecture, NASBench201Space, NASRLSpace, function_space, published
from optuna_nas.training import ImageData, Recipe, Split, load_data

SPACE = NASBench201Space()
TINY = {"cells": 1, "channels": 4}
SKIP = SPACE.parse("|skip_connect~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
CONV = SPACE.parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|none~2|")


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", train_size=200, val_size=100)


def _objective(data: ImageData, **changes: Any) -> TrainingObjective:
    settings = {"epochs": 2, "build": TINY, "device": "cpu", "recipe": Recipe(batch_size=32)}
    return TrainingObjective(changes.pop("space", SPACE), data, **(settings | changes))


def _study(**kwargs: Any) -> optuna.Study:
    sampler = kwargs.pop("sampler", RandomSearchSampler(seed=0))
    return optuna.create_study(direction="maximize", sampler=sampler, **kwargs)


def test_a_trial_is_trained_reported_and_recorded(data: ImageData) -> None:
    study = _study()
    CONV.enqueue(study)
    study.optimize(_objective(data, epochs=3), n_trials=1)
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
        study = _study()
        for _ in range(2):
            CONV.enqueue(study)
        study.optimize(_objective(data, seed=seed, reuse=False), n_trials=2)
        return [trial.intermediate_values for trial in study.trials]

    first, again, other = curves(0), curves(0), curves(1)
    assert first == again
    assert first[0] != first[1]
    assert first != other


@pytest.mark.parametrize("score", ["last", "best", "max_last_5"])
def test_score(data: ImageData, score: str) -> None:
    study = _study()
    CONV.enqueue(study)
    recipe = Recipe(lr=1.0, schedule="constant", batch_size=16)
    study.optimize(_objective(data, score=score, epochs=7, recipe=recipe), n_trials=1)
    accuracies = list(study.trials[0].intermediate_values.values())
    expected = {"last": accuracies[-1], "best": max(accuracies), "max_last_5": max(accuracies[2:])}
    assert study.trials[0].value == expected[score]


def test_nas_rl_reward_counts_the_last_five_epochs() -> None:
    """Fact 3 of the NAS-RL paper's settings: the best of the last five only, not of all."""
    from optuna_nas.objectives._training import SCORES

    assert SCORES["max_last_5"]([0.1, 0.2, 0.8, 0.7, 0.6, 0.5, 0.4]) == 0.8
    assert SCORES["max_last_5"]([0.1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4]) == 0.8


def test_a_pruner_stops_a_trial(data: ImageData) -> None:
    pruner = optuna.pruners.ThresholdPruner(lower=1.1)
    study = _study(pruner=pruner)
    study.optimize(_objective(data, epochs=4), n_trials=1)
    trial = study.trials[0]
    assert trial.state == TrialState.PRUNED
    assert list(trial.intermediate_values) == [1]
    assert SECONDS_KEY in trial.user_attrs


@pytest.mark.parametrize("limit", ["max_params", "max_macs"])
def test_a_network_over_a_limit_is_infeasible_and_not_trained(data: ImageData, limit: str) -> None:
    study = _study()
    CONV.enqueue(study)
    SKIP.enqueue(study)
    sizes = {"max_params": 7000, "max_macs": 60_000}
    study.optimize(_objective(data, **{limit: sizes[limit]}), n_trials=2)
    over, under = study.trials
    assert over.state == TrialState.PRUNED
    assert not over.intermediate_values
    size = over.user_attrs[PARAMS_KEY if limit == "max_params" else MACS_KEY]
    assert over.constraints == {limit: pytest.approx(size / sizes[limit] - 1)}
    assert f"against {limit}={sizes[limit]:,}" in over.user_attrs[INFEASIBLE_KEY]
    assert under.state == TrialState.COMPLETE
    assert under.constraints[limit] < 0
    assert study.best_trial.number == 1


def test_evolution_moves_away_from_infeasible_networks(data: ImageData) -> None:
    sampler = RegularizedEvolutionSampler(population_size=6, tournament_size=5, seed=0)
    study = _study(sampler=sampler)
    study.optimize(_objective(data, epochs=1, max_params=9000), n_trials=30)
    feasible = [INFEASIBLE_KEY not in trial.user_attrs for trial in study.trials]
    assert sum(feasible[-12:]) > sum(feasible[:12])


def test_an_equal_run_is_reused(data: ImageData) -> None:
    study = _study()
    # The same network written differently: node 1 reaches nothing.
    equal = SPACE.parse("|nor_conv_1x1~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|")
    same = SPACE.parse("|none~0|+|nor_conv_1x1~0|none~1|+|nor_conv_3x3~0|none~1|none~2|")
    for architecture in (equal, same, CONV):
        architecture.enqueue(study)
    study.optimize(_objective(data), n_trials=3)
    original, copy, other = study.trials
    assert copy.user_attrs[COPY_KEY] == 0
    assert (copy.value, copy.intermediate_values) == (original.value, original.intermediate_values)
    assert copy.user_attrs[PARAMS_KEY] == original.user_attrs[PARAMS_KEY]
    assert COPY_KEY not in original.user_attrs
    assert COPY_KEY not in other.user_attrs


def test_other_hyperparameters_are_another_run(data: ImageData) -> None:
    study = _study()
    for lr in (0.1, 0.1, 0.2):
        CONV.enqueue(study, lr=lr)
    objective = _objective(
        data, hyperparameters=lambda trial: {"lr": trial.suggest_float("lr", 1e-3, 1.0, log=True)}
    )
    study.optimize(objective, n_trials=3)
    assert [COPY_KEY in trial.user_attrs for trial in study.trials] == [False, True, False]
    assert [trial.params["lr"] for trial in study.trials] == [0.1, 0.1, 0.2]
    assert HYPERPARAMETERS_KEY == "optuna_nas:hyperparameters"
    assert [trial.user_attrs[HYPERPARAMETERS_KEY]["lr"] for trial in study.trials][1:] == [
        0.1,
        0.2,
    ]
    assert recipe_of(study.trials[2], Recipe(momentum=0.8)) == Recipe(lr=0.2, momentum=0.8)


def test_repeats_that_a_sampler_wants_are_trained(data: ImageData) -> None:
    sampler = RegularizedEvolutionSampler.amoebanet(
        population_size=2, tournament_size=2, identity_probability=0.9, seed=0
    )
    study = _study(sampler=sampler)
    study.optimize(_objective(data, epochs=1), n_trials=8)
    architectures = [tuple(trial.params.values()) for trial in study.trials]
    assert len(set(architectures)) < 8
    assert not any(COPY_KEY in trial.user_attrs for trial in study.trials)


def test_unknown_hyperparameters_are_refused(data: ImageData) -> None:
    objective = _objective(data, hyperparameters=lambda trial: {"learning_rate": 0.1})
    with pytest.raises(ValueError, match=r"fields of a Recipe .*but returned \['learning_rate'\]"):
        _study().optimize(objective, n_trials=1)


def test_going_on_with_other_settings_lists_the_differences(data: ImageData) -> None:
    study = _study(study_name="s")
    study.optimize(_objective(data), n_trials=1)
    identity = study.user_attrs[STUDY_KEY]
    assert identity["space"] == "nasbench201"
    assert identity["data"]["split_seed"] == 0
    other = load_data("digits", train_size=200, val_size=100, split_seed=7)
    message = r"'s' was created with other settings: build.cells was 1 and is now 2; "
    message += r"data.split_seed was 0 and is now 7; epochs was 2 and is now 5\. Go on with"
    with pytest.raises(ValueError, match=message):
        study.optimize(_objective(other, epochs=5, build={"cells": 2, "channels": 4}), n_trials=1)
    assert study.trials[0].state == TrialState.COMPLETE


def test_a_minimising_study_is_refused(data: ImageData) -> None:
    with pytest.raises(ValueError, match='create it with direction="maximize"'):
        optuna.create_study().optimize(_objective(data), n_trials=1)


def test_an_architecture_of_another_space_is_refused(data: ImageData) -> None:
    study = _study()
    published.NAS_RL_V1.enqueue(study)
    with pytest.raises(ValueError, match="belongs to another space"):
        study.optimize(_objective(data), n_trials=1)


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
        _objective(data, **changes)


def test_a_lost_network_is_infeasible(data: ImageData) -> None:
    study = _study()
    CONV.enqueue(study)
    recipe = Recipe(lr=1e30, schedule="constant", batch_size=16)
    study.optimize(_objective(data, recipe=recipe), n_trials=1)
    trial = study.trials[0]
    assert trial.state == TrialState.PRUNED
    assert trial.constraints == {FAILURE_CONSTRAINT: 1.0}
    message = trial.user_attrs[INFEASIBLE_KEY]
    assert message.startswith(
        f"Trial 0: training {CONV} on images of shape (1, 8, 8) is impossible"
    )
    assert "loss must be finite" in message


def test_too_small_an_image_is_infeasible() -> None:
    images = torch.randint(0, 256, (60, 3, 2, 2), dtype=torch.uint8)
    dataset = torch.utils.data.TensorDataset(images, torch.arange(60) % 2)
    study = _study()
    study.optimize(_objective(ImageData.from_datasets("tiny", dataset)), n_trials=1)
    trial = study.trials[0]
    assert trial.state == TrialState.PRUNED
    assert "the smallest size that works" in trial.user_attrs[INFEASIBLE_KEY]


class _Hungry(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not x.is_meta:
            torch.empty(2**60)
        return x.mean((2, 3))[:, :1].expand(-1, 10)


@function_space
def hungry(trial: optuna.Trial, in_channels: int = 3, num_classes: int = 10) -> nn.Module:
    width = trial.suggest_categorical("width", [1, 2])
    return nn.Sequential(nn.Conv2d(in_channels, width, 1), _Hungry())


@function_space
def broken(trial: optuna.Trial, in_channels: int = 3, num_classes: int = 10) -> nn.Module:
    width = trial.suggest_categorical("width", [3, 4])
    return nn.Sequential(nn.Conv2d(in_channels, width, 1), nn.Conv2d(5, num_classes, 1))


def test_out_of_memory_is_infeasible(data: ImageData) -> None:
    study = _study()
    study.optimize(_objective(data, space=hungry, build={}), n_trials=1)
    trial = study.trials[0]
    assert trial.state == TrialState.PRUNED
    assert trial.constraints == {FAILURE_CONSTRAINT: 1.0}
    assert "is impossible: out of memory. A smaller batch_size" in trial.user_attrs[INFEASIBLE_KEY]


def test_a_bug_is_raised_with_what_was_being_done(data: ImageData) -> None:
    study = _study()
    message = r"Trial 0: building \{.width.: [34]\} on images of shape \(1, 8, 8\) failed: "
    with pytest.raises(TrialError, match=message.replace("'", '"').replace(".width.", '"width"')):
        study.optimize(_objective(data, space=broken, build={}), n_trials=1)
    assert study.trials[0].state == TrialState.FAIL


def test_user_functions_are_searched(data: ImageData) -> None:
    study = _study()
    study.optimize(_objective(data, space=convnet, build={}, epochs=3), n_trials=4)
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


def test_a_fixed_trial_can_be_judged(data: ImageData) -> None:
    value = _objective(data)(FixedTrial(CONV.params))
    assert 0.0 <= value <= 1.0


def test_several_objectives_with_a_wrapper(data: ImageData) -> None:
    objective = _objective(data)

    def both(trial: optuna.Trial) -> tuple[float, int]:
        return objective(trial), trial.user_attrs[MACS_KEY]

    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=RandomSearchSampler(seed=0)
    )
    for architecture in (CONV, CONV, SKIP):  # the repetition is trained too
        architecture.enqueue(study)
    study.optimize(both, n_trials=3)
    assert all(len(trial.values) == 2 for trial in study.trials)
    assert not any(COPY_KEY in trial.user_attrs for trial in study.trials)


def test_each_trial_has_one_picture_and_a_note(data: ImageData, tmp_path: Path) -> None:
    store = FileSystemArtifactStore(tmp_path)
    study = _study(storage=f"sqlite:///{tmp_path / 'nas.db'}")
    CONV.enqueue(study)
    SKIP.enqueue(study)
    objective = _objective(data, artifact_store=store, max_params=10**6, epochs=2)
    study.optimize(objective, n_trials=2)
    for trial in study.trials:
        (meta,) = get_all_artifact_meta(trial, storage=study._storage)
        assert meta.mimetype == "image/svg+xml"
        with store.open_reader(meta.artifact_id) as file:
            assert b"<svg" in file.read()
    notes = json.dumps(study._storage.get_study_system_attrs(study._study_id))
    assert str(CONV) in notes
    assert f"{study.trials[0].value:.2%}" in notes
    assert f"{study.trials[0].user_attrs[PARAMS_KEY]:,} parameters" in notes


def test_pictures_that_cannot_be_kept_are_one_warning(data: ImageData, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    objective = _objective(data, artifact_store=FileSystemArtifactStore(folder), epochs=1)
    folder.rmdir()
    study = _study()
    CONV.enqueue(study)
    SKIP.enqueue(study)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        study.optimize(objective, n_trials=2)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 2
    (told,) = caught
    assert "Pictures of architectures cannot be kept (No such file or directory)" in str(
        told.message
    )
    notes = json.dumps(study._storage.get_study_system_attrs(study._study_id))
    assert str(CONV) in notes
    assert "![architecture]" not in notes


def test_test_images_are_never_seen(data: ImageData) -> None:
    """A network that sees a test image would raise: they are marked by a value of their own."""
    marked = Split(torch.full_like(data.test.images, 255), data.test.labels)
    watched = ImageData(
        **{**{f: getattr(data, f) for f in data.__dataclass_fields__}, "test": marked}
    )
    study = _study()
    study.optimize(_objective(watched, space=watchful, build={}, epochs=2), n_trials=1)
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
    study = _study()
    space = NASRLSpace(num_layers=2)
    study.optimize(_objective(data, space=space, build={}, epochs=1), n_trials=2)
    assert {len(space.architecture(trial).genotype) for trial in study.trials} == {2}


def test_a_search_needs_validation_images(data: ImageData) -> None:
    with pytest.raises(ValueError, match="`data` must have validation images.*'digits' are none"):
        _objective(data.merged())
