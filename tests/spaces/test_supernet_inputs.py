"""Supernets of networks with several inputs, of any type, in order and by name."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from optuna_nas.nn.supernets import MixedOp
from optuna_nas.objectives.one_shot._learner import MixedNetwork
from optuna_nas.objectives.one_shot._shared_weights import ChildNetwork
from optuna_nas.objectives.one_shot.variants import SoftmaxMixing
from optuna_nas.spaces import SearchSpace, choice, function_space
from optuna_nas.spaces.base import open_choices
from optuna_nas.testing import SupernetTestCase

WORDS = torch.tensor([[0, 1, 2, 3], [3, 3, 0, 4]])
OPS = {"linear": lambda: nn.Linear(6, 6), "tanh": nn.Tanh, "skip": nn.Identity}


class Reader(nn.Module):
    """Embeds tokens, and joins what is read with an image and a table where there are any."""

    def __init__(self, op):
        super().__init__()
        self.embed = nn.Embedding(5, 6)
        self.op = op
        self.pixels = nn.Conv2d(1, 6, 3)
        self.row = nn.Linear(2, 6)

    def forward(self, words, image=None, *, table=None):
        x = self.embed(words).mean(1)
        if image is not None:
            x = x + self.pixels(image).mean((2, 3))
        if table is not None:
            x = x + self.row(table)
        return self.op(x)


@function_space
def reader(trial):
    return Reader(choice(trial, "op", OPS))


class SumSupernet(nn.Module):
    """The network of a supernet that somebody has written: two inputs and the selection."""

    def __init__(self, ops):
        super().__init__()
        self.stem = nn.Linear(6, 6)
        self.op = MixedOp([OPS[op]() for op in ops])

    def forward(self, first, second, selection):
        return self.op(self.stem(first) + second, selection["op"])


@dataclass(frozen=True, kw_only=True)
class SumSpace(SearchSpace):
    name = "sum_of_two"

    def decide(self, trial):
        return trial.suggest_categorical("op", tuple(OPS))

    def build_network(self, genotype):
        return Sum(OPS[genotype]())

    def relax(self, fixed):
        choices = open_choices(self, fixed)
        return SumSupernet(choices["op"]), choices


class Sum(nn.Module):
    def __init__(self, op):
        super().__init__()
        self.stem = nn.Linear(6, 6)
        self.op = op

    def forward(self, first, second):
        return self.op(self.stem(first) + second)


IMAGE, TABLE = torch.ones(2, 1, 4, 4), torch.ones(2, 2)
CALLS = {
    "tokens": ((WORDS,), {}),
    "in order": ((WORDS, IMAGE), {}),
    "mixed": ((WORDS,), {"table": TABLE, "image": IMAGE}),
    "by name": ((), {"words": WORDS, "image": IMAGE, "table": TABLE}),
}


@pytest.mark.parametrize("call", CALLS)
def test_mixture_and_path_take_what_the_network_takes(call):
    args, named = CALLS[call]
    supernet = reader.supernet()
    plain = supernet.network.network
    skip, linear = (reader.architecture({"op": op}) for op in ("skip", "linear"))

    def by_hand(op):
        switch, plain.op = plain.op, op
        try:
            return plain(*args, **named)
        finally:
            plain.op = switch

    candidates = list(plain.op.candidates)
    results = [by_hand(op) for op in candidates]
    weights = supernet.mixture()["op"]
    expected = sum(w * r for w, r in zip(weights, results, strict=True))
    torch.testing.assert_close(supernet(*args, **named), expected)
    assert torch.equal(supernet(*args, architecture=linear, **named), results[0])
    assert torch.equal(supernet(*args, architecture=skip, **named), results[2])
    one_hot = {"op": torch.tensor([0.0, 0.0, 1.0])}
    assert torch.equal(supernet(*args, mixture=one_hot, **named), results[2])


def test_an_architecture_is_given_by_name():
    supernet = reader.supernet()
    with pytest.raises(TypeError, match=r"give an architecture by name, supernet\(x, archit"):
        supernet(WORDS, supernet.derive())


@pytest.mark.parametrize("named", [False, True])
def test_learners_hand_all_inputs_on(named):
    """Maps on CPUs get channels last, which nothing but the time depends on."""
    supernet = reader.supernet()
    inputs = {"words": WORDS, "image": IMAGE.expand(2, 1, 4, 4).contiguous(), "table": TABLE}
    seen = {}
    supernet.network.network.pixels.register_forward_pre_hook(
        lambda _, x: seen.update(image=x[0], calls=seen.get("calls", 0) + 1)
    )
    args = () if named else (inputs.pop("words"), inputs.pop("image"))
    mixed = MixedNetwork(supernet, SoftmaxMixing())
    torch.testing.assert_close(mixed(*args, **inputs), supernet(*args, **inputs))
    child = ChildNetwork(supernet)
    child.child = supernet.derive()
    expected = supernet(*args, architecture=child.child, **inputs)
    assert torch.equal(child(*args, **inputs), expected)
    assert seen["calls"] == 4


def test_maps_get_channels_last():
    class Pixels(nn.Module):
        def __init__(self, op):
            super().__init__()
            self.op = op
            self.strides = []

        def forward(self, a, *, b, c):
            self.strides.append([x.stride() for x in (a, b, c)])
            return self.op(a)

    @function_space
    def pixels(trial):
        return Pixels(choice(trial, "op", {"skip": nn.Identity, "tanh": nn.Tanh}))

    supernet = pixels.supernet()
    maps = torch.zeros(2, 3, 4, 5)
    last = maps.contiguous(memory_format=torch.channels_last).stride()
    child = ChildNetwork(supernet)
    child.child = supernet.derive()
    for network in (MixedNetwork(supernet, SoftmaxMixing()), child):
        network(maps, b=maps, c=maps[0])
    assert supernet.network.network.strides == [[last, last, maps[0].stride()]] * 2


# The test case, on inputs in order and by name


class TestInputsInOrder(SupernetTestCase):
    @pytest.fixture
    def space(self):
        return SumSpace()

    def inputs(self, space):
        return [(torch.randn(2, 6), torch.randn(2, 6))]


class TestInputsByName(SupernetTestCase):
    @pytest.fixture
    def space(self):
        return reader

    def inputs(self, space):
        return [{"words": WORDS, "image": torch.randn(2, 1, 4, 4), "table": torch.randn(2, 2)}]
