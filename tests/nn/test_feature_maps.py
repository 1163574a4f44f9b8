"""Feature maps, pooled features and another classifier of all networks."""

import copy

import pytest
import torch
from torch import nn

from optuna_nas.nn.networks import ConcatChain, FeatureInfo, FeatureMap
from optuna_nas.scaling import EfficientNet, MobileNetV2, ResNet, ResNetRS
from optuna_nas.spaces import NASRLSpace, published

X = torch.linspace(-1, 1, 2 * 3 * 32 * 32).sin().reshape(2, 3, 32, 32)
CELLS = {"cells": 1, "channels": 8}
SMALL = {"width": 0.25, "depth": 0.2, "resolution": 32}

BUILDS = {
    "nasnet": (published.NASNET_A, CELLS),
    "nasnet on imagenet": (published.NASNET_A, {**CELLS, "stem": "imagenet"}),
    "pnas": (published.PNASNET_5, CELLS),
    "darts": (published.DARTS_V2, {"cells": 3, "channels": 4}),
    "darts on imagenet": (published.DARTS_V2, {"cells": 3, "channels": 4, "stem": "imagenet"}),
    "enas micro": (published.ENAS_MICRO, {"cells": 2, "channels": 4}),
    "enas macro": (published.ENAS_MACRO, {"channels": 4}),
    "nasbench201": (published.NASBENCH201_RESNET, {"cells": 1, "channels": 4}),
    "nas-rl": (NASRLSpace(num_layers=2).parse("3x3@24 | 1x3@24"), {}),
    "mnasnet": (published.MNASNET_A1, {"width": 0.25}),
    "efficientnet": (EfficientNet(**SMALL), {}),
    "mobilenet": (MobileNetV2(**SMALL), {}),
    "resnet": (ResNet(width=0.1, resolution=32, blocks=(1, 1, 1, 1)), {}),
    "resnet on cifar": (ResNet(width=0.1, resolution=32, stem="cifar", blocks=(1,) * 4), {}),
    "resnet-rs": (ResNetRS(width=0.1, depth=26, resolution=32), {}),
}


@pytest.fixture(params=BUILDS)
def build(request):
    """Build a network with further arguments, always of the same weights."""
    source, arguments = BUILDS[request.param]

    def make(**more):
        torch.manual_seed(0)
        return source.build(**{"num_classes": 5, **arguments, **more}).eval()

    return make


@torch.no_grad()
def test_a_network_is_its_features_and_its_head(build):
    model = build()
    features = model.forward_features(X)
    assert features.shape[:2] == (2, model.num_features)
    assert torch.equal(model.forward_head(features), model(X))
    pooled = model.forward_head(features, pre_logits=True)
    assert torch.equal(pooled, features.mean((2, 3), keepdim=True).flatten(1))
    assert torch.equal(model.get_classifier()(pooled), model(X))
    assert model.num_classes == 5


@torch.no_grad()
def test_no_classes_give_pooled_features(build):
    model, bare = build(), build(num_classes=0)
    expected = model.forward_head(model.forward_features(X), pre_logits=True)
    assert torch.equal(bare(X), expected)
    assert bare(X).shape == (2, bare.num_features)
    ours, theirs = model.state_dict(), bare.state_dict()
    assert ours.keys() - theirs.keys() <= {"head.fc.weight", "head.fc.bias"}
    assert theirs.keys() < ours.keys()


