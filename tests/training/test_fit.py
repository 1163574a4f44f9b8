"""The training loop is reproducible, learns, and says what went wrong."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import optuna
import pytest
import torch
from torch import nn

from optuna_nas.training import (
    EpochResult,
    History,
    ImageData,
    NonFiniteLossError,
    Recipe,
    Split,
    evaluate,
    fit,
    load_data,
    seeded,
)


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", train_size=150, val_size=100)


def _net(seed: int = 0, *, dropout: float = 0.0, num_classes: int = 10) -> nn.Sequential:
    with seeded(seed):
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(32, num_classes),
        )


def _curve(history: History) -> list[tuple[float, float, float]]:
    return [(e.train_loss, e.val_loss, e.val_metric) for e in history.epochs]


def test_the_same_seed_gives_the_same_curve_and_another_one_does_not(data: ImageData) -> None:
    recipe = Recipe(crop_padding=1, flip=True)

    def curve(seed: int) -> list[tuple[float, float, float]]:
        model = _net(dropout=0.5)
        return _curve(fit(model, data, epochs=2, recipe=recipe, seed=seed, device="cpu"))

    assert curve(3) == curve(3)
    assert curve(3) != curve(4)
    assert curve(-1) != curve(1)


def test_the_process_random_state_is_neither_used_nor_changed(data: ImageData) -> None:
    torch.manual_seed(1)
    first = _curve(fit(_net(dropout=0.5), data, epochs=2, device="cpu"))
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second = _curve(fit(_net(dropout=0.5), data, epochs=2, device="cpu"))

    assert first == second
    assert torch.equal(torch.get_rng_state(), before)


def test_an_epoch_does_not_depend_on_what_the_callback_draws(data: ImageData) -> None:
    quiet = fit(_net(dropout=0.5), data, epochs=3, device="cpu")
    noisy = fit(
        _net(dropout=0.5), data, epochs=3, device="cpu", on_epoch=lambda _: torch.rand(99).sum()
    )
    assert _curve(quiet) == _curve(noisy)


def test_every_epoch_is_reported_and_pruning_passes_through(data: ImageData) -> None:
    seen: list[EpochResult] = []

    def on_epoch(result: EpochResult) -> None:
        seen.append(result)
        if result.epoch == 2:
            raise optuna.TrialPruned

    with pytest.raises(optuna.TrialPruned):
        fit(_net(), data, epochs=5, device="cpu", on_epoch=on_epoch)

    assert [result.epoch for result in seen] == [1, 2]
    assert [result.lr for result in seen] == pytest.approx([0.1, 0.1 * (1 + 0.8090170) / 2])
    assert all(result.seconds > 0 for result in seen)


def test_it_learns_and_never_looks_at_the_test_set(data: ImageData) -> None:
    unreadable = Split(torch.empty(0, 1, 1, 1, dtype=torch.uint8), torch.empty(0).long())
    data = dataclasses.replace(data, test=unreadable)
    model = _net()

    history = fit(model, data, epochs=12, device="cpu")

    assert history.last.val_metric > 0.5
    assert history.last.train_loss < history.epochs[0].train_loss
    assert not any(module.training for module in model.modules())
    found = evaluate(model, data.val, data, device="cpu")
    assert (found.loss, found.metric) == (history.last.val_loss, history.last.val_metric)


def test_a_last_batch_of_one_image_is_left_out() -> None:
    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(64, 10)
            self.batches: list[int] = []

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.training:
                self.batches.append(len(x))
            return self.linear(x.flatten(1))  # type: ignore[no-any-return]

    for train_size, batches in ((65, [32, 32]), (66, [32, 32, 2]), (64, [32, 32]), (20, [20])):
        model = Counter()
        small = load_data("digits", train_size=train_size, val_size=50)
        fit(model, small, epochs=1, recipe=Recipe(batch_size=32), device="cpu")
        assert model.batches == batches


def test_batch_norm_on_one_pixel_survives_a_last_batch_of_one() -> None:
    model = nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(1, 10)
    )
    small = load_data("digits", train_size=33, val_size=50)
    assert fit(model, small, epochs=1, recipe=Recipe(batch_size=32), device="cpu").epochs


def test_a_loss_that_is_not_finite_names_epoch_step_and_rate(data: ImageData) -> None:
    class Breaks(nn.Module):
        """Returns NaN from its 7th training batch on."""

        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(64, 10)
            self.calls = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.calls += self.training
            logits: torch.Tensor = self.linear(x.flatten(1))
            return logits * float("nan") if self.calls == 7 else logits

    recipe = Recipe(batch_size=32, schedule="constant")  # 5 steps an epoch
    message = r"training loss must be finite, but is nan in epoch 2, step 2, at learning rate 0\.1"
    with pytest.raises(NonFiniteLossError, match=message) as caught:
        fit(Breaks(), data, epochs=3, recipe=recipe, device="cpu")

    assert (caught.value.epoch, caught.value.step, caught.value.lr) == (2, 2, 0.1)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert isinstance(caught.value, ArithmeticError)


def test_a_validation_loss_that_is_not_finite_is_found(data: ImageData) -> None:
    class BreaksInEval(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits = super().forward(x.flatten(1))
            return logits if self.training else logits * float("inf")

    with pytest.raises(NonFiniteLossError, match=r"validation loss must be finite.*epoch 1, step"):
        fit(BreaksInEval(64, 10), data, epochs=3, device="cpu")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            _net(num_classes=7),
            r"7 logits and 'digits' has 10 classes: build it with num_class",
        ),
        (_net(num_classes=100), r"100 logits and 'digits' has 10 classes"),
        (nn.Conv2d(1, 10, 3), r"logits of shape \(64, 10\), but returned shape \(64, 10, 6, 6\)"),
        (nn.Sequential(nn.Flatten(), nn.ReLU()), r"must have trainable parameters"),
    ],
)
def test_a_network_that_does_not_fit_the_data_is_refused(
    model: nn.Module, message: str, data: ImageData
) -> None:
    with pytest.raises(ValueError, match=message):
        fit(model, data, epochs=1, device="cpu")


def test_a_network_that_returns_something_else_is_refused(data: ImageData) -> None:
    class Pair(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logits = super().forward(x.flatten(1))
            return logits, logits  # type: ignore[return-value]

    with pytest.raises(ValueError, match=r"must return logits .*but returned a tuple"):
        fit(Pair(64, 10), data, epochs=1, device="cpu")


def test_a_network_on_the_meta_device_has_nothing_to_train(data: ImageData) -> None:
    with torch.device("meta"):
        model = nn.Linear(64, 10)
    with pytest.raises(ValueError, match="Linear is on the meta device"):
        fit(model, data, epochs=1, device="cpu")


@pytest.mark.parametrize("epochs", [0, -1, 1.5])
def test_epochs_must_be_a_positive_number(epochs: int, data: ImageData) -> None:
    with pytest.raises(ValueError, match=r"`epochs` must be (at least 1|an integer), but got"):
        fit(_net(), data, epochs=epochs, device="cpu")


class _DropPath(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.drop_prob = 0.9
        self.seen: list[float] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.seen.append(self.drop_prob)
        return x


def test_drop_path_grows_to_its_final_probability(data: ImageData) -> None:
    drop = _DropPath()
    model = nn.Sequential(nn.Flatten(), drop, nn.Linear(64, 10))

    fit(model, data, epochs=4, recipe=Recipe(drop_path=0.2, batch_size=150), device="cpu")

    assert drop.seen == pytest.approx([0.05, 0.1, 0.15, 0.2])


def test_drop_path_needs_a_network_that_has_it(data: ImageData) -> None:
    with pytest.raises(ValueError, match=r"`drop_path` must be 0 .* no module with a `drop_prob`"):
        fit(_net(), data, epochs=1, recipe=Recipe(drop_path=0.2), device="cpu")


def test_best_is_the_first_of_the_best_epochs() -> None:
    history = History(
        tuple(
            EpochResult(
                epoch=epoch, train_loss=1.0, val_loss=1.0, val_metric=acc, seconds=2.0, lr=0.1
            )
            for epoch, acc in ((1, 0.5), (2, 0.8), (3, 0.8), (4, 0.6))
        )
    )
    assert (history.best.epoch, history.last.epoch, history.seconds) == (2, 4, 8.0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_curve_of_the_cpu(data: ImageData, tmp_path: Path) -> None:
    recipe = Recipe(crop_padding=1, flip=True)
    cpu, gpu = (
        _curve(fit(_net(), data.to(device), epochs=2, recipe=recipe, device=device))
        for device in ("cpu", "cuda")
    )
    for ours, theirs in zip(cpu, gpu, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-2)


def test_without_validation_images_nothing_is_told_of_them(
    data: ImageData, tmp_path: Path
) -> None:
    merged = data.merged()
    models = [_net(), _net()]
    history = fit(models[0], merged, epochs=2, device="cpu", checkpoint=tmp_path / "run")
    for epoch in history.epochs:
        assert epoch.val_loss != epoch.val_loss
        assert epoch.val_metric != epoch.val_metric
        assert epoch.train_loss > 0
    found = dataclasses.replace(merged, val=data.test)  # the validation images change no training
    fit(models[1], found, epochs=2, device="cpu")
    for ours, theirs in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(ours, theirs)
    again = fit(_net(), merged, epochs=2, device="cpu", checkpoint=tmp_path / "run")
    assert [e.train_loss for e in again.epochs] == [e.train_loss for e in history.epochs]
