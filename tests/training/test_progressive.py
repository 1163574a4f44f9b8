"""Training images that grow from epoch to epoch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from optuna_nas.training import ProgressiveSize, Recipe, fit, load_data, seeded


def _model(seen: list[tuple[bool, int]]) -> nn.Module:
    with seeded(0):
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)
        )
    model.register_forward_pre_hook(
        lambda module, inputs: seen.append((module.training, inputs[0].shape[-1]))
    )
    return model


def test_sizes() -> None:
    size = ProgressiveSize(final=224, epochs=100, start=0.5, stages=4)
    assert [size(epoch) for epoch in (1, 25, 26, 50, 51, 75, 76, 100)] == [
        112, 112, 149, 149, 187, 187, 224, 224,
    ]  # fmt: skip
    assert ProgressiveSize(final=8, epochs=3, stages=1)(1) == 8
    assert ProgressiveSize(final=8, epochs=1, stages=4)(1) == 4
    with pytest.raises(ValueError, match="`start` must leave at least one pixel"):
        ProgressiveSize(final=4, epochs=1, start=0.1)
    with pytest.raises(ValueError, match="`stages` must be at least 1"):
        ProgressiveSize(final=4, epochs=1, stages=0)


def test_training_images_grow_and_validation_does_not() -> None:
    seen: list[tuple[bool, int]] = []
    data = load_data("digits", train_size=64, val_size=64)
    size = ProgressiveSize(final=8, epochs=3, start=0.5, stages=3)
    fit(_model(seen), data, epochs=3, recipe=Recipe(batch_size=32), image_size=size, device="cpu")
    assert [s for training, s in seen if training] == [4, 4, 6, 6, 8, 8]
    assert {s for training, s in seen if not training} == {8}


def test_full_size_changes_nothing() -> None:
    data = load_data("digits", train_size=64, val_size=64)
    plain = fit(_model([]), data, epochs=1, device="cpu")
    sized = fit(_model([]), data, epochs=1, image_size=lambda epoch: 8, device="cpu")
    assert plain.last.train_loss == sized.last.train_loss


def test_checkpoint_of_other_sizes_is_refused(tmp_path: Path) -> None:
    data = load_data("digits", train_size=64, val_size=64)
    place = tmp_path / "run.pt"
    fit(_model([]), data, epochs=1, image_size=lambda epoch: 6, device="cpu", checkpoint=place)
    with pytest.raises(ValueError, match="image_sizes"):
        fit(_model([]), data, epochs=1, image_size=lambda e: 7, device="cpu", checkpoint=place)


def test_resized_data_keeps_its_splits() -> None:
    data = load_data("digits", train_size=64, val_size=64)
    larger = data.resized(12)
    assert larger.input_size == (1, 12, 12)
    assert torch.equal(larger.train.labels, data.train.labels)
    assert larger.identity == {**data.identity, "image_size": [12, 12]}
    again = load_data("digits", train_size=64, val_size=64, image_size=12)
    assert torch.equal(larger.val.images, again.val.images)
    assert (larger.mean, larger.std) == (again.mean, again.std)
