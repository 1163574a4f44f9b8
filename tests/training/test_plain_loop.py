"""A network trained by ``fit`` and by a plain PyTorch loop gives the same curve.

The plain loops use torch's own optimizers, schedulers and transforms where there are some, and
formulas written out where there are none. Only the random streams are taken over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim import lr_scheduler

from optuna_nas._ground.keyed import derived_seed
from optuna_nas.nn import DropPath
from optuna_nas.spaces import published
from optuna_nas.training import History, ImageData, Recipe, evaluate, fit, load_data, seeded
from optuna_nas.training._seeded import keyed_generator
from optuna_nas.training.data.images._augment import Normaliser, cutout, random_crop, random_flip

EPOCHS = 4
Stepper = Callable[[nn.Module], tuple[torch.optim.Optimizer, lr_scheduler.LRScheduler]]


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", train_size=150, val_size=100)


def _net() -> nn.Sequential:
    with seeded(0):
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(32, 10),
        )


def _normalised(images: torch.Tensor, data: ImageData) -> torch.Tensor:
    mean, std = torch.tensor(data.mean)[:, None, None], torch.tensor(data.std)[:, None, None]
    return (images / 255 - mean) / std


def _batches(
    data: ImageData,
    recipe: Recipe,
    epoch: int,
    normalise: Callable[[torch.Tensor, ImageData], torch.Tensor] = _normalised,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    order = torch.randperm(len(data.train), generator=keyed_generator(0, epoch, "order"))
    stream = keyed_generator(0, epoch, "augmentation")
    for indices in order.split(recipe.batch_size):
        images = data.train.images[indices]
        if recipe.crop_padding:
            images = random_crop(images, recipe.crop_padding, stream)
        if recipe.flip:
            images = random_flip(images, stream)
        floats = normalise(images, data)
        if recipe.cutout:
            floats = cutout(floats, recipe.cutout, stream)
        yield floats, data.train.labels[indices]


def _steps(data: ImageData, recipe: Recipe) -> int:
    return -(-len(data.train) // recipe.batch_size)


def _plain_loop(
    model: nn.Module, data: ImageData, recipe: Recipe, stepper: Stepper
) -> list[float]:
    """The loop as anybody writes it."""
    optimizer, scheduler = stepper(model)
    curve = []
    for epoch in range(1, EPOCHS + 1):
        model.train()
        loss_sum = 0.0
        for images, labels in _batches(data, recipe, epoch):
            loss = functional.cross_entropy(
                model(images), labels, label_smoothing=recipe.label_smoothing
            )
            optimizer.zero_grad()
            loss.backward()
            if recipe.clip_grad_norm:
                nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_grad_norm)
            optimizer.step()
            scheduler.step()
            loss_sum += loss.item() * len(labels)
        curve.append(loss_sum / len(data.train))
    return curve


def _check(
    history: History,
    curve: list[float],
    ours: nn.Module,
    plain: nn.Module,
    data: ImageData,
) -> None:
    assert [e.train_loss for e in history.epochs] == pytest.approx(curve, abs=1e-5)
    assert curve[-1] < curve[0]
    for mine, theirs in zip(ours.state_dict().values(), plain.state_dict().values(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-4)
    found = evaluate(plain, data.val, data, device="cpu")
    assert history.last.val_loss == pytest.approx(found.loss, abs=1e-4)


def _sgd(model: nn.Module, lr: float = 0.1) -> torch.optim.SGD:
    return torch.optim.SGD(
        model.parameters(), lr=lr, momentum=0.9, nesterov=True, weight_decay=5e-4
    )


def _cosine(optimizer: torch.optim.Optimizer, steps: int) -> lr_scheduler.LRScheduler:
    return lr_scheduler.CosineAnnealingLR(optimizer, steps)


def test_sgd_with_a_cosine(data: ImageData) -> None:
    recipe = Recipe(batch_size=32)
    ours, plain = _net(), _net()

    def stepper(model: nn.Module) -> tuple[torch.optim.Optimizer, lr_scheduler.LRScheduler]:
        optimizer = _sgd(model)
        return optimizer, _cosine(optimizer, EPOCHS * _steps(data, recipe))

    history = fit(ours, data, epochs=EPOCHS, recipe=recipe, device="cpu")
    _check(history, _plain_loop(plain, data, recipe, stepper), ours, plain, data)


def test_augmentation_smoothing_clipping_and_a_warm_up(data: ImageData) -> None:
    recipe = Recipe(
        batch_size=50,
        label_smoothing=0.1,
        clip_grad_norm=0.5,
        crop_padding=2,
        flip=True,
        cutout=3,
        warmup_epochs=1,
        lr_min=0.01,
    )
    ours, plain = _net(), _net()

    def stepper(model: nn.Module) -> tuple[torch.optim.Optimizer, lr_scheduler.LRScheduler]:
        optimizer = _sgd(model)
        steps = _steps(data, recipe)
        warmup = lr_scheduler.LambdaLR(optimizer, lambda step: step / steps)
        cosine = lr_scheduler.CosineAnnealingLR(optimizer, (EPOCHS - 1) * steps, eta_min=0.01)
        both = lr_scheduler.SequentialLR(optimizer, [warmup, cosine], milestones=[steps])
        return optimizer, both

    history = fit(ours, data, epochs=EPOCHS, recipe=recipe, device="cpu")
    _check(history, _plain_loop(plain, data, recipe, stepper), ours, plain, data)


def test_warm_restarts(data: ImageData) -> None:
    recipe = Recipe(schedule="cosine_restarts", restart_epochs=1, lr_min=0.001, batch_size=30)
    ours, plain = _net(), _net()

    def stepper(model: nn.Module) -> tuple[torch.optim.Optimizer, lr_scheduler.LRScheduler]:
        optimizer = _sgd(model)
        return optimizer, lr_scheduler.CosineAnnealingWarmRestarts(
            optimizer, _steps(data, recipe), T_mult=2, eta_min=0.001
        )

    history = fit(ours, data, epochs=EPOCHS, recipe=recipe, device="cpu")
    _check(history, _plain_loop(plain, data, recipe, stepper), ours, plain, data)
    assert [e.lr for e in history.epochs] == pytest.approx([0.1, 0.1, 0.0505, 0.1])


def test_adamw_at_a_constant_rate(data: ImageData) -> None:
    recipe = Recipe(
        optimizer="adamw",
        lr=0.01,
        momentum=0.8,
        nesterov=False,
        weight_decay=0.02,
        schedule="constant",
    )
    ours, plain = _net(), _net()

    def stepper(model: nn.Module) -> tuple[torch.optim.Optimizer, lr_scheduler.LRScheduler]:
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=0.01, betas=(0.8, 0.999), weight_decay=0.02
        )
        return optimizer, lr_scheduler.ConstantLR(optimizer, factor=1.0)

    history = fit(ours, data, epochs=EPOCHS, recipe=recipe, device="cpu")
    _check(history, _plain_loop(plain, data, recipe, stepper), ours, plain, data)


def test_rmsprop_with_exponential_decay_a_warm_up_and_averaged_weights(data: ImageData) -> None:
    """The mobile networks' training, by TensorFlow's formulas."""
    recipe = Recipe(
        optimizer="rmsprop",
        nesterov=False,
        lr=0.02,
        rms_decay=0.8,
        rms_eps=0.01,
        weight_decay=1e-3,
        batch_size=30,
        schedule="exponential",
        lr_decay=0.9,
        lr_decay_epochs=0.6,
        warmup_epochs=1.2,
        ema_decay=0.7,
        batch_norm_momentum=0.2,
        batch_norm_eps=1e-3,
    )
    ours, plain = _net(), _net()
    history = fit(ours, data, epochs=EPOCHS, recipe=recipe, device="cpu")

    plain[1].momentum, plain[1].eps = 0.2, 1e-3
    weights = list(plain.parameters())
    squares = [torch.ones_like(weight) for weight in weights]
    moments = [torch.zeros_like(weight) for weight in weights]
    average: dict[str, torch.Tensor] = {}
    curve, step = [], 0
    for epoch in range(1, EPOCHS + 1):
        plain.train()
        loss_sum = 0.0
        for images, labels in _batches(data, recipe, epoch):
            loss = functional.cross_entropy(plain(images), labels)
            plain.zero_grad()
            loss.backward()
            # 5 steps an epoch: 6 steps of warm-up, then times 0.9 every 3 steps
            lr = 0.02 * step / 6 if step < 6 else 0.02 * 0.9 ** ((step - 6) // 3)
            with torch.no_grad():
                for weight, square, moment in zip(weights, squares, moments, strict=True):
                    assert weight.grad is not None
                    gradient = weight.grad + 1e-3 * weight
                    square.copy_(0.8 * square + 0.2 * gradient**2)
                    moment.copy_(0.9 * moment + lr * gradient / (square + 0.01).sqrt())
                    weight.sub_(moment)
            keep = min(0.7, (1 + step) / (10 + step)) if step else 0.0
            for name, value in plain.state_dict().items():
                if value.is_floating_point():
                    old = average.get(name, value)
                    average[name] = keep * old + (1 - keep) * value
                else:
                    average[name] = value.clone()
            step += 1
            loss_sum += loss.item() * len(labels)
        curve.append(loss_sum / len(data.train))
    plain.load_state_dict(average)
    _check(history, curve, ours, plain, data)


class _Branches(nn.Module):
    """Two branches with drop path, and an auxiliary head between them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.first, self.second = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)
        self.drop_first, self.drop_second = DropPath(scale=0.5), DropPath(scale=1.0)
        self.head, self.auxiliary = nn.Linear(8, 10), nn.Linear(8, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        x = self.stem(x)
        x = x + self.drop_first(self.first(x).relu())
        auxiliary = self.auxiliary(x.mean((2, 3)))
        x = x + self.drop_second(self.second(x).relu())
        logits: torch.Tensor = self.head(x.mean((2, 3)))
        return (logits, auxiliary) if self.training else logits


def _plain_drop_path_curve(
    model: nn.Module,
    data: ImageData,
    recipe: Recipe,
    probability: Callable[[int, int], float],
    normalise: Callable[[torch.Tensor, ImageData], torch.Tensor] = _normalised,
) -> list[float]:
    """The curve with ``probability(step, epoch)`` in every DropPath, times its scale."""
    optimizer = _sgd(model, recipe.lr)
    scheduler = _cosine(optimizer, EPOCHS * _steps(data, recipe))
    curve, step = [], 0
    for epoch in range(1, EPOCHS + 1):
        model.train()
        loss_sum = 0.0
        with seeded(derived_seed(0, epoch, "network")):
            for images, labels in _batches(data, recipe, epoch, normalise):
                for module in model.modules():
                    if isinstance(module, DropPath):
                        module.drop_prob = probability(step, epoch) * module.scale
                logits, auxiliary = model(images)
                loss = functional.cross_entropy(logits, labels)
                loss = loss + recipe.auxiliary_weight * functional.cross_entropy(auxiliary, labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                scheduler.step()
                step += 1
                loss_sum += loss.item() * len(labels)
        curve.append(loss_sum / len(data.train))
    return curve


@pytest.mark.parametrize(
    ("schedule", "probability"),
    [
        ("epochs", lambda step, epoch: 0.6 * epoch / EPOCHS),
        ("steps", lambda step, epoch: 0.6 * step / (EPOCHS * 5)),
        ("constant", lambda step, epoch: 0.6),
    ],
)
def test_an_auxiliary_head_and_drop_path(
    schedule: str, probability: Callable[[int, int], float], data: ImageData
) -> None:
    recipe = Recipe(
        batch_size=30, drop_path=0.6, drop_path_schedule=schedule, auxiliary_weight=0.3
    )
    with seeded(0):
        ours = _Branches()
    with seeded(0):
        plain = _Branches()
    history = fit(ours, data, epochs=EPOCHS, recipe=recipe, device="cpu")
    curve = _plain_drop_path_curve(plain, data, recipe, probability)
    _check(history, curve, ours, plain, data)


def test_a_published_network_with_its_own_recipe() -> None:
    """DARTS's network and training, small, with the formula of its drop path written out."""
    data = load_data("digits", train_size=60, val_size=40, image_size=32)
    recipe = Recipe(batch_size=20, drop_path=0.2, auxiliary_weight=0.4, lr=0.002)
    size = {"cells": 3, "channels": 4, "num_classes": 10, "in_channels": 1}
    models = []
    for _ in range(2):
        with seeded(0):
            models.append(published.DARTS_V2.build(auxiliary=True, drop_path=0.2, **size))
    ours, plain = models

    history = fit(ours, data, epochs=EPOCHS, recipe=recipe, device="cpu")

    # This network multiplies rounding errors from step to step, so the pixels are the same to
    # the last bit.
    normaliser = Normaliser(data.mean, data.std, torch.device("cpu"))
    curve = _plain_drop_path_curve(
        plain,
        data,
        recipe,
        lambda _, epoch: 0.2 * epoch / EPOCHS,
        lambda images, _: normaliser(images),
    )
    assert [e.train_loss for e in history.epochs] == pytest.approx(curve, abs=1e-5)
    assert curve[-1] < curve[0]
