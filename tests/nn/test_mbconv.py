"""Blocks of mobile networks, MnasNet's assembly and ENAS's macro network."""

import pytest
import torch
from torch import nn

from optuna_nas.nn import (
    ConvBlock,
    ConvNormAct,
    DropPath,
    MBConv,
    SqueezeExcite,
    Stage,
    scaled_channels,
    set_drop_path,
)
from optuna_nas.nn.networks import ENASMacroNetwork, MnasNetwork
from optuna_nas.nn.ops import ShortcutBlock

X = torch.linspace(-1, 1, 2 * 4 * 7 * 6).sin().reshape(2, 4, 7, 6)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("channels", "width", "scaled"),
    [
        (32, 1.2, 40),
        (24, 1.1, 24),
        (40, 1.1, 48),
        (16, 1.1, 16),
        (320, 1.1, 352),
        (32, 0.35, 16),  # 11.2 would be rounded to 8, more than 10 % less
        (3, 0.1, 8),
        (18, 1.0, 18),
    ],
)
def test_scaled_channels(channels, width, scaled):
    """Facts of specs/efficientnet.md, and the two edges of the rule."""
    assert scaled_channels(channels, width) == scaled


def test_width_must_be_positive():
    with pytest.raises(ValueError, match="`width` must be .* above 0 and at most 1000, but got"):
        scaled_channels(8, 0)


def test_squeeze_excite():
    gate = SqueezeExcite(4, 1, act=nn.SiLU)
    mean = X.mean((2, 3))
    hidden = nn.functional.silu(mean @ gate.reduce.weight[:, :, 0, 0].T + gate.reduce.bias)
    weights = (hidden @ gate.expand.weight[:, :, 0, 0].T + gate.expand.bias).sigmoid()
    assert torch.allclose(gate(X), X * weights[:, :, None, None], atol=1e-6)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("expansion", [1, 3, 6])
@pytest.mark.parametrize("se_ratio", [0.0, 0.25])
def test_mbconv_shapes_and_parameters(stride, kernel, expansion, se_ratio):
    block = MBConv(4, 8, kernel, expansion=expansion, stride=stride, se_ratio=se_ratio)
    assert block(X).shape == ((2, 8, 7, 6) if stride == 1 else (2, 8, 4, 3))
    wide = 4 * expansion
    expected = wide * kernel**2 + 2 * wide + wide * 8 + 16
    expected += (4 * wide + 2 * wide) * (expansion > 1)
    expected += (2 * wide + wide + 1) * (se_ratio > 0)
    assert count(block) == expected


def test_the_projection_is_linear():
    assert MBConv(4, 8, 3)(X).min() < 0
    assert ConvBlock(4, 8, 3)(X).min() >= 0


