"""A run that was interrupted ends as it would have, and a damaged checkpoint is passed over."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from optuna_nas.nn import DropPath
from optuna_nas.stores import DamagedFileError
from optuna_nas.training import (
    EpochResult,
    History,
    ImageData,
    Processes,
    Recipe,
    Task,
    evaluate,
    fit,
    load_data,
    seeded,
)
from optuna_nas.training.loop import CheckpointFile, load_checkpoint
from optuna_nas.training.loop._learner import Learner

EPOCHS = 5

RECIPES = {
    "sgd": Recipe(batch_size=30, crop_padding=1, cutout=2),
    "adamw": Recipe(optimizer="adamw", nesterov=False, lr=0.01, policy="randaugment"),
    "rmsprop": Recipe(
        optimizer="rmsprop", nesterov=False, lr=0.01, ema_decay=0.9, schedule="exponential"
    ),
    "restarts": Recipe(
        schedule="cosine_restarts", restart_epochs=2, drop_path=0.3, drop_path_schedule="steps"
    ),
    "float16": Recipe(precision="float16", clip_grad_norm=1.0),
}


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", train_size=100, val_size=60)


def _net(width: int = 32) -> nn.Sequential:
    with seeded(0):
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            DropPath(),
            nn.Dropout(0.2),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(width, 10),
        )


def _curve(history: History) -> list[EpochResult]:
    return [dataclasses.replace(e, seconds=0.0, restored=False) for e in history.epochs]


class _Killed(BaseException):
    pass


class _KilledSlot(CheckpointFile):
    """Dies while it writes the checkpoint of an epoch: before, in the middle, or after it."""

    def __init__(self, path: Path, epoch: int, when: str) -> None:
        super().__init__(path)
        self.left, self.when = epoch, when

    def write(self, data: bytes) -> None:
        self.left -= 1
        if self.left or self.when == "after":
            super().write(data)
        if not self.left:
            raise _Killed


@pytest.mark.parametrize("name", RECIPES)
def test_an_interrupted_run_ends_as_it_would_have(
    name: str, data: ImageData, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"epochs": EPOCHS, "recipe": RECIPES[name], "device": "cpu"}
    undisturbed = _net()
    expected = fit(undisturbed, data, **settings)

    for epoch, when in ((1, "before"), (2, "after"), (4, "before"), (5, "after")):
        path = tmp_path / f"{epoch}.pt"
        with pytest.raises(_Killed):
            fit(_net(), data, checkpoint=_KilledSlot(path, epoch, when), **settings)
        with torch.random.fork_rng():
            torch.manual_seed(epoch)
            model = _net()
        seen: list[EpochResult] = []
        history = fit(model, data, checkpoint=path, on_epoch=seen.append, **settings)

        assert _curve(history) == _curve(expected)
        assert tuple(seen) == history.epochs
        trained = [e.epoch for e in history.epochs if not e.restored]
        assert trained == list(range(epoch + (when == "after"), EPOCHS + 1))
        for ours, theirs in zip(
            model.state_dict().values(), undisturbed.state_dict().values(), strict=True
        ):
            assert torch.equal(ours, theirs)


def test_the_scale_of_gradients_is_restored(data: ImageData) -> None:
    def learner() -> Learner:
        return Learner(
            _net(), RECIPES["float16"], Task.classification(), torch.device("cpu"), Processes()
        )

    first, second = learner(), learner()
    assert first.scaler is not None
    assert second.scaler is not None
    next(iter(first.scaler.scale([torch.ones(1)])))
    first.scaler.update(8.0)
    second.restore(first.state())
    assert second.scaler.get_scale() == first.scaler.get_scale() == 8.0


def test_a_finished_run_is_not_trained_again(data: ImageData, tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    first = fit(_net(), data, epochs=2, device="cpu", checkpoint=path)
    written = path.read_bytes()
    model = _net()
    again = fit(model, data, epochs=2, device="cpu", checkpoint=str(path))
    assert _curve(again) == _curve(first)
    assert all(e.restored for e in again.epochs)
    assert path.read_bytes() == written
    assert evaluate(model, data.val, data, device="cpu").loss == first.last.val_loss


def test_what_was_evaluated_can_be_loaded(data: ImageData, tmp_path: Path) -> None:
    slot = CheckpointFile(tmp_path / "run.pt")
    with pytest.raises(FileNotFoundError, match="There must be a checkpoint in"):
        load_checkpoint(_net(), slot)
    recipe = dataclasses.replace(RECIPES["rmsprop"], batch_norm_eps=0.1)
    history = fit(_net(), data, epochs=2, recipe=recipe, device="cpu", checkpoint=slot)
    model = _net()
    assert _curve(load_checkpoint(model, tmp_path / "run.pt")) == _curve(history)
    assert not any(module.training for module in model.modules())
    assert evaluate(model, data.val, data, device="cpu").loss == history.last.val_loss


@pytest.mark.parametrize("damage", ["truncated", "altered", "empty", "foreign"])
def test_a_damaged_checkpoint_is_told_of_and_passed_over(
    damage: str, data: ImageData, tmp_path: Path
) -> None:
    path = tmp_path / "run.pt"
    expected = fit(_net(), data, epochs=3, device="cpu", checkpoint=path)
    whole = path.read_bytes()
    altered = bytearray(whole)
    altered[len(whole) // 2] ^= 1
    contents = {"truncated": whole[:-30], "altered": altered, "empty": b"", "foreign": b"x" * 200}
    path.write_bytes(contents[damage])

    with pytest.warns(UserWarning, match=r"run\.pt' .*The training begins anew"):
        history = fit(_net(), data, epochs=3, device="cpu", checkpoint=path)

    assert _curve(history) == _curve(expected)
    assert not any(e.restored for e in history.epochs)
    path.write_bytes(contents[damage])
    with pytest.raises(DamagedFileError, match="must"):
        load_checkpoint(_net(), path)


def test_nothing_in_a_checkpoint_is_run(data: ImageData, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("code from a checkpoint was run",))

    class Slot:
        def read(self) -> bytes:
            torch.save({"run": Bomb(), "results": [], "learner": {}, "judged": {}}, path)
            return path.read_bytes()

        def write(self, data: bytes) -> None:
            pass

    path = tmp_path / "bomb.pt"
    with pytest.warns(UserWarning, match="A checkpoint must hold the state of a run"):
        fit(_net(), data, epochs=1, device="cpu", checkpoint=Slot())


def test_another_run_is_refused_with_the_differences(data: ImageData, tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    fit(_net(), data, epochs=2, device="cpu", checkpoint=path)
    message = r"must hold the same run, but epochs was 2 and is now 3; seed was 0 and is now 1: go"
    with pytest.raises(ValueError, match=message):
        fit(_net(), data, epochs=3, seed=1, device="cpu", checkpoint=path)
    with pytest.raises(ValueError, match=r"must hold the same run, but it is of another network"):
        fit(nn.Linear(8, 10), data, epochs=2, device="cpu", checkpoint=path)


def test_a_checkpoint_needs_a_folder(data: ImageData, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="must lie in an existing folder"):
        fit(_net(), data, epochs=1, device="cpu", checkpoint=tmp_path / "no" / "run.pt")
