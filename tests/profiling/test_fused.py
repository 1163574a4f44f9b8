"""Layers that torch runs as one kernel count as the products that they stand for."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils import flop_counter

from optuna_nas.profiling import layer_table, profile
from optuna_nas.profiling._formulas import FORMULAS

T, C, HIDDEN = 24, 32, 64  # tokens, channels, channels between the linear layers
_LINEAR = C * C * T
_ATTENTION = 4 * _LINEAR + 2 * T * T * C  # queries, keys, values, outputs; scores, weighted sums
_ENCODER = _ATTENTION + 2 * C * HIDDEN * T


class _Attends(nn.Module):
    def __init__(self, *, need_weights: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(C, 4, batch_first=True)
        self.need_weights = need_weights

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out, _ = self.attention(x, x, x, need_weights=self.need_weights)
        return out  # type: ignore[no-any-return]


class _Calls(nn.Module):
    """A module or no module at all, and how it is called."""

    def __init__(self, call: Callable[..., Any], module: nn.Module | None = None) -> None:
        super().__init__()
        self.module = module
        self.call = call

    def forward(self, x: torch.Tensor) -> Any:
        return self.call(x) if self.module is None else self.call(self.module, x)


def _encoder_layer() -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(C, 4, HIDDEN, batch_first=True)


def _padded(encoder: nn.Module, x: torch.Tensor) -> Any:
    mask = torch.zeros(x.shape[:2], dtype=torch.bool, device=x.device)
    mask[:, 12:] = True
    return encoder(x, src_key_padding_mask=mask)


def _decode(model: nn.Module, x: torch.Tensor) -> Any:
    return model(x, x)


def _query(x: torch.Tensor) -> Any:
    """Four heads of 8 channels."""
    heads = x.unflatten(-1, (4, -1)).transpose(1, 2)
    return functional.scaled_dot_product_attention(heads, heads, heads)


def _grouped(x: torch.Tensor) -> Any:
    """Four heads that share two heads of keys and values."""
    heads = x.unflatten(-1, (4, -1)).transpose(1, 2)
    shared = heads[:, :2]
    return functional.scaled_dot_product_attention(heads, shared, shared, enable_gqa=True)


_CASES: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "lstm": (lambda: nn.LSTM(C, C), 8 * _LINEAR),
    "lstm, batch first": (lambda: nn.LSTM(C, C, batch_first=True), 8 * _LINEAR),
    "lstm, 2 layers, 2 directions": (
        lambda: nn.LSTM(C, 16, 2, bidirectional=True, batch_first=True),
        2 * 2 * T * (4 * 16 * C + 4 * 16 * 16),
    ),
    "lstm, projected": (
        lambda: nn.LSTM(C, 16, proj_size=8),
        T * (4 * 16 * C + 4 * 16 * 8 + 16 * 8),
    ),
    "gru": (lambda: nn.GRU(C, C), 6 * _LINEAR),
    "gru, 2 directions": (lambda: nn.GRU(C, C, bidirectional=True), 12 * _LINEAR),
    "rnn": (lambda: nn.RNN(C, C, nonlinearity="relu"), 2 * _LINEAR),
    "lstm cell": (lambda: _Calls(lambda m, x: m(x[0]), nn.LSTMCell(C, C)), 8 * _LINEAR),
    "attention": (lambda: _Attends(need_weights=True), _ATTENTION),
    "attention without its weights": (lambda: _Attends(need_weights=False), _ATTENTION),
    "encoder layer": (_encoder_layer, _ENCODER),
    "encoder": (lambda: nn.TransformerEncoder(_encoder_layer(), 2), 2 * _ENCODER),
    "encoder, masked": (
        lambda: _Calls(_padded, nn.TransformerEncoder(_encoder_layer(), 2)),
        2 * _ENCODER,
    ),
    "transformer": (
        lambda: _Calls(_decode, nn.Transformer(C, 4, 1, 1, HIDDEN, batch_first=True)),
        2 * _ENCODER + _ATTENTION,
    ),
    "attention of one's own": (lambda: _Calls(_query), 2 * T * T * C),
    "attention with shared keys": (lambda: _Calls(_grouped), 2 * T * T * C),
    "einsum": (lambda: _Calls(lambda x: torch.einsum("bij,bkj->bik", x, x)), T * T * C),
    "matmul": (lambda: _Calls(lambda x: x @ x.mT), T * T * C),
    "matrix and vector": (lambda: _Calls(lambda x: x @ x[0, 0]), T * C),
    "matrix and vector, added": (lambda: _Calls(lambda x: x[0, :, 0].addmv(x[0], x[0, 0])), T * C),
    "inner product": (lambda: _Calls(lambda x: x[0, 0] @ x[0, 0]), C),
    "batches added up": (lambda: _Calls(lambda x: torch.addbmm(x[0], x @ x.mT, x)), 2 * T * T * C),
    "bilinear": (lambda: _Calls(_decode, nn.Bilinear(C, C, 8)), 8 * _LINEAR),
}


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("name", _CASES)
def test_every_product_counts_in_whatever_kernel(name: str, device: str) -> None:
    if (name, device) == ("encoder, masked", "meta"):
        pytest.skip("torch looks at the mask's values")
    make, macs = _CASES[name]
    with torch.device(device):
        model = make()
    assert profile(model, (T, C)).macs == macs
    table = layer_table(model, (T, C))
    assert table.total == profile(model, (T, C))
    assert sum(row.macs for row in table.rows) == macs


def test_the_figures_of_the_usual_layers() -> None:
    assert profile(nn.LSTM(32, 32), (24, 32)).macs == 196_608
    assert profile(_Attends(need_weights=True), (24, 32)).macs == 135_168
    encoder = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    assert profile(encoder, (24, 32)).macs == layer_table(encoder, (24, 32)).total.macs == 233_472


def test_torchs_fast_path_is_on_for_everybody_else() -> None:
    def look(x: torch.Tensor) -> torch.Tensor:
        seen.append(torch.backends.mha.get_fastpath_enabled())
        return x

    seen: list[bool] = []
    profile(_Calls(look), (T, C))
    assert seen == [True]


def test_recurrent_layers_of_cudnn_count_all_their_matrices() -> None:
    layer = nn.LSTM(C, 16, 2, bidirectional=True, device="meta")
    weights = [weight.shape for weight in layer.parameters()]
    formula = FORMULAS[torch.ops.aten._cudnn_rnn]
    assert formula((T, 1, C), weights, 4) == 2 * profile(layer, (T, C)).macs
    assert FORMULAS[torch.ops.aten._lstm_mps]((T, 1, C), [], weights) == formula(
        (T, 1, C), weights
    )


# Kernels without a formula


@torch.library.custom_op("optuna_nas_tests::secret_product", mutates_args=())
def _secret_product(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return x @ weight


class _Secret(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(C, C))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.optuna_nas_tests.secret_product(x, self.weight)  # type: ignore[no-any-return]


@pytest.mark.parametrize("count", [profile, layer_table])
def test_a_layer_with_weights_that_counts_nothing_is_warned_of(count: Callable[..., Any]) -> None:
    model = nn.Sequential(nn.Linear(C, C), nn.Sequential(_Secret(), nn.ReLU()))
    with pytest.warns(
        UserWarning, match=r"count 0 multiply-adds: _Secret at '1\.0' \(.*secret_product\)\. Torch"
    ) as caught:
        count(model, (T, C))
    assert [warning.filename for warning in caught] == [__file__]
    with pytest.warns(UserWarning, match=r"count 0 multiply-adds: _Secret \("):
        count(_Secret(), (T, C))


def test_a_formula_of_ones_own_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = torch.ops.optuna_nas_tests.secret_product
    monkeypatch.setitem(flop_counter.flop_registry, kernel, lambda *args, **_: 2 * _LINEAR)
    assert profile(_Secret(), (T, C)).macs == _LINEAR


class _Free(nn.Module):
    """Weights of several dimensions in which nothing is multiplied and added up."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(7, C)
        self.bag = nn.EmbeddingBag(7, C)
        self.norm = nn.LayerNorm((T, C))
        self.position = nn.Parameter(torch.zeros(1, T, C))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        indices = x[..., 0].long()
        x = self.tokens(indices) + self.bag(indices)[:, None] + self.position[:, : x.shape[1]]
        return torch.cat([self.norm(x), self.position])


