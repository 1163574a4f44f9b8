"""Evaluation, devices, and seeds."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from optuna_nas.training import ImageData, Split, evaluate, load_data, resolve_device, seeded


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", train_size=100, val_size=130)


class _Reader(nn.Module):
    """Knows the answers: its logits are one-hot of a stored list, with noise."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)
        self.position = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        start, self.position = self.position, self.position + len(x)
        return self.logits[start : self.position]


@pytest.mark.parametrize("batch_size", [1, 7, 130, 512])
def test_loss_and_accuracy_are_means_over_images(batch_size: int, data: ImageData) -> None:
    logits = torch.randn(130, 10, generator=torch.Generator().manual_seed(0))

    found = evaluate(_Reader(logits), data.val, data, device="cpu", batch_size=batch_size)

    labels = data.val.labels
    assert found.count == 130
    assert found.metric == pytest.approx((logits.argmax(1) == labels).double().mean().item())
    assert found.loss == pytest.approx(functional.cross_entropy(logits, labels).item(), rel=1e-5)


def test_modes_statistics_and_gradients_are_left_alone(data: ImageData) -> None:
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Dropout(0.5), nn.Flatten(), nn.Linear(64, 10))
    model[0].eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}

    first, second = (evaluate(model, data.test, data, device="cpu") for _ in range(2))

    assert first == second
    assert [module.training for module in model] == [False, True, True, True]
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_an_empty_split_and_an_empty_batch_are_errors(data: ImageData) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    empty = Split(data.val.images[:0], data.val.labels[:0])
    with pytest.raises(ValueError, match=r"`split` must have images, but this one of 'digits'"):
        evaluate(model, empty, data, device="cpu")
    with pytest.raises(ValueError, match=r"`batch_size` must be at least 1, but got batch_size=0"):
        evaluate(model, data.val, data, device="cpu", batch_size=0)


def test_auto_is_a_device_of_this_machine() -> None:
    assert resolve_device() == resolve_device("auto")
    assert resolve_device().type in ("cpu", "cuda", "mps")
    assert resolve_device(torch.device("cpu")) == torch.device("cpu")
    if not torch.cuda.is_available() and not torch.backends.mps.is_available():
        assert resolve_device("auto") == torch.device("cpu")


@pytest.mark.parametrize("device", ["cuda:99", "gpu", "xpu", "meta", ""])
def test_a_device_that_is_not_here_is_an_error(device: str) -> None:
    message = rf"`device` must be a device of this machine, but got device='{device}': .*cpu"
    with pytest.raises(ValueError, match=message):
        resolve_device(device)


def test_weights_follow_from_the_seed_and_nothing_else_changes() -> None:
    states = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy())  # noqa: NPY002
    with seeded(5):
        first = nn.Linear(4, 4)
    torch.rand(3)
    with seeded(5):
        second = nn.Linear(4, 4)
    with seeded(6):
        third = nn.Linear(4, 4)

    assert torch.equal(first.weight, second.weight)
    assert not torch.equal(first.weight, third.weight)
    torch.set_rng_state(states[0])
    assert random.getstate() == states[1]
    assert np.array_equal(np.random.get_state()[1], states[2])  # noqa: NPY002


def test_the_random_state_returns_after_an_error() -> None:
    @seeded(1)
    def draw_and_stop() -> None:
        torch.rand(1)
        raise KeyError("stop")

    before = torch.get_rng_state()
    with pytest.raises(KeyError, match="stop"):
        draw_and_stop()
    assert torch.equal(torch.get_rng_state(), before)