@pytest.mark.parametrize("skip", ["identity", "pool", "none"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("block", [MBConv, ConvBlock])
def test_shortcuts(skip, stride, block):
    layer = block(4, 4, 3, stride=stride, skip=skip).eval()
    added = layer(X) - layer.body(X)
    if skip == "pool":
        ones = layer.shortcut(torch.ones_like(X))
        assert torch.allclose(ones, torch.ones_like(ones))
        assert torch.allclose(added, layer.shortcut(X), atol=1e-6)
    elif skip == "identity" and stride == 1:
        assert torch.allclose(added, X, atol=1e-6)
    else:
        assert not added.any()


@pytest.mark.parametrize("skip", ["identity", "pool"])
def test_no_shortcut_between_unequal_channels(skip):
    layer = MBConv(4, 5, 3, skip=skip).eval()
    assert torch.equal(layer(X), layer.body(X))


def test_unknown_shortcut():
    with pytest.raises(ValueError, match="`skip` must be one of .* but got skip='add'"):
        ShortcutBlock(nn.Identity(), 4, 4, skip="add")


def test_stochastic_depth():
    layer = MBConv(4, 4, 3, drop_prob=1.0)
    assert torch.equal(layer(X), X)
    assert not torch.equal(layer.eval()(X), X)
    scaled = MBConv(4, 4, 3, drop_scale=0.5)
    set_drop_path(scaled, 0.2)
    assert [m.drop_prob for m in scaled.modules() if isinstance(m, DropPath)] == [0.1]


def test_conv_norm_act_takes_groups_and_activations():
    op = ConvNormAct(4, 8, (3, 3), groups=4, act=nn.SiLU)
    assert op[0].weight.shape == (8, 1, 3, 3)
    assert torch.allclose(op.eval()(X), nn.functional.silu(op[1](op[0](X))))


# MnasNet


def mnas(stages, **options):
    defaults = dict(
        stem=8, head=16, num_classes=3, in_channels=4, width=1.0, dropout=0.2, bn_momentum=0.01
    )
    return MnasNetwork(stages, **(defaults | options))


def test_only_the_first_layer_of_a_stage_has_its_stride():
    network = mnas([Stage("mbconv3", 5, 2, 0.25, "identity", 16, 3)])
    strides = [layer.body[1][0].stride for layer in network.stages[0]]
    assert strides == [(2, 2), (1, 1), (1, 1)]
    assert [layer.shortcut is not None for layer in network.stages[0]] == [False, True, True]


def test_settings_of_the_release():
    network = mnas([Stage("sep_conv", 3, 1, 0.0, "none", 8, 1)], dropout=0.3, bn_momentum=0.1)
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(m.eps, m.momentum) for m in norms} == {(1e-3, 0.1)}
    assert network.head.dropout.p == 0.3


def test_width_leaves_the_head_alone():
    network = mnas([Stage("conv", 3, 1, 0.0, "none", 40, 1)], width=0.5)
    assert network.stem[0].out_channels == 8
    assert network.features[0].in_channels == 24
    assert network.features[0].out_channels == 16


def test_one_pixel_is_enough():
    stages = [Stage("mbconv3", 5, 2, 0.25, "pool", 8, 2)] * 2
    assert mnas(stages).eval()(X[:, :, :1, :1]).shape == (2, 3)


# ENAS macro


def macro(layers, **options):
    defaults = dict(num_classes=3, in_channels=4, channels=6, dropout=0.0)
    return ENASMacroNetwork(layers, **(defaults | options)).eval()


def test_macro_network_by_hand():
    network = macro(
        [
            ("conv_3x3", ()),
            ("sep_conv_5x5", (0,)),
            ("max_pool_3x3", (1, 2)),
            ("avg_pool_3x3", (0, 3)),
        ]
    )
    ops, joins, first, second = network.ops, network.joins, *network.reductions.values()
    s0 = network.stem(X)
    s1 = ops[0](s0)
    s0, s1 = first[0](s0), first[1](s1)  # four layers: halved after layers 1 and 2
    s2 = joins[1](torch.cat([s0, ops[1](s1)], dim=1))
    s0, s1, s2 = second[0](s0), second[1](s1), second[2](s2)
    assert s2.shape == (2, 24, 2, 2)
    s3 = joins[2](torch.cat([s1, s2, ops[2](s2)], dim=1))
    s4 = joins[3](torch.cat([s0, s3, ops[3](s3)], dim=1))
    assert torch.allclose(network(X), network.head(s4), atol=1e-6)
    assert network.head.fc.bias is None


@pytest.mark.parametrize(
    ("depth", "halved"), [(1, []), (2, []), (3, ["1", "2"]), (12, ["4", "8"]), (25, ["8", "16"])]
)
def test_macro_reductions(depth, halved):
    network = macro([("avg_pool_3x3", ())] * depth)
    assert list(network.reductions) == halved
    assert network(X[:, :, :1, :1]).shape == (2, 3)


def test_unread_states_are_not_reduced():
    network = macro([("conv_3x3", ()), ("conv_3x3", ()), ("conv_3x3", ())])
    network(X).sum().backward()
    used = [[r.norm.weight.grad is not None for r in rs] for rs in network.reductions.values()]
    assert used == [[False, True], [False, False, True]]


def test_number_of_classes():
    with pytest.raises(
        ValueError, match="`num_classes` must be at least 0, but got num_classes=-"
    ):
        macro([("conv_3x3", ())], num_classes=-1)


@pytest.mark.parametrize("name", ["in_channels", "channels"])
def test_positive(name):
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1"):
        macro([("conv_3x3", ())], **{name: 0})