class _Standardised(nn.Conv1d):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, std = self.weight.mean((1, 2), keepdim=True), self.weight.std((1, 2), keepdim=True)
        return functional.conv1d(x, (self.weight - mean) / (std + 1e-5))


def test_layers_that_truly_multiply_nothing_are_not_warned_of() -> None:
    normed = nn.utils.parametrizations.weight_norm(nn.Linear(C, C))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert profile(_Free(), (T, C)).macs == 0
        assert profile(_Standardised(T, 4, 3), (T, C)).macs == T * 4 * 3 * (C - 2)
        assert profile(normed, (T, C)).macs == _LINEAR


# Modules that are not ordinary ones


def test_lazy_layers_have_rows() -> None:
    lazy = nn.Sequential(nn.LazyConv1d(4, 3), nn.Flatten(), nn.LazyLinear(2))
    plain = nn.Sequential(nn.Conv1d(T, 4, 3), nn.Flatten(), nn.Linear(4 * (C - 2), 2))
    assert layer_table(lazy, (T, C)).rows == layer_table(plain, (T, C)).rows


@pytest.mark.filterwarnings(
    "ignore:.*torch.jit.script:FutureWarning", "ignore:.*torch.jit.script:DeprecationWarning"
)
def test_scripted_modules_are_counted_in_whole() -> None:
    plain = nn.Sequential(nn.Linear(C, C), nn.ReLU(), nn.Linear(C, 4))
    scripted = torch.jit.script(plain)
    assert profile(scripted, (T, C)) == profile(plain, (T, C))
    assert layer_table(scripted, (T, C)).total == profile(plain, (T, C))
