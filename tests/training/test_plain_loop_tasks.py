"""Networks trained by ``fit`` for other tasks, and by a plain PyTorch loop, have equal curves.

Only the order of the examples is taken over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from optuna_nas.training import History, Recipe, Task, TensorData, fit, seeded
from optuna_nas.training._seeded import keyed_generator

EPOCHS, BATCH = 3, 8
RECIPE = Recipe(optimizer="adamw", nesterov=False, lr=0.01, batch_size=BATCH, schedule="constant")


def _noise(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


def _plain_loop(
    model: nn.Module,
    data: TensorData,
    loss_of: Callable[[Any, Any], torch.Tensor],
    changed: Callable[[torch.Tensor], torch.Tensor],
) -> list[tuple[float, float]]:
    """The loop as anybody writes it: losses of training and validation."""
    inputs, targets = data.train.inputs, data.train.targets
    assert isinstance(inputs, torch.Tensor)
    assert targets is not None
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=0.01, betas=(0.9, 0.999), weight_decay=RECIPE.weight_decay
    )
    curve = []
    for epoch in range(1, EPOCHS + 1):
        order = torch.randperm(len(inputs), generator=keyed_generator(0, epoch, "order"))
        model.train()
        total = 0.0
        for chosen in order.split(BATCH):
            loss = loss_of(model(changed(inputs[chosen])), targets[chosen])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += float(loss.detach()) * len(chosen)
        model.eval()
        with torch.no_grad():
            val = loss_of(model(changed(data.val.inputs)), data.val.targets)  # type: ignore[arg-type]
        curve.append((total / len(inputs), float(val)))
    return curve


def _curve(history: History) -> list[tuple[float, float]]:
    return [(epoch.train_loss, epoch.val_loss) for epoch in history.epochs]


def _compare(
    make: Callable[[], nn.Module],
    data: TensorData,
    loss_of: Callable[[Any, Any], torch.Tensor],
    changed: Callable[[torch.Tensor], torch.Tensor] = lambda x: x,
) -> None:
    models = []
    for _ in range(2):
        with seeded(0):
            models.append(make())
    plain = _plain_loop(models[0], data, loss_of, changed)
    ours = _curve(fit(models[1], data, epochs=EPOCHS, recipe=RECIPE, device="cpu"))
    for found, expected in zip(ours, plain, strict=True):
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-5)
    assert ours[-1][0] < ours[0][0]


def test_regression() -> None:
    table = _noise(60, 5) * torch.tensor([1.0, 10.0, 100.0, 1.0, 0.1]) + 3
    target = 50 + 20 * table[:, 0] - table[:, 1]
    data = TensorData(
        "table", (table, target), task=Task.regression(metric=None), standardise=True
    )
    raw = data.train.inputs
    assert isinstance(raw, torch.Tensor)
    assert data.train.targets is not None
    mean, std = raw.mean(0), raw.std(0, correction=0)
    variance = data.train.targets.var(correction=0)
    _compare(
        lambda: nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 1)),
        data,
        lambda output, target: functional.mse_loss(output[:, 0], target) / variance,
        lambda x: (x - mean) / std,
    )


def test_segmentation() -> None:
    pictures = _noise(30, 2, 6, 5)
    masks = pictures.sum(1).sign().long() + 1
    data = TensorData("pictures", (pictures, masks), task=Task.segmentation(metric=None))
    _compare(
        lambda: nn.Sequential(
            nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 3, 1)
        ),
        data,
        functional.cross_entropy,
    )


def test_next_token() -> None:
    texts = torch.arange(40)[:, None] + torch.arange(9)
    data = TensorData(
        "texts", (texts[:, :-1] % 7, texts[:, 1:] % 7), task=Task.next_token(metric=None)
    )
    _compare(
        lambda: nn.Sequential(nn.Embedding(7, 6), nn.Linear(6, 7)),
        data,
        lambda output, target: functional.cross_entropy(output.flatten(0, 1), target.flatten()),
    )
