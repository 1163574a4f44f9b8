"""Counting, measuring and folding of networks whose input is not one image."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch
from any_networks import Characters, Forecaster, ImageAndTable, Pair
from torch import nn

from optuna_nas.profiling import (
    InputSpec,
    LatencyMeter,
    activation_memory,
    fold_batch_norm,
    layer_table,
    measure_latencies,
    measure_latency,
    profile,
)

QUICK: dict[str, Any] = {"device": "cpu", "min_run_time": 1e-4}
IMAGE_AND_TABLE = {"image": (1, 8, 6), "table": (5,)}
LSTM_MACS = 24 * (2 + 8) * 32 + 8
CASES: dict[str, tuple[type[nn.Module], Any, int]] = {
    "series": (Forecaster, (24, 2), LSTM_MACS),
    "series as text": (Forecaster, "24x2", LSTM_MACS),
    "series as batch": (Forecaster, torch.randn(3, 24, 2), LSTM_MACS),
    "named": (ImageAndTable, IMAGE_AND_TABLE, 48 * 9 * 4 + 15 + 14),
    "in order": (ImageAndTable, ((1, 8, 6), "5"), 48 * 9 * 4 + 15 + 14),
    "of two types": (Pair, "user=scalar:int64,item=3", 12),
    "of two types, given": (Pair, (torch.tensor([6, 5]), torch.ones(2, 3)), 12),
}


def _made(name: str) -> tuple[nn.Module, Any, int]:
    make, inputs, macs = CASES[name]
    return make(), inputs, macs


@pytest.mark.parametrize("name", CASES)
def test_multiply_adds_on_every_device(name: str) -> None:
    model, inputs, macs = _made(name)
    counted = profile(model, inputs=inputs)
    assert counted.macs == macs
    assert counted.params == sum(p.numel() for p in model.parameters())
    assert counted.inputs == InputSpec.of(inputs)
    with torch.device("meta"):
        blank, *_ = _made(name)
    assert profile(blank, inputs=inputs) == counted
    assert profile(blank.double(), inputs=inputs).macs == macs


def test_characters_count_by_their_length() -> None:
    model = Characters()
    weights = 3 * 8 * 8 + 8 * 8 + 2 * 8 * 16 + 8 * 20
    for length in (4, 32):
        attention = 2 * length * length * 8
        macs = profile(model, inputs=f"{length}:int64").macs
        assert macs == length * weights + attention


@pytest.mark.parametrize("name", CASES)
def test_layers_add_up_and_memory_is_counted(name: str) -> None:
    model, inputs, macs = _made(name)
    table = layer_table(model, inputs=inputs)
    assert (table.total.macs, table.total) == (macs, profile(model, inputs=inputs))
    assert activation_memory(model, inputs=inputs) > 0


def test_the_memory_of_integers() -> None:
    assert activation_memory(nn.Embedding(7, 4), inputs="32:int64") == 32 * 8


def test_a_layer_that_is_called_by_name_and_changes_nothing_has_no_row() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu, self.head = nn.ReLU(), nn.Linear(3, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(input=self.relu(input=x))

    assert [row.name for row in layer_table(Named(), (3,)).rows] == ["head"]


def test_the_inputs_are_printed() -> None:
    model = ImageAndTable()
    assert str(profile(model, inputs=IMAGE_AND_TABLE)).splitlines()[0] == (
        "inputs        image 1 x 8 x 6, table 5"
    )
    total = str(layer_table(model, inputs=((1, 8, 6), (5,)))).splitlines()[-1]
    assert "inputs 1 x 8 x 6, 5 " in total
    assert "input 32 (int64) " in str(layer_table(Characters(), inputs="32:int64"))


@pytest.mark.parametrize("name", CASES)
def test_latency(name: str) -> None:
    model, inputs, _ = _made(name)
    latency = measure_latency(model, inputs=inputs, batch_size=5, **QUICK)
    assert latency.median_ms > 0
    assert (latency.batch_size, latency.inputs) == (5, InputSpec.of(inputs))
    assert latency.channels_last == isinstance(model, ImageAndTable)
    assert pickle.loads(pickle.dumps(latency)) == latency


def test_latencies_of_several_lengths() -> None:
    table = measure_latencies(Characters(), inputs=["4:int64", "32:int64"], **QUICK)
    assert [row.inputs.parts[0].size for row in table.rows] == [(4,), (32,)]
    assert table.at("32:int64") is table.rows[1]
    lines = str(measure_latencies(ImageAndTable(), inputs=[IMAGE_AND_TABLE], **QUICK)).splitlines()
    assert lines[0].split() == ["input", "batch", "ms", "a", "batch", "IQR", "ms", "each"]
    assert lines[1].startswith("image 1 x 8 x 6, table 5 ")
    assert len(lines[0]) == len(lines[1])


def test_a_meter_takes_them_too() -> None:
    meter = LatencyMeter(batch_size=2, **QUICK)
    assert meter(Characters(), inputs="32:int64").batch_size == 2


def test_a_network_of_three_dimensions_is_laid_out_as_far_as_it_goes() -> None:
    assert measure_latency(nn.Conv3d(1, 2, 3), (1, 4, 4, 4), **QUICK).channels_last is False


def test_batch_norms_beside_other_inputs_are_folded() -> None:
    model = ImageAndTable().eval()
    folded = fold_batch_norm(model, inputs=IMAGE_AND_TABLE)
    assert (folded.folded, folded.norms, folded.note) == (1, 1, "")
    image, table = torch.rand(3, 1, 8, 6), torch.rand(3, 5)
    assert torch.allclose(folded.model(image, table), model(image, table), atol=1e-6)


def test_what_is_folded_is_compared_on_given_examples() -> None:
    class Sees(nn.Module):
        """Reads the weight of its convolution for inputs that are positive."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)
            self.norm.running_var.fill_(9.0)  # type: ignore[union-attr]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(self.conv(x)) + self.conv.weight.sum() * (x > 50)

    assert fold_batch_norm(Sees(), (1, 2, 2)).folded == 1
    note = fold_batch_norm(Sees(), inputs=torch.full((2, 1, 2, 2), 99.0)).note
    assert note == "the folded network computes something else"


def test_several_inputs_have_no_single_size() -> None:
    counted = profile(Forecaster(), (24, 2))
    assert counted.input_size == (24, 2)
    with pytest.raises(ValueError, match="`input_size` is that of a single input, but there are"):
        profile(Pair(), inputs="user=scalar:int64,item=3").input_size  # noqa: B018


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda m: profile(m, (24, 2), inputs="24x2"), "must not both be given"),
        (lambda m: measure_latency(m), "`input_size` must be the positive sizes of one example"),
        (lambda m: measure_latencies(m, [(24, 2)], inputs=["24x2"]), "must not both be given"),
        (lambda m: profile(m, inputs="24x3"), r"Forecaster cannot take an input of shape \(1, 24"),
        (lambda m: profile(m, inputs="24x2:int64"), "Forecaster cannot take .* and type int64 "),
        (lambda m: profile(m, inputs={"x": (24, 2)}), r"its forward\(series\) takes"),
        (lambda m: activation_memory(m, inputs="24x3"), r"\(2, 24, 3\) in training \("),
    ],
)
def test_wrong_inputs_are_told(run: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(Forecaster())
