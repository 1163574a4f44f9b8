"""A number of layers as a decision: on trials, and in supernets."""

import copy

import pytest
import torch
from space_testing import new_study, sample
from torch import nn

from optuna_nas.spaces import (
    MixtureError,
    NASBench201Space,
    choice,
    function_space,
    repeat,
)
from optuna_nas.testing import SpaceTestCase, SupernetTestCase

X = torch.linspace(-1, 1, 2 * 4).sin().reshape(2, 4)
ACTS = {"relu": nn.ReLU, "tanh": nn.Tanh}


@function_space(prefix="my_")
def mlp(trial, num_outputs=3):
    """Up to three layers, each with an activation of its own."""

    def layer(i):
        return nn.Sequential(nn.Linear(4, 4), choice(trial, f"act_{i}", ACTS))

    return nn.Sequential(repeat(trial, "depth", layer, low=1, high=3), nn.Linear(4, num_outputs))


class TestRepeat(SpaceTestCase, SupernetTestCase):
    num_samples = 6

    @pytest.fixture
    def space(self):
        return mlp

    def inputs(self, space):
        return [X]

    def test_number(self, space):
        assert space.num_architectures == 2 + 4 + 8


def made(depth=None, low=0, high=4, record=None):
    @function_space
    def net(trial):
        return repeat(trial, "depth", layer, low=low, high=high)

    def layer(i):
        (record if record is not None else []).append(i)
        return nn.Linear(4, 4)

    return net


def test_an_ordinary_trial_makes_the_layers_that_it_has():
    record = []
    net = made(record=record)
    architecture = net.architecture({"depth": 2})
    record.clear()
    module = architecture.build()
    assert record == [0, 1]
    assert [type(layer) for layer in module] == [nn.Linear] * 2
    assert torch.equal(net.architecture({"depth": 0}).build()(X), X)
    study = new_study()
    study.optimize(lambda trial: len(net.suggest(trial).params), n_trials=5)
    distribution = study.trials[0].distributions["depth"]
    assert (distribution.low, distribution.high) == (0, 4)


@torch.no_grad()
def test_the_mixture_is_that_of_the_outputs_after_each_depth():
    supernet = made(low=1, high=3).supernet().double().eval()
    assert supernet.choices == {"depth": (1, 2, 3)}
    supernet.alphas()["depth"].copy_(torch.tensor([0.0, 1.0, 2.0]))
    first, second, third = supernet.network.network.layers
    x = X.double()
    one = first(x)
    two = second(one)
    three = third(two)
    a, b, c = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64).softmax(0)
    torch.testing.assert_close(supernet(x), a * one + b * two + c * three)
    space = supernet.space
    for depth, expected in enumerate((one, two, three), start=1):
        architecture = space.architecture({"depth": depth})
        assert torch.equal(supernet(x, architecture=architecture), expected)
    assert supernet.derive().params == {"depth": 3}


def test_no_layers_at_all_may_be_a_choice():
    supernet = made(low=0, high=2).supernet()
    nothing = supernet.space.architecture({"depth": 0})
    assert torch.equal(supernet(X, architecture=nothing), X)
    supernet(X).sum().backward()
    assert supernet.alphas()["depth"].grad.abs().min() > 0


def test_shorter_networks_are_the_beginning_of_longer_ones():
    """A path touches its own layers alone, and their activations."""
    supernet = mlp.supernet()
    params = {"my_depth": 2, "my_act_0": "relu", "my_act_1": "tanh"}
    architecture = mlp.architecture(params)
    supernet(X, architecture=architecture).square().sum().backward()
    layers = supernet.network.network[0].layers
    grads = [[p.grad is not None for p in layer.parameters()] for layer in layers]
    assert grads == [[True] * 2, [True] * 2, [False] * 2]


def test_deriving_asks_for_the_layers_that_are_there():
    supernet = mlp.supernet()
    assert list(supernet.alphas()) == ["my_depth", "my_act_0", "my_act_1", "my_act_2"]
    with torch.no_grad():
        supernet.alphas()["my_depth"].copy_(torch.tensor([1.0, 0.0, 0.0]))
        supernet.alphas()["my_act_0"].copy_(torch.tensor([0.0, 1.0]))
    assert supernet.derive().params == {"my_depth": 1, "my_act_0": "tanh"}


