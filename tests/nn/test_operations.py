"""The operations by name: their sizes, their padding and what families change."""

import pickle
from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from optuna_nas.nn import ConvNormAct, FactorizedReduction, avg_pool, make_op
from optuna_nas.nn.ops._operations import FAMILIES, OPS
from optuna_nas.nn.ops._same import (
    SameConv2d,
    SamePool2d,
    SubsampledConv2d,
    conv2d,
    pool2d,
    same_padding,
)

X = torch.linspace(-3, 3, 2 * 4 * 8 * 6).sin().reshape(2, 4, 8, 6)


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", OPS)
def test_every_operation_has_the_right_shape(name, family):
    for in_channels, stride in [(4, 1), (4, 2), (6, 1), (6, 2)]:
        op = make_op(name, 4, stride=stride, in_channels=in_channels, family=family)
        for height, width in [(8, 6), (4, 10), (2, 2)]:
            x = torch.rand(2, in_channels, height, width)
            assert op(x).shape == (2, 4, height // stride, width // stride)


@pytest.mark.parametrize("family", ["nasnet", "amoebanet", "enas"])
@pytest.mark.parametrize("name", OPS)
def test_odd_sizes_are_rounded_up(name, family):
    op = make_op(name, 4, stride=2, in_channels=4, family=family)
    assert op(torch.rand(2, 4, 7, 3)).shape == (2, 4, 4, 2)
    assert op(torch.rand(2, 4, 1, 1)).shape == (2, 4, 1, 1)


@pytest.mark.parametrize(
    ("name", "stride", "affine", "plain"),
    [
        ("none", 2, 0, 0),
        ("max_pool_3x3", 2, 0, 0),
        ("avg_pool_3x3", 1, 0, 0),
        ("skip_connect", 1, 0, 0),
        ("skip_connect", 2, 288, 256),
        ("sep_conv_3x3", 1, 864, 800),
        ("sep_conv_5x5", 2, 1376, 1312),
        ("sep_conv_7x7", 1, 2144, 2080),
        ("dil_conv_3x3", 1, 432, 400),
        ("dil_conv_5x5", 2, 688, 656),
        ("conv_7x1_1x7", 2, 3616, 3584),
        ("conv_1x7_7x1", 1, 3616, 3584),
    ],
)
def test_sizes_of_darts(name, stride, affine, plain):
    assert count(make_op(name, 16, stride=stride, in_channels=16)) == affine
    assert count(make_op(name, 16, stride=stride, in_channels=16, affine=False)) == plain


@pytest.mark.parametrize(
    ("name", "family", "parameters"),
    [
        ("conv_1x1", "nasnet", 16 * 16 + 32),
        ("conv_3x3", "nasnet", 9 * 16 * 16 + 32),
        ("dil_conv_3x3", "nasnet", 9 * 16 * 16 + 32),
        ("conv_1x7_7x1", "nasnet", 2 * (7 * 16 * 16 + 32)),
        ("conv_1x3_3x1", "nasnet", 2 * (3 * 16 * 16 + 32)),
        ("conv_7x1_1x7", "nasnet", 2 * 7 * 16 * 16 + 32),
        ("conv_1x7_7x1", "amoebanet", 64 + 8 + 2 * (7 * 16 + 8) + 64 + 32),
        ("conv_1x3_3x1", "amoebanet", 96 + 12 + 2 * (3 * 36 + 12) + 96 + 32),
        ("conv_3x3", "amoebanet", 64 + 8 + (9 * 16 + 8) + 64 + 32),
        ("conv_1x1", "amoebanet", 16 * 16 + 32),
        ("dil_conv_3x3", "amoebanet", 864),
        ("sep_conv_3x3", "enas", 864),
    ],
)
def test_sizes_of_the_other_families(name, family, parameters):
    assert count(make_op(name, 16, in_channels=16, family=family)) == parameters


def test_a_bottleneck_of_no_channels_is_left_out():
    op = make_op("conv_1x7_7x1", 2, in_channels=2, family="amoebanet")
    assert count(op) == 2 * (7 * 4 + 4)


def test_none_is_zero_and_identity_is_itself():
    assert torch.equal(make_op("none", 4, in_channels=4)(X), torch.zeros_like(X))
    assert make_op("identity", 4, in_channels=4)(X) is X
    assert isinstance(make_op("skip_connect", 4, in_channels=4, stride=2), FactorizedReduction)


def test_identity_of_stride_two_differs_between_families():
    nasnet = make_op("identity", 4, in_channels=4, stride=2, family="nasnet").eval()
    first = torch.zeros_like(X)
    first[:, :, ::2, ::2] = X[:, :, ::2, ::2]
    assert torch.equal(nasnet(first), nasnet(X))  # a strided 1x1 sees a quarter of the pixels
    darts = make_op("identity", 4, in_channels=4, stride=2).eval()
    assert not torch.equal(darts(first), darts(X))
    assert torch.equal(darts(X.relu()), darts(X))
    enas = make_op("identity", 4, in_channels=4, stride=2, family="enas").eval()
    assert not torch.equal(enas(X.relu()), enas(X))  # no ReLU in the release


def test_a_pool_projects_only_where_the_channels_differ():
    assert not list(make_op("max_pool_3x3", 4, in_channels=4, family="nasnet").parameters())
    op = make_op("max_pool_3x3", 4, in_channels=6, family="nasnet")
    assert [type(m) for m in op[1:]] == [nn.Conv2d, nn.BatchNorm2d]
    op = make_op("max_pool_3x3", 4, in_channels=6, family="enas")
    assert [type(m) for m in op[1:]] == [nn.ReLU, nn.Conv2d, nn.BatchNorm2d]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_separable_convolution_is_applied_twice_and_strided_once(family):
    op = make_op("sep_conv_5x5", 4, in_channels=6, stride=2, family=family)
    convs = [m for m in op.modules() if isinstance(m, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.groups, c.stride[0]) for c in convs] == [
        (6, 6, 6, 2),
        (6, 4, 1, 1),
        (4, 4, 4, 1),
        (4, 4, 1, 1),
    ]


def test_the_factorised_reduction_reads_every_pixel():
    for padded in (True, False):
        op = FactorizedReduction(4, 5, act=False, padded=padded).eval()
        with torch.no_grad():
            for conv in (op.conv1, op.conv2):
                conv.weight.fill_(1.0)
        scale = (1 + op.norm.eps) ** -0.5
        x = torch.arange(24.0).reshape(1, 1, 4, 6).repeat(1, 4, 1, 1)
        out = op(x)
        assert torch.allclose(out[:, :3], (4 * scale * x[:, :1, ::2, ::2]).expand(1, 3, 2, 3))
        assert torch.allclose(out[:, 3:], (4 * scale * x[:, :1, 1::2, 1::2]).expand(1, 2, 2, 3))


def test_a_factorised_reduction_names_what_it_cannot_do():
    op = FactorizedReduction(4, 4, padded=False)
    with pytest.raises(ValueError, match=r"even height and width only.*7x6.*family='nasnet'"):
        op(torch.zeros(2, 4, 7, 6))
    with pytest.raises(ValueError, match="at least 2, one for each path.*out_channels=1"):
        FactorizedReduction(4, 1)


def test_same_padding_is_tensorflows():
    # tf.nn: pad_total = max((ceil(n / s) - 1) * s + (k - 1) * d + 1 - n, 0), the smaller half
    # first
    assert same_padding(8, 3, 2) == (0, 1)
    assert same_padding(7, 3, 2) == (1, 1)
    assert same_padding(8, 7, 2) == (2, 3)
    assert same_padding(8, 2, 1) == (0, 1)
    assert same_padding(8, 3, 1, 2) == (2, 2)
    assert same_padding(1, 1, 2) == (0, 0)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
@pytest.mark.parametrize(("kernel_size", "stride"), [(2, 1), (2, 2), (3, 2), (5, 2), (7, 2)])
def test_same_pools_count_no_padding(size, kernel_size, stride):
    x = torch.linspace(-5, -1, size).reshape(1, 1, 1, size).expand(1, 1, size, size)
    before, _ = same_padding(size, kernel_size, stride)
    starts = range(-before, -before + stride * -(-size // stride), stride)
    windows = [x[0, 0, 0, max(s, 0) : s + kernel_size] for s in starts]
    for kind, reduce in [("avg", torch.mean), ("max", torch.amax)]:
        row = torch.stack([reduce(window) for window in windows])
        pool = SamePool2d(kind, kernel_size, stride=stride)
        assert torch.allclose(pool(x), row.expand(1, 1, len(row), len(row)), atol=1e-6)
        assert kind in repr(pool)


def test_same_convolution_pads_below_and_on_the_right():
    conv = conv2d(4, 4, 3, stride=2, same=True)
    assert isinstance(conv, SameConv2d)
    expected = F.conv2d(F.pad(X, (0, 1, 0, 1)), conv.weight, stride=2)
    assert torch.allclose(conv(X), expected)
    plain = conv2d(4, 4, 3, stride=2)
    assert torch.allclose(plain(X), F.conv2d(X, plain.weight, stride=2, padding=1))
    assert not isinstance(conv2d(4, 4, 1, stride=2, same=True), SameConv2d)  # nothing to pad


def test_a_convolution_may_leave_the_map_unpadded():
    conv = conv2d(4, 4, 3, stride=2, padded=False)
    torch.testing.assert_close(conv(X), F.conv2d(X, conv.weight, stride=2))


def test_a_strided_1x1_convolution_never_calls_torchs_own():
    """Its backward pass, in channels_last, overwrites foreign memory (torch 2.14)."""
    assert isinstance(ConvNormAct(4, 6, (1, 1), stride=(2, 2))[0], SubsampledConv2d)
    conv = conv2d(4, 6, 1, stride=2)
    assert isinstance(conv, SubsampledConv2d)
    torch.testing.assert_close(conv(X), F.conv2d(X, conv.weight, stride=2))
    x = X.contiguous(memory_format=torch.channels_last).requires_grad_()
    conv(x).square().sum().backward()
    y = X.clone().requires_grad_()
    F.conv2d(y, conv.weight, stride=2).square().sum().backward()
    torch.testing.assert_close(x.grad, y.grad)


def test_symmetric_pools_do_not_count_the_padding():
    ones = torch.ones(1, 1, 5, 5)
    assert torch.equal(pool2d("avg", 3, stride=2)(ones), torch.ones(1, 1, 3, 3))
    assert torch.equal(pool2d("max", 3, stride=2)(-ones), -torch.ones(1, 1, 3, 3))
    assert torch.equal(avg_pool(3)(ones), ones)


def test_unknown_names_are_named():
    with pytest.raises(ValueError, match='`name` must be one of "none", .*"conv_3x3".*=.sep_conv'):
        make_op("sep_conv", 4)
    with pytest.raises(ValueError, match="`family` must be one of .*nasnet.*family='pnas'"):
        make_op("none", 4, family="pnas")
    with pytest.raises(ValueError, match="`stride` must be at most 2, but got stride=3"):
        make_op("none", 4, stride=3)
    with pytest.raises(ValueError, match="`channels` must be at least 1"):
        make_op("none", 0)
    with pytest.raises(ValueError, match="`in_channels` must be at least 1"):
        make_op("none", 4, in_channels=0)


@pytest.mark.parametrize("name", OPS)
def test_without_in_channels_the_first_input_decides(name):
    for channels in (3, 4):
        torch.manual_seed(0)
        op = make_op(name, channels, stride=2)
        held = list(op.parameters())
        assert repr(op) == f"LazyOp({name}, in_channels=of the first input)"
        out = pickle.loads(pickle.dumps(deepcopy(op)))(X)
        assert op(X).shape == out.shape == (2, channels, 4, 3)
        finished = list(op.parameters())
        assert all(any(p is h for h in held) for p in finished)  # an optimizer has them all
        assert count(op) == count(make_op(name, channels, stride=2, in_channels=4))
        assert op(X).shape == out.shape
        assert "in_channels=4" in repr(op)
        with pytest.raises(ValueError, match=f"`{name}` read 4 channels at first, but got 5"):
            op(torch.zeros(1, 5, 8, 6))


def test_a_lazy_network_learns_with_an_early_optimizer():
    torch.manual_seed(0)
    model = nn.Sequential(make_op("sep_conv_3x3", 6), make_op("max_pool_3x3", 3, stride=2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(X).square().mean().backward()
    before = [p.detach().clone() for p in model.parameters()]
    optimizer.step()
    changed = [not torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True)]
    assert len(changed) == 11
    assert all(changed[:4])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", OPS)
def test_a_lazy_operation_is_finished_by_the_state_that_it_loads(name, family):
    for channels in (3, 4):  # with and without the projection
        torch.manual_seed(channels)
        first, second = (make_op(name, channels, family=family) for _ in range(2))
        held = list(second.parameters())
        expected = first(X)
        state = first.state_dict()
        random = torch.random.get_rng_state()
        second.load_state_dict(state)
        assert torch.equal(torch.random.get_rng_state(), random)
        assert second.state_dict().keys() == state.keys()
        assert all(any(p is h for h in held) for p in second.parameters())
        assert torch.equal(second.eval()(X), first.eval()(X))
        assert second(X).shape == expected.shape


def test_a_state_without_the_operation_leaves_it_open():
    model = nn.Sequential(make_op("max_pool_3x3", 3), nn.BatchNorm2d(3))
    norm = nn.Sequential(nn.Identity(), nn.BatchNorm2d(3)).state_dict()
    norm._metadata.pop("0")
    assert "0.op.1.weight" in model.load_state_dict(norm, strict=False).missing_keys
    assert model(X).shape == (2, 3, 8, 6)
    whole = make_op("max_pool_3x3", 3)
    whole(X[:, :3])
    again = make_op("max_pool_3x3", 3)
    again.load_state_dict(whole.state_dict())  # which is empty: there is no projection
    with pytest.raises(ValueError, match="read 3 channels at first, but got 4"):
        again(X)


def test_layers_that_do_not_depend_on_the_input_stay_the_same():
    model = nn.Sequential(make_op("sep_conv_3x3", 6), make_op("max_pool_3x3", 3))
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum, norm.eps = 0.5, 0.01  # as a recipe does
    calls = []
    norms[0].register_forward_hook(lambda *call: calls.append(call))
    assert model.double()(X.double()).dtype == torch.float64
    assert len(calls) == 1
    after = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(after) == 3
    assert all(norm is before for norm, before in zip(after, norms, strict=True))
