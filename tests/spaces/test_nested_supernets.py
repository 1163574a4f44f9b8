"""Supernets of functions that call spaces: each space has its own supernet in its place."""

import copy
import re

import pytest
import torch
from nested_examples import (
    CALLED,
    DISCRETE,
    RELAXED,
    SIZE,
    X,
    around,
    conv,
    either,
    outer,
    sides,
    tiny,
    unet,
)
from space_testing import sample
from torch import nn

from optuna_nas.nn.supernets import DARTSSupernet
from optuna_nas.spaces import (
    CellSpace,
    DARTSSpace,
    MixtureError,
    NASBench201Space,
    choice,
    function_space,
    published,
)
from optuna_nas.testing import SupernetTestCase


class NestedCase(SupernetTestCase):
    num_samples = 2

    def inputs(self, space):
        return [X]


class TestEncoderOfUNet(NestedCase):
    @pytest.fixture
    def space(self):
        return unet


class TestSpacesOfTwoKinds(NestedCase):
    @pytest.fixture
    def space(self):
        return sides


class TestSpacesUnderAChoice(NestedCase):
    num_samples = 4

    @pytest.fixture
    def space(self):
        return either


class TestFunctionsWithinFunctions(NestedCase):
    @pytest.fixture
    def space(self):
        return outer


@pytest.mark.parametrize("space", RELAXED, ids=lambda space: space.name)
def test_it_is_the_supernet_of_the_space(space, monkeypatch):
    """Alphas, mixture, path, deriving and layout are those of the space, under its prefix."""
    monkeypatch.setitem(CALLED, "space", space)
    monkeypatch.setitem(CALLED, "arguments", RELAXED[space])
    torch.manual_seed(0)
    ours = around.supernet(num_classes=4).double().eval()
    theirs = space.supernet(num_classes=4, **RELAXED[space]).double().eval()
    theirs.network.load_state_dict(ours.network.network[1].network.state_dict())
    for name, alpha in theirs.alphas().items():
        alpha.data.copy_(ours.alphas()[name])
    assert ours.choices == theirs.choices
    assert ours.layout == theirs.layout
    stem = ours.network.network[0]
    x = X.double()
    torch.testing.assert_close(ours(x), theirs(stem(x)), rtol=0, atol=1e-12)
    assert ours.derive().params == theirs.derive().params
    for architecture in sample(around, 2):
        inner = space.architecture(architecture.params)
        torch.testing.assert_close(
            ours(x, architecture=architecture),
            theirs(stem(x), architecture=inner),
            rtol=0,
            atol=1e-12,
        )
        assert ours.chosen(architecture) == theirs.chosen(inner)


@pytest.mark.parametrize("space", DISCRETE, ids=lambda space: space.name)
def test_what_cannot_be_relaxed_says_so_once(space, monkeypatch):
    monkeypatch.setitem(CALLED, "space", space)
    monkeypatch.setitem(CALLED, "arguments", {})
    message = rf"{type(space).__name__}.* has no supernet.*FunctionSpace\(around\) cannot leave it"
    with pytest.raises(
        MixtureError, match=message + r".*supernet\(fixed=\{'p_\.\.\.': \.\.\.\}\)"
    ):
        around.supernet()
    architecture = sample(around, 1)[0]
    supernet = around.supernet(fixed=architecture.params)
    assert supernet.alphas() == {}
    assert supernet(X).shape == (2, 3)
    assert supernet.derive() == architecture
    name = next(iter(architecture.params))
    with pytest.raises(ValueError, match=f"`{name}` must be "):
        around.supernet(fixed={**architecture.params, name: "no"})


# Encoders with maps


def test_mixing_in_the_manner_of_darts():
    """A U-Net whose encoder is searched: alphas and weights both learn from the mixture."""
    torch.manual_seed(0)
    supernet = unet.supernet()
    encoder = supernet.network.network.encoder
    assert isinstance(encoder.network, DARTSSupernet)
    assert encoder.feature_info == sample(unet, 1)[0].build().encoder.feature_info
    target = X.expand(2, 2, 16, 16) > 0
    weights = torch.optim.SGD(supernet.weights().values(), lr=0.1)
    alphas = torch.optim.Adam(supernet.alphas().values(), lr=0.1)
    losses = []
    for step in range(6):
        loss = nn.functional.binary_cross_entropy_with_logits(supernet(X), target.float())
        losses.append(loss.item())
        weights.zero_grad()
        alphas.zero_grad()
        loss.backward()
        (alphas if step % 2 else weights).step()
    assert losses[-1] < losses[0]
    derived = supernet.derive()
    assert supernet(X, architecture=derived).shape == derived.build()(X).shape == (2, 2, 16, 16)


