"""What goes wrong is a clear error or an infeasible trial, and the study goes on."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
import torch
from optuna.trial import TrialState
from PIL import Image
from torch import nn

from optuna_nas.keys import INFEASIBLE_KEY, STUDY_KEY
from optuna_nas.objectives import TrainingObjective, TrialError
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.spaces import NASBench201Space, function_space
from optuna_nas.training import ImageData, Recipe, load_data

SPACE = NASBench201Space()
TINY = {"cells": 1, "channels": 4}
CONV = SPACE.parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|none~2|")
NOTHING = SPACE.parse("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", train_size=120, val_size=80)


def _study() -> optuna.Study:
    return optuna.create_study(direction="maximize", sampler=RandomSearchSampler(seed=0))


def test_a_network_that_never_learns_is_a_bad_trial_and_no_error(data: ImageData) -> None:
    """Nothing passes through the cell, so the logits are the same for all images."""
    study = _study()
    NOTHING.enqueue(study)
    CONV.enqueue(study)
    recipe = Recipe(batch_size=16)
    study.optimize(
        TrainingObjective(SPACE, data, epochs=4, build=TINY, recipe=recipe, device="cpu"),
        n_trials=2,
    )
    nothing, conv = study.trials
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 2
    assert set(nothing.intermediate_values.values()) <= {7 / 80, 8 / 80, 9 / 80}
    assert conv.value > nothing.value


class _Detached(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.detach()


@function_space
def detached(trial: optuna.Trial, num_classes: int = 10, in_channels: int = 3) -> nn.Module:
    width = trial.suggest_categorical("width", [8, 16])
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, width), nn.Linear(width, num_classes), _Detached()
    )


def test_a_network_without_gradient_is_named(data: ImageData) -> None:
    objective = TrainingObjective(detached, data, epochs=1, build={}, device="cpu")
    message = r"Trial 0: training .* failed: `model` must have a loss that depends on its weights"
    with pytest.raises(TrialError, match=message):
        _study().optimize(objective, n_trials=1)


def test_a_lost_loss_leaves_the_study_going(data: ImageData) -> None:
    study = _study()
    for lr in (1e30, 0.05):
        CONV.enqueue(study, lr=lr)
    objective = TrainingObjective(
        SPACE,
        data,
        epochs=2,
        build=TINY,
        recipe=Recipe(schedule="constant", batch_size=16),
        hyperparameters=lambda trial: {"lr": trial.suggest_float("lr", 1e-3, 1e30, log=True)},
        device="cpu",
    )
    study.optimize(objective, n_trials=2)
    lost, found = study.trials
    assert (lost.state, found.state) == (TrialState.PRUNED, TrialState.COMPLETE)
    assert "loss must be finite" in lost.user_attrs[INFEASIBLE_KEY]
    assert study.best_trial.number == 1


def _photos(folder: Path) -> Path:
    for label, name in enumerate(("a", "b")):
        (folder / name).mkdir()
        for index in range(20):
            Image.new("RGB", (9, 9), (5 * index, 200 * label, 0)).save(
                folder / name / f"{index}.png"
            )
    return folder


def test_a_corrupted_image_of_a_stream_is_named_and_the_study_goes_on(tmp_path: Path) -> None:
    folder = _photos(tmp_path)
    data = load_data(f"folder:{folder}", image_size=8, stream=True, workers=0)
    file = Path(data.train.dataset.samples[int(data.train.indices[0])][0])
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    objective = TrainingObjective(SPACE, data, epochs=1, build=TINY, device="cpu")
    study = _study()

    study.optimize(objective, n_trials=1, catch=TrialError)
    file.write_bytes(whole)
    study.optimize(objective, n_trials=1)

    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.COMPLETE]
    file.write_bytes(b"")
    with pytest.raises(TrialError, match=rf"Trial 2: training .*{file.name}' is damaged"):
        study.optimize(objective, n_trials=1)


def test_data_is_checked_before_the_first_trial(tmp_path: Path) -> None:
    """An empty class, a folder without images, a label out of range: no trial is spent on them."""
    folder = _photos(tmp_path)
    (folder / "empty").mkdir()
    with pytest.raises(ValueError, match=r"Every class must have images, but '.*empty' has none"):
        TrainingObjective(SPACE, f"folder:{folder}", epochs=1)
    with pytest.raises(ValueError, match=r"at least 2 classes, but '.*empty' has 0"):
        TrainingObjective(SPACE, f"folder:{folder / 'empty'}", epochs=1)
    dataset = torch.utils.data.TensorDataset(torch.rand(9, 3, 8, 8), torch.arange(9) % 3)
    with pytest.raises(ValueError, match=r"Labels must lie in 0\.\.1 for 2 classes, but label 2"):
        ImageData.from_datasets("noise", dataset, classes=["a", "b"])


def test_a_study_from_before_a_setting_existed_goes_on(data: ImageData) -> None:
    study = _study()
    objective = TrainingObjective(SPACE, data, epochs=1, build=TINY, device="cpu")
    study.optimize(objective, n_trials=1)
    identity = study.user_attrs[STUDY_KEY]
    old = {key: identity["recipe"][key] for key in ("optimizer", "lr", "batch_size")}
    study.set_user_attr(STUDY_KEY, {**identity, "recipe": old})

    again = TrainingObjective(SPACE, data, epochs=1, build=TINY, device="cpu")
    study.optimize(again, n_trials=1)

    assert len(study.trials) == 2
    other = TrainingObjective(
        SPACE, data, epochs=1, build=TINY, device="cpu", recipe=Recipe(cutout=2)
    )
    with pytest.raises(ValueError, match=r"recipe\.cutout was 0 and is now 2"):
        study.optimize(other, n_trials=1)
