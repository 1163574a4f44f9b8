"""Proxies of networks that take other inputs than one image, and losses of one's own."""

from __future__ import annotations

import copy
import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from any_networks import Characters, Forecaster, ImageAndTable, Pair
from torch import nn
from torch.nn import functional

from optuna_nas._ground.inputs import call, map_tensors
from optuna_nas.objectives import proxies
from optuna_nas.objectives.proxies._network import weights_of

BATCH = {"image": torch.randn(6, 1, 8, 6), "table": torch.randn(6, 5)}
IDS = torch.randint(20, (6, 10), generator=torch.Generator().manual_seed(0))
PAIRS = torch.arange(6), torch.randn(6, 3)
SERIES = torch.randn(6, 24, 2)
CASES: dict[str, tuple[type[nn.Module], Any, Any]] = {
    "series": (Forecaster, SERIES, torch.randn(6, 1)),
    "characters": (Characters, IDS, torch.randn(6, 10, 20)),
    "named": (ImageAndTable, BATCH, torch.randn(6, 2)),
    "in order": (ImageAndTable, tuple(BATCH.values()), torch.randn(6, 2)),
    "of two types": (Pair, PAIRS, torch.randn(6, 1)),
}


def _made(make: type[nn.Module], inputs: Any) -> nn.Module:
    torch.manual_seed(0)
    model = make()
    with torch.no_grad():
        call(model, inputs)  # finishes lazy layers
    return model


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", proxies.PROXIES)
def test_every_proxy_takes_every_input_with_a_loss(name: str, case: str) -> None:
    make, inputs, target = CASES[case]
    model = _made(make, inputs)
    if name == "naswot" and case in ("series", "of two types"):
        with pytest.raises(ValueError, match="ran none: take another proxy"):
            proxies.naswot(model, inputs)
        return
    before = copy.deepcopy(model.state_dict())
    score = proxies.PROXIES[name](model, inputs, target, loss=nn.L1Loss())
    assert math.isfinite(score)
    assert score != 0.0
    assert score == proxies.PROXIES[name](model, inputs, target, loss=nn.L1Loss())
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_named_inputs_and_inputs_in_order_have_one_score() -> None:
    model = _made(ImageAndTable, BATCH)
    target = torch.arange(6) % 2
    for proxy in proxies.PROXIES.values():
        assert proxy(model, BATCH, target) == proxy(model, tuple(BATCH.values()), target)


