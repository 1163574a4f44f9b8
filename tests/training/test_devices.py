"""Precision, memory format, compilation and averaged weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from optuna_nas.nn import DropPath
from optuna_nas.training import History, ImageData, Recipe, evaluate, fit, load_data, seeded
from optuna_nas.training.loop._precision import precision_on


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", train_size=150, val_size=100)


class _Spy(nn.Module):
    """Notes what comes in while training."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[torch.dtype, bool]] = set()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            last = x.is_contiguous(memory_format=torch.channels_last)
            self.seen.add((x.dtype, last))
        return x


def _net(*extra: nn.Module) -> nn.Sequential:
    with seeded(0):
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            *extra,
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(32, 10),
        )


def _losses(history: History) -> list[float]:
    return [e.train_loss for e in history.epochs]


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [
        ("float32", torch.float32),
        ("bfloat16", torch.bfloat16),
        ("float16", torch.float16),
        ("mixed", torch.bfloat16),
    ],
)
def test_layers_compute_in_the_precision(
    precision: str, dtype: torch.dtype, data: ImageData
) -> None:
    spy = _Spy()
    plain = fit(_net(), data, epochs=3, device="cpu")
    recipe = Recipe(precision=precision, clip_grad_norm=100.0)
    model = _net(spy)
    history = fit(model, data, epochs=3, recipe=recipe, device="cpu")
    assert {seen for seen, _ in spy.seen} == {dtype}
    assert _losses(history) == pytest.approx(_losses(plain), abs=0.05)
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}


def test_mixed_is_bfloat16_where_the_device_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for has, dtype in ((True, torch.bfloat16), (False, torch.float16)):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda has=has, **_: has)
        assert precision_on(torch.device("cuda"), "mixed").format == dtype
    assert precision_on(torch.device("mps"), "mixed").format == torch.float16
    assert precision_on(torch.device("cpu"), "float32").format is None


def test_only_float16_scales_gradients() -> None:
    device = torch.device("cpu")
    scaled = [precision_on(device, name).scaler() is not None for name in ("float16", "mixed")]
    assert scaled == [True, False]


def test_overflowing_gradients_skip_a_step_and_do_not_end_the_run(data: ImageData) -> None:
    """The first scale of 2**16 is too large for this network: float16 ends at 65,504."""
    model = _net()
    with torch.no_grad():
        model[0].weight.mul_(0.01)
    before = model[0].weight.clone()
    recipe = Recipe(precision="float16", batch_size=50, lr=0.01)
    fit(model, data, epochs=8, recipe=recipe, device="cpu")
    assert all(weight.isfinite().all() for weight in model.parameters())
    assert not torch.equal(model[0].weight, before)


def test_channels_last_is_another_layout_of_the_same_numbers(data: ImageData) -> None:
    spies = _Spy(), _Spy()
    curves = [
        _losses(fit(_net(spy), data, epochs=2, device="cpu", channels_last=last))
        for spy, last in zip(spies, (False, True), strict=True)
    ]
    assert curves[0] == pytest.approx(curves[1], abs=1e-4)
    assert [last for _, last in spies[0].seen] == [False]
    assert [last for _, last in spies[1].seen] == [True]


@pytest.mark.slow
def test_a_compiled_step_gives_the_same_curve(data: ImageData) -> None:
    plain = fit(_net(), data, epochs=2, device="cpu")
    compiled = fit(_net(), data, epochs=2, device="cpu", compile=True)
    assert _losses(compiled) == pytest.approx(_losses(plain), abs=1e-4)


def test_compile_compiles_the_training_step(
    data: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[bool] = []

    def compile(model: nn.Module) -> nn.Module:
        return nn.Sequential(_Counts(calls), model)

    monkeypatch.setattr(torch, "compile", compile)
    fit(_net(), data, epochs=1, recipe=Recipe(batch_size=50), device="cpu", compile=True)
    assert calls == [True] * 3


class _Counts(nn.Module):
    def __init__(self, calls: list[bool]) -> None:
        super().__init__()
        self.calls = calls

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls.append(self.training)
        return x


def test_compile_refuses_a_drop_path_that_changes(data: ImageData) -> None:
    message = r"`compile` needs a constant drop path.*drop_path_schedule='epochs': pass compile="
    recipe = Recipe(drop_path=0.1)
    with pytest.raises(ValueError, match=message):
        fit(_net(DropPath()), data, epochs=1, recipe=recipe, device="cpu", compile=True)


def test_the_average_is_evaluated_and_is_what_remains(data: ImageData) -> None:
    recipe = Recipe(ema_decay=0.9, batch_size=30)
    averaged, last = _net(), _net()
    history = fit(averaged, data, epochs=4, recipe=recipe, device="cpu")
    fit(last, data, epochs=4, recipe=Recipe(batch_size=30), device="cpu")

    found = evaluate(averaged, data.val, data, device="cpu")
    assert found.loss == history.last.val_loss
    distance = (averaged[0].weight - last[0].weight).norm() / last[0].weight.norm()
    assert 1e-4 < distance < 0.5
    assert not any(module.training for module in averaged.modules())


def test_averages_work_with_lazily_made_weights(data: ImageData) -> None:
    model = nn.Sequential(nn.Flatten(), nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(10))
    history = fit(model, data, epochs=2, recipe=Recipe(ema_decay=0.9), device="cpu")
    assert evaluate(model, data.val, data, device="cpu").loss == history.last.val_loss


def test_batch_norm_takes_the_recipes_momentum_and_epsilon(data: ImageData) -> None:
    model = _net()
    fit(model, data, epochs=1, device="cpu")
    assert (model[1].momentum, model[1].eps) == (0.1, 1e-5)
    recipe = Recipe(batch_norm_momentum=0.01, batch_norm_eps=1e-3)
    fit(model, data, epochs=1, recipe=recipe, device="cpu")
    assert (model[1].momentum, model[1].eps) == (0.01, 1e-3)