@torch.no_grad()
def test_maps_are_those_of_the_modules_that_are_named(build):
    """The hooks see what the network gives, so names, channels and order are right."""
    model, maps_of = build(), build(features_only=True)
    assert maps_of.load_state_dict(model.state_dict(), strict=False).missing_keys == []
    seen = {}
    for name in model.feature_info.module_name():
        if name == "head":  # what it reads
            model.head.register_forward_pre_hook(lambda _, x: seen.update(head=x[0]))
        else:
            module = model.get_submodule(name)
            module.register_forward_hook(lambda *a, name=name: seen.update({name: a[-1].clone()}))
    model(X)
    maps = maps_of(X)
    assert isinstance(maps, list)
    assert len(maps) == len(maps_of.feature_info) == len(seen)
    for found, info in zip(maps, maps_of.feature_info, strict=True):
        assert torch.equal(found, model.head.act(seen[info.module])), info
        assert found.shape[1] == info.channels
        # The stems of NASNet for ImageNet are not padded, and lose a pixel.
        assert 0 <= -(-32 // info.reduction) - found.shape[2] <= (info.module == "stem.0")


@pytest.mark.parametrize("architecture", [published.DARTS_V2, published.NASNET_A])
def test_stems_for_imagenet_give_the_maps_of_half_the_size_too(architecture):
    model = architecture.build(cells=3, channels=8, stem="imagenet", features_only=True)
    assert model.feature_info.reduction() == [2, 4, 8, 16, 32]


@torch.no_grad()
def test_there_is_one_map_of_each_resolution(build):
    model = build(features_only=True)
    reductions = model.feature_info.reduction()
    assert reductions == sorted(set(reductions))
    assert model.feature_info.channels() == [info.channels for info in model.feature_info]
    assert torch.equal(model(X)[-1], model.forward_features(X))
    assert model.num_features == model.feature_info[-1].channels


def test_every_weight_takes_part_in_the_maps(build):
    """So that distributed training does not wait for gradients that never come."""
    model = build(features_only=True).train()
    sum(one.square().sum() for one in model(X)).backward()
    spared = {name for name, p in model.named_parameters() if p.grad is None}
    assert not {name for name in spared if "reductions" not in name}  # of unread ENAS states
    assert not {name for name in model.state_dict() if name.startswith("head.")}


@torch.no_grad()
def test_another_classifier(build):
    model = build()
    before = model.forward_features(X)
    state = {k: v.clone() for k, v in model.state_dict().items() if not k.startswith("head.fc")}
    bias = model.head.fc.bias is not None
    model.reset_classifier(7)
    assert model(X).shape == (2, 7)
    assert model.num_classes == 7
    assert (model.head.fc.bias is not None) == bias
    assert torch.equal(model.forward_features(X), before)
    assert all(torch.equal(v, model.state_dict()[k]) for k, v in state.items())
    model.reset_classifier(0)
    assert model(X).shape == (2, model.num_features)
    assert isinstance(model.get_classifier(), nn.Identity)
    model.double().reset_classifier(3)
    assert model(X.double()).dtype == torch.float64
    with pytest.raises(ValueError, match="`num_classes` must be at least 0, but got num_classes"):
        model.reset_classifier(-1)


def test_a_head_of_ones_own(build):
    model = build()
    model.head.fc = nn.Sequential(nn.Linear(model.num_features, 4), nn.Tanh())
    assert model(X).shape == (2, 4)
    assert model(X).abs().max() <= 1


def test_maps_have_no_classifier_to_reset(build):
    with pytest.raises(ValueError, match="`reset_classifier` needs .* features_only=True: build"):
        build(features_only=True).reset_classifier(3)


def test_a_reset_classifier_is_where_the_network_is():
    with torch.device("meta"):
        model = published.DARTS_V2.build(cells=3, channels=4)
    model.reset_classifier(3)
    assert model.head.fc.weight.is_meta


# Auxiliary heads


@pytest.fixture
def with_auxiliary():
    return published.DARTS_V2.build(cells=3, channels=4, auxiliary=True, num_classes=5)


def test_an_auxiliary_head_is_reset_too(with_auxiliary):
    with_auxiliary.reset_classifier(7)
    assert [logits.shape for logits in with_auxiliary(X)] == [(2, 7), (2, 7)]
    with_auxiliary.reset_classifier(0)
    assert [features.shape for features in with_auxiliary(X)] == [(2, 64), (2, 768)]


def test_features_leave_the_auxiliary_head_out(with_auxiliary):
    assert with_auxiliary.forward_features(X).shape == (2, 64, 8, 8)
    logits, _ = copy.deepcopy(with_auxiliary)(X)
    assert torch.equal(with_auxiliary.forward_head(with_auxiliary.forward_features(X)), logits)


@pytest.mark.parametrize("architecture", [published.DARTS_V2, published.NASNET_A])
def test_maps_and_an_auxiliary_head_do_not_go_together(architecture):
    with pytest.raises(ValueError, match="`auxiliary` must be False with features_only=True, whi"):
        architecture.build(features_only=True, auxiliary=True)


# Chains whose strides differ in height and width


def chain(layers, inputs, **options):
    return ConcatChain(
        layers, inputs, num_classes=3, in_channels=3, features_only=True, **options
    ).eval()


@torch.no_grad()
def test_strides_of_two_directions():
    layers = [((3, 3), (2, 1), 4), ((3, 3), (1, 2), 5), ((1, 1), (1, 1), 6)]
    model = chain(layers, [(0,), (0,), (1, 2), (3,)])
    assert model.feature_info == (
        FeatureMap(6, 1, "head"),  # smaller maps are padded to the larger
        FeatureMap(5, (1, 2), "layers.1"),
        FeatureMap(4, (2, 1), "layers.0"),
    )
    assert [tuple(x.shape[1:]) for x in model(X)] == [(6, 32, 32), (5, 32, 16), (4, 16, 32)]


@torch.no_grad()
def test_pools_between_layers():
    layers = [((3, 3), (1, 1), 4), ((3, 3), (1, 1), 5), ((3, 3), (1, 1), 6)]
    model = chain(layers, [(0,), (1,), (0, 2), (1, 3)], pool_after=(1, 2))
    assert model.feature_info.reduction() == [1, 2, 4]
    assert model.feature_info.channels() == [4, 5, 10]
    assert [x.shape[2] for x in model(X)] == [32, 16, 8]


def test_info_takes_the_last_of_each():
    maps = [FeatureMap(1, 4, "a"), FeatureMap(2, 1, "b"), FeatureMap(3, 4, "c")]
    assert FeatureInfo.last_of_each(maps) == (maps[1], maps[2])
