"""Feature maps, pooled features and another classifier of supernets."""

import pytest
import torch
from choice_examples import FIXED, chain
from space_testing import sample
from torch import nn

from optuna_nas.spaces import (
    DARTSSpace,
    ENASMacroSpace,
    ENASMicroSpace,
    NASBench201Space,
    NASNetSpace,
)

X = torch.linspace(-1, 1, 2 * 3 * 8 * 8).sin().reshape(2, 3, 8, 8)
CELLS = {"cells": 1, "channels": 4}
SPACES = {
    DARTSSpace(num_nodes=2): {"cells": 3, "channels": 4},
    ENASMicroSpace(num_blocks=2): {"cells": 2, "channels": 4, "dropout": 0.0},
    NASNetSpace(num_blocks=2): {"cells": 2, "channels": 4, "dropout": 0.0},
    NASBench201Space(): CELLS,
    ENASMacroSpace(num_layers=3): {"channels": 4, "dropout": 0.0},
}


@pytest.fixture(params=SPACES, ids=lambda space: space.name)
def space(request):
    return request.param


@pytest.fixture
def make(space):
    def supernet(**more):
        torch.manual_seed(0)
        return space.supernet(**{"num_classes": 5, **SPACES[space], **more}).eval()

    return supernet


def readings(supernet, space):
    """The mixture, and one path."""
    return {}, {"architecture": sample(space, 1, seed=1)[0]}


@torch.no_grad()
def test_a_supernet_is_its_features_and_its_head(space, make):
    supernet, bare = make(), make(num_classes=0)
    assert bare.load_state_dict(supernet.state_dict(), strict=False).missing_keys == []
    for reading in readings(supernet, space):
        features = supernet.forward_features(X, **reading)
        assert features.shape[1] == supernet.num_features
        assert torch.equal(supernet.forward_head(features), supernet(X, **reading))
        pooled = supernet.forward_head(features, pre_logits=True)
        assert torch.equal(bare(X, **reading), pooled)
    weights = {"mixture": {name: a.sigmoid() for name, a in supernet.alphas().items()}}
    features = supernet.forward_features(X, **weights)
    assert torch.equal(supernet.forward_head(features), supernet(X, **weights))


@torch.no_grad()
def test_maps_of_the_mixture_and_of_a_path(space, make):
    supernet, whole = make(features_only=True), make()
    missing, _ = supernet.load_state_dict(whole.state_dict(), strict=False)
    assert missing == []
    assert supernet.feature_info.reduction() == [1, 2, 4]
    for reading in readings(supernet, space):
        maps = supernet(X, **reading)
        assert [tuple(m.shape) for m in maps] == [
            (2, info.channels, 8 // info.reduction, 8 // info.reduction)
            for info in supernet.feature_info
        ]
        assert torch.equal(maps[-1], whole.forward_features(X, **reading))
        for found, info in zip(maps, supernet.feature_info, strict=True):
            made = output_of(whole, info.module, reading)
            assert torch.equal(found, whole.network.head.act(made)), info


def output_of(supernet, name, reading):
    """Run a supernet and return what the module of that name gives."""
    seen = []
    network = getattr(supernet.network, "skeleton", supernet.network)
    hook = network.get_submodule(name).register_forward_hook(lambda *a: seen.append(a[-1].clone()))
    supernet(X, **reading)
    hook.remove()
    return seen[0]


@pytest.mark.parametrize("space", [DARTSSpace(num_nodes=2), NASBench201Space()])
def test_maps_have_the_channels_that_networks_have(space):
    """Other searches have other channels than their final networks."""
    sizes = {**SPACES[space], "features_only": True}
    built = sample(space, 1)[0].build(**sizes)
    supernet = space.supernet(**sizes)
    for ours, theirs in zip(supernet.feature_info, built.feature_info, strict=True):
        assert ours[:2] == theirs[:2]


def test_gradients_of_maps(make):
    """Nothing is changed in place that a map needs."""
    supernet = make(features_only=True).train()
    maps = supernet(X)
    before = [one.detach().clone() for one in maps]
    torch.stack([one.square().mean() for one in maps]).sum().backward()
    assert all(torch.equal(one, old) for one, old in zip(maps, before, strict=True))
    assert all(alpha.grad is not None for alpha in supernet.alphas().values())


def test_another_classifier(make):
    supernet = make()
    supernet.reset_classifier(7)
    assert supernet(X).shape == (2, 7)
    parts = [*supernet.weights().values(), *supernet.alphas().values()]
    assert {id(p) for p in parts} == {id(p) for p in supernet.parameters()}
    supernet.reset_classifier(0)
    assert supernet(X).shape == (2, supernet.num_features)


def test_an_auxiliary_head_and_maps_do_not_go_together():
    space = ENASMicroSpace(num_blocks=1)
    with pytest.raises(ValueError, match="`auxiliary` must be False with features_only=True, whi"):
        space.supernet(auxiliary=True, features_only=True)
    supernet = space.supernet(cells=1, channels=4, auxiliary=True, num_classes=0)
    assert [one.shape[1] for one in supernet(X)] == [supernet.num_features, 768]


def test_a_function_says_itself_what_it_returns():
    supernet = chain.supernet(fixed=FIXED)
    assert not hasattr(supernet, "num_features")
    assert not hasattr(supernet, "feature_info")
    with pytest.raises(TypeError, match=r"supernet of FunctionSpace\(chain\) has no head and no"):
        supernet.forward_features(X)
    with pytest.raises(TypeError, match=r"has no head .* call supernet\(\.\.\.\) for what"):
        supernet.reset_classifier(3)
    assert isinstance(supernet.network, nn.Module)
