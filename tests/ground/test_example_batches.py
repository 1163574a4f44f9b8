"""Batches of any size for networks of any inputs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from any_networks import Forecaster, ImageAndTable
from torch import nn

from optuna_nas._ground.bounds import MAX_PIXELS
from optuna_nas._ground.forward import materialise, run_forward
from optuna_nas._ground.inputs import Examples, examples_of, home_of


def test_blank_batches_have_the_networks_type() -> None:
    batch = Examples.of("image=1x4x4,table=5,mask=3:bool").batch(Forecaster().double(), 3)
    assert isinstance(batch, dict)
    assert {name: (tuple(t.shape), t.dtype) for name, t in batch.items()} == {
        "image": ((3, 1, 4, 4), torch.float64),
        "table": ((3, 5), torch.float64),
        "mask": ((3, 3), torch.bool),
    }


def test_given_examples_are_cut_and_repeated_with_their_own_values() -> None:
    ids = torch.tensor([[1, 2], [3, 4], [5, 6]])
    examples = Examples.of((ids, (2,)))
    for size, rows in ((1, [0]), (3, [0, 1, 2]), (5, [0, 1, 2, 0, 1])):
        words, blank = examples.batch(nn.Identity(), size)
        assert torch.equal(words, ids[rows])
        assert not blank.any()
    words, numbers = examples.random(nn.Identity(), 4, seed=2)
    assert torch.equal(words, ids[[2, 0, 1, 2]])
    assert numbers.all()


def test_given_floats_follow_the_network_and_lose_their_history() -> None:
    given = torch.ones(2, 24, 2, requires_grad=True)
    batch = Examples.of(given).batch(Forecaster().double(), 2)
    assert isinstance(batch, torch.Tensor)
    assert (batch.dtype, batch.requires_grad) == (torch.float64, False)
    half = Examples.of(given.half()).batch(Forecaster(), 2)
    assert isinstance(half, torch.Tensor)
    assert half.dtype == torch.float16  # whoever gives another type than the default means it


def test_random_batches_are_always_the_same_for_a_seed() -> None:
    examples = Examples.of("a=3,b=4:int64,c=2:bool")
    first, again, other = (examples.random(nn.Identity(), 6, seed=seed) for seed in (1, 1, 2))
    assert isinstance(first, dict)
    assert isinstance(again, dict)
    assert isinstance(other, dict)
    assert torch.equal(first["a"], again["a"])
    assert not torch.equal(first["a"], other["a"])
    assert not first["b"].any()
    wider = Examples(examples.spec, examples.given, high=2).random(nn.Identity(), 6)
    assert isinstance(wider, dict)
    assert {*wider["b"].flatten().tolist()} == {0, 1}
    assert not wider["c"].any()


@pytest.mark.parametrize("given", [(torch.ones(2, 3), torch.ones(3, 3)), torch.ones(0, 3)])
def test_examples_that_do_not_go_together_are_told(given: Any) -> None:
    with pytest.raises(ValueError, match="`inputs` must have the same number of examples, at lea"):
        Examples.of(given)


def test_one_of_two_arguments_is_given() -> None:
    assert str(examples_of(None, None, default=(3, 4)).spec) == "3x4"
    assert str(examples_of([5, 6], None).spec) == "5x6"
    assert str(examples_of(None, {"a": (3,)}, default=(3, 4)).spec) == "a=3"
    with pytest.raises(ValueError, match=r"must not both be given, but got input_size=\(3, 4\)"):
        examples_of((3, 4), "24x2")
    with pytest.raises(ValueError, match="`input_size` must be the .* several inputs"):
        examples_of({"image": (3, 4)}, None)
    with pytest.raises(ValueError, match=f"`input_size` must have at most {MAX_PIXELS} numbers"):
        examples_of((3, 2**27), None)


def test_a_network_is_where_its_weights_are() -> None:
    with torch.device("meta"):
        assert home_of(nn.Linear(2, 2))[1].type == "meta"
        assert home_of(nn.Identity()) == (torch.float32, torch.device("meta"))
    counted = nn.Module()
    counted.register_buffer("seen", torch.zeros(1, dtype=torch.int64, device="meta"))
    assert home_of(counted) == (torch.float32, torch.device("meta"))


def test_lazy_networks_of_several_inputs_are_finished() -> None:
    model = ImageAndTable()
    materialise(model, "image=1x8x8,table=5")
    assert model.head.weight.shape == (2, 7)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ("image=1x8x8", r"shape image=\(2, 1, 8, 8\) .*: give those that its forward\(image, tab"),
        ("image=1x8x8,row=5", "unexpected keyword argument 'row'"),
        (((5,), (1, 8, 8)), r"shape \(2, 5\), \(2, 1, 8, 8\) and type float32, float32"),
        ("image=1x8x8,table=5:int64", "and type float32, int64"),
        ((1, 8, 8), r"an input of shape \(2, 1, 8, 8\) .*several inputs or integers, `inputs`"),
    ],
)
def test_inputs_that_do_not_fit_are_named(inputs: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"must fit the network, but ImageAndTable .*{message}"):
        materialise(ImageAndTable(), inputs)


def test_a_bug_within_is_no_wrong_input() -> None:
    class Adds(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return len(x.shape) + "a"  # type: ignore[operator]

    with pytest.raises(TypeError, match="unsupported operand"):
        run_forward(Adds(), torch.zeros(2, 2))