def test_a_loss_of_ones_own() -> None:
    model, target = _made(Forecaster, SERIES), torch.randn(6, 1)

    def loss(output: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return (output - wanted).abs().mean().reshape(1)

    loss(model(SERIES), target).backward()
    weights = [model.head.weight, model.lstm.weight_ih_l0, model.lstm.weight_hh_l0]
    norm = sum(float(weight.grad.norm()) for weight in weights)
    product = sum(float((weight.detach() * weight.grad).abs().sum()) for weight in weights)
    assert proxies.grad_norm(model, SERIES, target, loss=loss) == pytest.approx(norm, rel=1e-5)
    assert proxies.snip(model, SERIES, target, loss=loss) == pytest.approx(product, rel=1e-5)


def test_the_loss_sees_all_that_the_network_gives() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(3, 2, bias=False), nn.Linear(3, 2, bias=False)

        def forward(self, x: torch.Tensor) -> Any:
            return {"a": self.a(x), "b": self.b(x)}

    x = torch.tensor([[1.0, 0.0, 0.0]])
    loss = lambda output, target: output["a"].sum() + target * output["b"].sum()  # noqa: E731
    assert proxies.grad_norm(Two(), x, 3.0, loss=loss) == pytest.approx(math.sqrt(2) * 4)
    with pytest.raises(ValueError, match="a tuple that begins with one, for this .* type dict"):
        proxies.synflow(Two(), x)


@pytest.mark.parametrize("value", [torch.ones(3), 1.5, None])
def test_a_loss_that_is_not_one_number_is_told(value: Any) -> None:
    for proxy in (proxies.snip, proxies.grad_norm):
        with pytest.raises(ValueError, match=r"`loss` must return a tensor of one number.* got"):
            proxy(_made(Forecaster, SERIES), SERIES, None, loss=lambda *_: value)


def test_classes_are_needed_without_a_loss() -> None:
    model = _made(ImageAndTable, BATCH)
    with pytest.raises(ValueError, match="`target` must be classes from 0 to 1 .* but got None: "):
        proxies.snip(model, BATCH)


def test_synflow_of_two_inputs_is_the_sum_over_both_paths() -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(2, 1, bias=False), nn.Linear(3, 1, bias=False)

        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return self.a(a) - self.b(b)

    model = Sum()
    paths = model.a.weight.abs().sum() - model.b.weight.abs().sum()
    score = proxies.synflow(model, (torch.zeros(4, 2), torch.zeros(4, 3)))
    assert score == pytest.approx(paths.item(), rel=1e-6)


def test_synflow_of_integers_is_that_of_the_first_example() -> None:
    model = nn.Sequential(nn.Embedding(9, 3), nn.Linear(3, 2, bias=False))
    first = torch.tensor([[1, 5]])
    score = proxies.synflow(model, torch.cat([first, first + 1]))
    table, weight = model[0].weight.abs(), model[1].weight.abs()
    assert score == pytest.approx((table[first] @ weight.T).sum().item(), rel=1e-6)


def test_synflow_keeps_recurrent_layers_differentiable_and_without_dropout() -> None:
    scores = []
    for dropout in (0.9, 0.0):
        torch.manual_seed(0)
        layer = nn.GRU(2, 3, num_layers=2, dropout=dropout, batch_first=True)
        scores.append(proxies.synflow(layer, SERIES))
    assert scores[0] == scores[1] != 0.0


def test_jacov_of_integers_is_that_of_their_embeddings() -> None:
    model = _made(Characters, IDS)
    tokens = model.token(IDS).detach().requires_grad_()
    places = model.place(torch.arange(10))
    model.head(model.layer(tokens + places)).sum().backward()
    values = np.linalg.eigvalsh(np.corrcoef(tokens.grad.flatten(1).numpy().astype(float)))
    values = np.clip(values, 0, None) + 1e-5
    expected = -np.sum(np.log(values) + 1 / values)
    assert proxies.jacov(model, IDS) == pytest.approx(expected, rel=1e-3)


def test_jacov_sees_all_inputs() -> None:
    model = _made(ImageAndTable, BATCH)
    parts = map_tensors(lambda part: part.clone().requires_grad_(), BATCH)
    assert isinstance(parts, dict)
    call(model, parts).sum().backward()
    rows = torch.cat([part.grad.flatten(1) for part in parts.values()], 1).numpy().astype(float)
    values = np.clip(np.linalg.eigvalsh(np.corrcoef(rows)), 0, None) + 1e-5
    expected = -np.sum(np.log(values) + 1 / values)
    assert proxies.jacov(model, BATCH) == pytest.approx(expected, rel=1e-3)


def test_jacov_needs_something_with_a_gradient() -> None:
    class Hot(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(20, 2)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.head(functional.one_hot(ids, 20).float())

    with pytest.raises(ValueError, match="integers that embeddings read, for jacov, but Hot has"):
        proxies.jacov(Hot(), IDS)


def test_naswot_counts_activations_of_all_parts() -> None:
    model = _made(ImageAndTable, BATCH).train()
    image, table = BATCH.values()
    codes = [(model.stem(image) > 0).flatten(1), model.row(table) > 0]
    code = torch.cat(codes, 1).numpy()
    kernel = np.zeros((6, 6))
    for i, j in itertools.product(range(6), repeat=2):
        kernel[i, j] = np.sum(code[i] == code[j])
    expected = math.log(abs(np.linalg.det(kernel)))
    assert proxies.naswot(model, BATCH) == pytest.approx(expected, rel=1e-6)


def test_naswot_passes_activations_of_single_numbers() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor, self.head = nn.Parameter(torch.tensor(1.0)), nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(x).relu() * self.factor.relu()

    torch.manual_seed(0)
    assert math.isfinite(proxies.naswot(Scaled(), torch.tensor([[9.0, 1.0], [-9.0, 2.0]])))


@pytest.mark.parametrize(
    ("layer", "count"),
    [
        (nn.LSTM(2, 3, num_layers=2, bidirectional=True), 8),
        (nn.GRUCell(2, 3), 2),
        (nn.MultiheadAttention(4, 2, add_bias_kv=True), 2),
        (nn.MultiheadAttention(4, 2, kdim=3), 4),
        (nn.Bilinear(2, 3, 4), 1),
        (nn.TransformerEncoderLayer(4, 2, 8), 4),
        (nn.Embedding(3, 4), 0),
    ],
)
def test_which_weights_are_multiplied_with(layer: nn.Module, count: int) -> None:
    if count:
        assert len(weights_of(layer)) == count
    else:
        with pytest.raises(ValueError, match="or attention layers .* Embedding has none"):
            weights_of(layer)
