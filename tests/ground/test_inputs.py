"""Inputs as values: read, written, and made."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from optuna_nas._ground.inputs import (
    InputSpec,
    call,
    join,
    length,
    map_tensors,
    parts_of,
    shapes,
    split,
)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ((3, 32, 32), "3x32x32"),
        ([24, 2], "24x2"),
        ("32:int64", "32:int64"),
        ("image=1x64x48, table=5", "image=1x64x48,table=5"),
        ({"image": (1, 64, 48), "words": "7:int64"}, "image=1x64x48,words=7:int64"),
        (((24, 2), (5,)), "24x2,5"),
        (torch.zeros(8, 24, 2), "24x2"),
        ((torch.zeros(8, 3), torch.zeros(8, dtype=torch.int64)), "3,scalar:int64"),
        (torch.zeros(2, 4, dtype=torch.float64), "4:float64"),
    ],
)
def test_a_description_is_read_and_written(given: Any, text: str) -> None:
    spec = InputSpec.of(given)
    assert str(spec) == text
    assert InputSpec.of(text) == spec


@pytest.mark.parametrize(
    "given",
    [
        *("", "3x", "a=3,4", "a=3,a=4", "3:int63", "x=3:", 3, None, (0, 3), (-1,), 2.5),
        *({}, {1: (3,)}, {"a b": (3,)}, ((3,), "a=4"), torch.tensor(1.0), "1" * 30),
        *((2**20, 2**20), {"a": {"b": (3,)}}, ((3.5, 2),), (True, 3)),
    ],
)
def test_anything_else_is_an_error(given: Any) -> None:
    with pytest.raises(ValueError, match="`inputs` must"):
        InputSpec.of(given)


def test_zeros_have_the_form_the_sizes_and_the_types() -> None:
    spec = InputSpec.of("image=1x4x3,words=7:int64")
    batch = spec.zeros(batch_size=2, dtype=torch.float64, device="cpu")
    assert isinstance(batch, dict)
    assert (batch["image"].shape, batch["image"].dtype) == ((2, 1, 4, 3), torch.float64)
    assert (batch["words"].shape, batch["words"].dtype) == ((2, 7), torch.int64)
    pair = InputSpec.of(((2,), (3,))).zeros(batch_size=5, dtype=torch.float32, device="cpu")
    assert isinstance(pair, tuple)
    assert [tuple(part.shape) for part in pair] == [(5, 2), (5, 3)]


class _Scaled(nn.Module):
    def forward(self, x: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
        return x / factor


def test_a_network_is_called_with_each_form() -> None:
    x, factor = torch.ones(4, 2), torch.full((4, 1), 3.0)
    assert call(nn.Identity(), x) is x
    assert torch.equal(call(_Scaled(), (x, factor)), x / 3)
    assert torch.equal(call(_Scaled(), {"factor": factor, "x": x}), x / 3)


@pytest.mark.parametrize("form", [lambda x: x, lambda x: (x, x + 1), lambda x: {"a": x}])
def test_batches_are_joined_and_changed_in_their_form(form: Any) -> None:
    x = torch.arange(6.0).reshape(3, 2)
    batch = form(x)
    twice = join([batch, batch])
    assert type(twice) is type(batch)
    assert length(twice) == 6
    again = map_tensors(lambda tensor: tensor[3:], twice)
    assert shapes(again) == shapes(batch)
    first, second, third = split(twice, 3)
    assert shapes(join([first, second])) == shapes(join([second, third]))
    assert type(third) is type(batch)
    assert torch.equal(parts_of(third)[0], x[1:])
