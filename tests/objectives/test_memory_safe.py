"""A network that does not fit is learned in parts of a batch, and is infeasible if none fits."""

from __future__ import annotations

import optuna
import pytest
import torch
from optuna.trial import TrialState
from torch import nn

from optuna_nas.keys import INFEASIBLE_KEY, PARTS_KEY
from optuna_nas.objectives import TrainingObjective
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.spaces import function_space
from optuna_nas.training import ImageData, Recipe, fit, load_data, seeded


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", train_size=200, val_size=100)


class _Room(nn.Module):
    """Has room to learn so many images, after so many steps."""

    def __init__(self, images: int, after: int = 0) -> None:
        super().__init__()
        self.images = images
        self.left = after
        self.seen: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.is_meta:
            return x
        self.seen.append(len(x))
        self.left -= self.training
        if self.training and len(x) > self.images and self.left < 0:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 TiB")
        return x


def _net(*front: nn.Module) -> nn.Sequential:
    return nn.Sequential(*front, nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10))


def _study() -> optuna.Study:
    return optuna.create_study(direction="maximize", sampler=RandomSearchSampler(seed=0))


RECIPE = Recipe(batch_size=32, lr=0.05)


@function_space
def roomy(trial: optuna.Trial, num_classes: int = 10, in_channels: int = 3) -> nn.Module:
    return _net(_Room(trial.suggest_categorical("room", [8, 1, 40])))


def _evaluated(data: ImageData, room: int) -> optuna.trial.FrozenTrial:
    study = _study()
    roomy.architecture({"room": room}).enqueue(study)
    objective = TrainingObjective(
        roomy, data, epochs=2, build={}, recipe=RECIPE, device="cpu", reuse=False
    )
    study.optimize(objective, n_trials=1)
    return study.trials[0]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_parts_of_a_batch_are_the_batch(data: ImageData, count: int) -> None:
    """Without batch norm; 200 images end with a batch of 8, and 32 do not split into 3 or 5."""

    def history(parts: int) -> list[float]:
        with seeded(0):
            model = _net()
        run = fit(model, data, epochs=3, recipe=RECIPE, device="cpu", accumulate=parts)
        return [value for e in run.epochs for value in (e.train_loss, e.val_loss)]

    assert history(count) == pytest.approx(history(1), rel=1e-5)


def test_no_part_is_a_single_image(data: ImageData) -> None:
    room = _Room(100)
    fit(_net(room), data, epochs=1, recipe=RECIPE, device="cpu", accumulate=20)
    assert 2 <= min(room.seen)
    assert max(room.seen[:-4]) == 2
    assert room.seen[-4:] == [25, 25, 25, 25]  # validation is 512 images at once, else
    assert sum(room.seen) == 300


def test_accumulate_is_at_least_one(data: ImageData) -> None:
    with pytest.raises(ValueError, match="`accumulate` must be at least 1"):
        fit(_net(), data, epochs=1, accumulate=0)


def test_a_trial_without_room_is_trained_in_parts(data: ImageData) -> None:
    trial, whole = _evaluated(data, 8), _evaluated(data, 40)
    assert trial.state == TrialState.COMPLETE
    assert trial.user_attrs[PARTS_KEY] == 4
    assert PARTS_KEY not in whole.user_attrs
    assert trial.intermediate_values == pytest.approx(whole.intermediate_values, abs=0.03)


def test_what_never_fits_is_infeasible(data: ImageData) -> None:
    trial = _evaluated(data, 1)
    assert trial.state == TrialState.PRUNED
    assert "is impossible: out of memory" in trial.user_attrs[INFEASIBLE_KEY]


@function_space
def late(trial: optuna.Trial, num_classes: int = 10, in_channels: int = 3) -> nn.Module:
    return _net(_Room(8, after=trial.suggest_categorical("after", [10, 11])))


def test_what_was_reported_is_not_begun_anew(data: ImageData) -> None:
    study = _study()
    objective = TrainingObjective(late, data, epochs=3, build={}, recipe=RECIPE, device="cpu")
    study.optimize(objective, n_trials=1)
    trial = study.trials[0]
    assert trial.state == TrialState.PRUNED
    assert list(trial.intermediate_values) == [1]
    assert PARTS_KEY not in trial.user_attrs


def test_another_error_is_no_lack_of_room(data: ImageData) -> None:
    class Broken(_Room):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if not x.is_meta:
                raise RuntimeError("broken")
            return x

    @function_space
    def broken(trial: optuna.Trial, num_classes: int = 10, in_channels: int = 3) -> nn.Module:
        trial.suggest_categorical("width", [1, 2])
        return _net(Broken(1))

    study = _study()
    objective = TrainingObjective(broken, data, epochs=1, build={}, device="cpu")
    with pytest.raises(RuntimeError, match="broken"):
        study.optimize(objective, n_trials=1)
    assert PARTS_KEY not in study.trials[0].user_attrs


def test_key_is_pinned() -> None:
    assert PARTS_KEY == "optuna_nas:accumulate"