def test_alphas_of_depths_learn():
    """The target is what two layers give, so the alpha of two grows."""
    torch.manual_seed(0)
    supernet = made(low=0, high=3).supernet()
    with torch.no_grad():
        target = supernet(X, architecture=supernet.space.architecture({"depth": 2}))
    optimizer = torch.optim.Adam(supernet.alphas().values(), lr=0.3)
    for _ in range(40):
        optimizer.zero_grad()
        (supernet(X) - target).square().mean().backward()
        optimizer.step()
    assert supernet.derive().params == {"depth": 2}


def test_fixed_depths():
    supernet = mlp.supernet(fixed={"my_depth": 2})
    assert list(supernet.alphas()) == ["my_act_0", "my_act_1"]
    assert isinstance(supernet.network.network[0], nn.Sequential)
    assert made(low=2, high=2).supernet().alphas() == {}
    with pytest.raises(ValueError, match=r"`my_depth` must be an int in \[1, 3\]"):
        mlp.supernet(fixed={"my_depth": 4})


def test_layers_that_change_their_input_in_place():
    @function_space
    def in_place(trial):
        def layer(i):
            return nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 4))

        return nn.Sequential(nn.Linear(4, 4), repeat(trial, "depth", layer, low=0, high=2))

    supernet = in_place.supernet().eval()
    stem, depths = supernet.network.network
    with torch.no_grad():
        found = supernet(X)
        zero = stem(X)
        one = depths.layers[0](zero.clone())
        two = depths.layers[1](one.clone())
        a, b, c = supernet.mixture()["depth"]
        torch.testing.assert_close(found, a * zero + b * one + c * two)


def test_layers_may_be_whole_spaces():
    @function_space
    def cells(trial):
        def layer(i):
            space = NASBench201Space(prefix=f"cell_{i}_")
            return Low(space(trial, cells=1, channels=3, features_only=True))

        return repeat(trial, "depth", layer, low=1, high=2)

    class Low(nn.Module):
        def __init__(self, cell):
            super().__init__()
            self.cell = cell

        def forward(self, x):
            return self.cell(x)[0]

    images = torch.ones(2, 3, 8, 8)
    architectures = sample(cells, 6)
    assert {len(architecture.params) for architecture in architectures} == {7, 13}
    supernet = cells.supernet()
    assert supernet(images).shape == (2, 3, 8, 8)
    for architecture in architectures:
        assert supernet(images, architecture=architecture).shape == (2, 3, 8, 8)


def test_copies_and_names():
    supernet = mlp.supernet().eval()
    assert torch.equal(copy.deepcopy(supernet)(X), supernet(X))
    assert "my_depth, depths=(1, 2, 3)" in repr(supernet)


# Mistakes


def test_outputs_of_other_shapes():
    @function_space
    def narrowing(trial):
        return repeat(trial, "depth", lambda i: nn.Linear(4 - i, 3 - i), low=1, high=3)

    message = r"candidates of `depth` must give .*\{1: \(2, 3\), 2: \(2, 2\), 3: \(2, 1\)\}.*proj"
    with pytest.raises(ValueError, match=message):
        narrowing.supernet()(X)


@pytest.mark.parametrize("bounds", [(2, 1), (-1, 2), (0, 1001), (1.0, 2), (0, True)])
def test_wrong_ranges(bounds):
    low, high = bounds
    with pytest.raises(ValueError, match="`low` and `high` of `depth` must be integers with 0 <="):
        sample(made(low=low, high=high), 1)


def test_what_makes_no_layer():
    def of(make_layer):
        @function_space
        def net(trial):
            return repeat(trial, "depth", make_layer, low=1, high=2)

        return net

    with pytest.raises(TypeError, match=r"layers of `depth` must be made by a function.*Linear"):
        sample(of(nn.Linear(4, 4)), 1)
    for reading in (lambda net: sample(net, 1), lambda net: net.supernet()):
        with pytest.raises(
            TypeError, match=r"Layer 0 of `depth` must make a torch.nn.Module, but"
        ):
            reading(of(lambda i: i))


def test_other_integers_stay_closed():
    @function_space
    def wide(trial):
        return nn.Linear(4, trial.suggest_int("width", 1, 4))

    @function_space
    def both(trial):
        trial.suggest_int("depth", 0, 2)
        return repeat(trial, "depth", lambda i: nn.Linear(4, 4), low=0, high=2)

    with pytest.raises(MixtureError, match=r"`width` is a number, .* by repeat\(trial, 'width'"):
        wide.supernet()
    with pytest.raises(ValueError, match="`depth` is asked for twice"):
        sample(both, 1)


def test_outside_of_a_supernet_there_are_no_weights():
    supernet = mlp.supernet()
    with pytest.raises(RuntimeError, match="`my_depth` are weighted by the supernet"):
        supernet.network.network(X)