def test_a_path_touches_its_own_weights_alone():
    supernet = sides.supernet()
    one, other = sample(sides, 2, seed=3)
    touched = []
    for architecture in (one, other):
        supernet.zero_grad()
        supernet(X, architecture=architecture).square().sum().backward()
        touched.append({name for name, p in supernet.weights().items() if p.grad is not None})
    assert touched[0] != touched[1]
    assert all(alpha.grad is None for alpha in supernet.alphas().values())


def test_features_of_a_supernet_within():
    @function_space
    def headed(trial):
        body = NASBench201Space(prefix="a_")(trial, cells=1, channels=4, in_channels=1)
        return Headed(body)

    class Headed(nn.Module):
        def __init__(self, body):
            super().__init__()
            body.reset_classifier(5)
            self.body = body

        def forward(self, x):
            features = self.body.forward_features(x)
            assert features.shape[1] == self.body.num_features
            logits = self.body.forward_head(features)
            assert torch.equal(logits, self.body(x))
            return logits

    supernet = headed.supernet().eval()
    architecture = sample(headed, 1)[0]
    assert supernet.network.network.body.num_classes == 5
    assert architecture.build().eval()(X).shape == (2, 5)
    for reading in ({}, {"architecture": architecture}):
        assert supernet(X, **reading).shape == (2, 5)


def test_a_part_alone_has_no_weights():
    supernet = unet.supernet()
    with pytest.raises(
        RuntimeError, match=r"supernet of `enc_\.\.\.` is weighted by the one that"
    ):
        supernet.network.network.encoder(X)
    assert not hasattr(supernet.network.network.encoder, "no_such_attribute")
    copied = copy.deepcopy(supernet).eval()
    assert torch.equal(copied(X), supernet.eval()(X))


# Layouts


def test_the_layout_joins_those_of_the_spaces():
    layout = sides.supernet().layout
    names = list(layout.choices)
    front = [name for name in names if name.startswith("my_front_")]
    side = [name for name in names if name.startswith("my_side_")]
    own = ["my_head"]
    assert sorted(names) == sorted(front + side + own)
    cells = [set(cell) for cell in layout.cells]
    assert cells == [
        set(own),
        {name for name in front if "_normal_" in name},
        {name for name in front if "_reduce_" in name},
        set(side),
    ]
    assert {name for node in layout.nodes for name in node} == set(front)
    assert layout.skips == {"identity", "skip_connect"}
    assert not layout.edge_weights


def test_edge_normalisation_goes_along():
    @function_space
    def partial(trial):
        space = DARTSSpace(num_nodes=2, prefix="a_")
        return space(trial, **SIZE, partial=2, edge_normalisation=True)

    supernet = partial.supernet()
    assert supernet.layout.edge_weights == {
        f"a_{scope}_{node}_edges" for scope in ("normal", "reduce") for node in (2, 3)
    }
    assert supernet.derive().build()(X).shape == supernet(X).shape == (2, 10)


def test_layouts_that_do_not_agree():
    class Other(NASBench201Space):
        name = "other"

        def alpha_layout(self, choices):
            layout = super().alpha_layout(choices)
            return type(layout)(choices=choices, nodes=(tuple(choices),), edges_kept=1)

    @function_space
    def both(trial):
        other = Other(prefix="a_")(trial, cells=1, channels=4, in_channels=1, num_classes=0)
        return nn.ModuleList([other, DARTSSpace(num_nodes=1, prefix="b_")(trial, **SIZE)])

    with pytest.raises(
        ValueError, match=r"agree on how many edges .*edges_kept=\[1, 2\].*take one"
    ):
        both.supernet()


# What is fixed, and what only networks have


def test_some_decisions_may_be_fixed():
    supernet = sides.supernet(fixed={"my_side_op_1_from_0": "nor_conv_3x3", "my_head": "two"})
    names = set(supernet.alphas())
    assert not {"my_side_op_1_from_0", "my_head"} & names
    assert len([name for name in names if name.startswith("my_side_")]) == 5
    assert supernet.derive().params["my_side_op_1_from_0"] == "nor_conv_3x3"
    with pytest.raises(ValueError, match="`fixed` must be empty for DARTSSpace"):
        sides.supernet(fixed={"my_front_normal_2_op_a": "skip_connect"})
    with pytest.raises(ValueError, match=r"did not ask for \['my_nothing'\]"):
        sides.supernet(fixed={"my_nothing": 1})


def test_a_whole_cell_may_be_fixed():
    @function_space
    def fixed_encoder(trial):
        encoder = DARTSSpace(prefix="a_")(trial, **SIZE, num_classes=0)
        tails = {"skip": nn.Identity, "tanh": nn.Tanh}
        return nn.Sequential(encoder, choice(trial, "tail", tails))

    cell = {f"a_{name}": value for name, value in published.DARTS_V2.params.items()}
    supernet = fixed_encoder.supernet(fixed=cell)
    assert list(supernet.alphas()) == ["tail"]
    assert not isinstance(supernet.network.network[0], DARTSSupernet)
    derived = supernet.derive()
    assert derived.params == {**cell, "tail": derived.params["tail"]}
    assert supernet(X, architecture=derived).shape == (2, 64)


def test_arguments_of_networks_alone():
    @function_space
    def stemmed(trial, drop_path=0.0):
        return DARTSSpace(num_nodes=1, prefix="a_")(trial, **SIZE, drop_path=drop_path)

    assert stemmed.supernet()(X).shape == (2, 10)
    assert sample(stemmed, 1)[0].build(drop_path=0.2).drop_path == 0.2
    message = r"supernet of DARTSSpace.* cannot have \{'drop_path': 0\.2\}.*argument of your func"
    with pytest.raises(ValueError, match=message):
        stemmed.supernet(drop_path=0.2)


@pytest.mark.parametrize("first", [True, False])
def test_alphas_of_the_function_itself_with_the_same_name(first):
    @function_space
    def clash(trial):
        def own():
            kinds = {"a": nn.Identity, "b": nn.Tanh}
            return choice(trial, "normal_2_from_0", kinds)

        parts = [own] if first else []
        parts.append(lambda: DARTSSpace(num_nodes=1)(trial, **SIZE))
        return nn.Sequential(*(part() for part in [*parts, own]))

    with pytest.raises(ValueError, match="`normal_2_from_0` is an alpha of .* itself and of a sp"):
        clash.supernet()


def test_maps_of_candidates_are_mixed_one_by_one():
    """A choice between two encoders, which give lists of maps."""

    class Thin(nn.Module):
        def __init__(self, encoder):
            super().__init__()
            self.encoder = encoder

        def forward(self, x):
            return [m[:, :4] for m in self.encoder(x)]

    @function_space
    def encoders(trial):
        one = DARTSSpace(num_nodes=1, prefix="one_")
        two = DARTSSpace(num_nodes=2, prefix="two_")
        kinds = {
            space.prefix: lambda space=space: Thin(space(trial, **SIZE, features_only=True))
            for space in (one, two)
        }
        return choice(trial, "kind", kinds)

    supernet = encoders.supernet().eval()
    a, b = (supernet(X, mixture=weigh(supernet, "kind", i)) for i in (0, 1))
    mixed = supernet(X)
    weights = supernet.mixture()["kind"]
    assert [m.shape[1] for m in mixed] == [4, 4, 4]
    for one, other, both in zip(a, b, mixed, strict=True):
        torch.testing.assert_close(both, weights[0] * one + weights[1] * other)


def weigh(supernet, name, index):
    weights = {n: w.detach() for n, w in supernet.mixture().items()}
    return {**weights, name: torch.eye(len(weights[name]))[index]}


def test_spaces_of_ones_own_operations():
    space = CellSpace(ops={"conv": conv, "skip": "identity"}, num_blocks=1, prefix="a_")

    @function_space
    def own(trial):
        return space(trial, cells=1, channels=4, in_channels=1, dropout=0.0)

    supernet = own.supernet()
    assert re.fullmatch("a_normal_2_input_a", next(iter(supernet.alphas())))
    assert supernet.derive().build()(X).shape == supernet(X).shape


def test_a_space_may_be_in_a_small_function_too():
    assert tiny.supernet()(X).shape == (2, 3)
