"""The supernet of ENAS macro: operations, added skips, reductions, and what children share."""

import pytest
import torch
import torch.nn.functional as F
from space_testing import sample
from supernet_testing import assert_paths_are_one_hot_mixtures
from torch import nn

from optuna_nas.spaces import ENASMacroSpace, published

SPACE = ENASMacroSpace(num_layers=4)
RELEASE = ENASMacroSpace(num_layers=4, rules="release")
SMALL = {"channels": 4, "num_classes": 5, "in_channels": 2, "dropout": 0.0}
X = torch.linspace(-1, 1, 2 * 2 * 8 * 8).sin().reshape(2, 2, 8, 8)
TEXT = "0 | 3 1 | 4 0 1 | 5 1 0 0"


def make(space=SPACE, **arguments):
    torch.manual_seed(0)
    return space.supernet(**{**SMALL, **arguments})


def touched(supernet, architecture):
    supernet.zero_grad(set_to_none=True)
    supernet(X, architecture=architecture).square().sum().backward()
    return {name: p for name, p in supernet.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("space", [SPACE, RELEASE])
def test_a_child_by_hand(space):
    """The bit for layer j joins its output, in the release its input."""
    supernet = make(space).double()
    net = supernet.network
    state = [net.stem(X.double())]
    state.append(net.ops[0].ops[0](state[0]))
    state = [halve(s) for s, halve in zip(state, net.reductions["1"], strict=True)]
    joined = state[0] if space is RELEASE else state[1]
    state.append(net.norms[1](net.ops[1].ops[3](state[1]) + joined))
    state = [halve(s) for s, halve in zip(state, net.reductions["2"], strict=True)]
    joined = state[1] if space is RELEASE else state[2]
    state.append(net.norms[2](net.ops[2].ops[4](state[2]) + joined))
    joined = state[0] if space is RELEASE else state[1]
    state.append(net.norms[3](net.ops[3].ops[5](state[3]) + joined))
    found = supernet(X.double(), architecture=space.parse(TEXT))
    torch.testing.assert_close(found, net.head(state[4]), rtol=0, atol=1e-12)


def test_operations_by_hand():
    """1x1 convolution, batch norm, ReLU, and the operation with its own."""
    x = torch.randn(2, 4, 6, 6)
    conv3, sep3, _, sep5, average, maximum = make().network.ops[1].ops
    first = conv3[0]
    assert [type(m) for m in first] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert [type(m) for m in conv3[1]] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert [m.kernel_size for m in sep5.modules() if isinstance(m, nn.Conv2d)] == [
        (1, 1),
        (5, 5),
        (1, 1),
    ]
    assert sep3[1].groups == 4
    pooled = F.avg_pool2d(average[0](x), 3, 1, 1, count_include_pad=False)
    torch.testing.assert_close(average(x), pooled)
    torch.testing.assert_close(maximum(x), F.max_pool2d(maximum[0](x), 3, 1, 1))


def test_number_of_weights():
    """Counted by hand at 12 layers and C = 36."""
    with torch.device("meta"):
        supernet = ENASMacroSpace().supernet()
    c = 36
    conv = c * c + 2 * c  # a 1x1 convolution and its norm, or a factorised reduction
    ops = 6 * conv + sum(k * k * c * c + 2 * c + k * k * c + conv for k in (3, 5))
    total = 27 * c + 2 * c + 12 * ops + 11 * 2 * c + (5 + 9) * conv + 10 * c
    assert sum(p.numel() for p in supernet.weights().values()) == total


@pytest.mark.parametrize("space", [SPACE, RELEASE])
def test_one_path_is_the_mixture_with_one_hot_weights(space):
    assert_paths_are_one_hot_mixtures(make(space), X, [space.parse(TEXT), *sample(space, 4)])


def test_a_child_touches_only_its_tensors():
    supernet = make()
    got = touched(supernet, SPACE.parse(TEXT))
    ops = {tuple(n.split(".")[2:5:2]) for n in got if n.startswith("network.ops")}
    assert ops == {("0", "0"), ("1", "3"), ("2", "4"), ("3", "5")}
    halved = {tuple(n.split(".")[2:4]) for n in got if n.startswith("network.reductions")}
    # Of the states after layer 1, only layer 1 is read again; after layer 2, layers 1 and 2.
    assert halved == {("1", "1"), ("2", "1"), ("2", "2")}
    assert not any("_alphas" in name for name in got)


def test_children_share_what_they_share():
    supernet = make()
    one = touched(supernet, SPACE.parse(TEXT))
    two = touched(supernet, SPACE.parse("0 | 3 0 | 4 1 1 | 0 1 0 0"))
    shared = "network.ops.1.ops.3.1.weight"
    assert one[shared] is two[shared]
    assert "network.ops.3.ops.0.1.0.weight" in two.keys() - one.keys()
    assert "network.ops.3.ops.5.0.0.weight" in one.keys() - two.keys()


def test_alphas_are_those_of_the_decisions():
    supernet = make()
    assert supernet.choices == {n: d.choices for n, d in SPACE.distributions().items()}
    wanted = SPACE.parse(TEXT)
    with torch.no_grad():
        for name, alpha in supernet.alphas().items():
            alpha.zero_()
            alpha[supernet.choices[name].index(wanted.params[name])] = 1.0
    assert supernet.derive() == wanted
    supernet(X).square().sum().backward()
    # The stem's state is read by no skip in the paper's rules; the release has one for it.
    unused = {n for n, p in supernet.named_parameters() if p.grad is None}
    assert {n.split(".")[3] for n in unused} == {"0"}
    assert all(n.startswith("network.reductions") for n in unused)
    release = make(RELEASE)
    release(X).square().sum().backward()
    assert "0" not in {n.split(".")[3] for n, p in release.named_parameters() if p.grad is None}


def test_fixed_decisions():
    fixed = {"layer_02_from_01": True, "layer_03_from_01": False, "layer_04_op": "avg_pool_3x3"}
    supernet = make(fixed=fixed)
    assert not fixed.keys() & supernet.alphas().keys()
    assert len(supernet.network.ops[3].ops) == 1
    derived = supernet.derive()
    assert fixed.items() <= derived.params.items()
    assert_paths_are_one_hot_mixtures(supernet, X, [derived])
    with pytest.raises(ValueError, match=r"among \(True,\), but the architecture has False"):
        supernet(X, architecture=SPACE.architecture({**derived.params, "layer_02_from_01": False}))


@pytest.mark.parametrize("size", [1, 5, 8])
def test_image_sizes(size):
    assert make()(torch.randn(2, 2, size, size)).shape == (2, 5)


def test_batch_statistics():
    assert not any(
        isinstance(m, nn.BatchNorm2d) and m.track_running_stats for m in make().modules()
    )
    tracking = make(track_running_stats=True)
    assert all(m.track_running_stats for m in tracking.modules() if isinstance(m, nn.BatchNorm2d))


def test_the_released_network_is_a_child():
    space = published.ENAS_MACRO.space
    supernet = make(space)
    assert supernet(X, architecture=published.ENAS_MACRO).shape == (2, 5)
    assert supernet.network.head.fc.bias is None


def test_wrong_arguments():
    with pytest.raises(ValueError, match="`channels` must be at least 2"):
        make(channels=1)
    with pytest.raises(ValueError, match="`num_classes` must be at least 0"):
        make(num_classes=-1)
    with pytest.raises(ValueError, match="no fixed list of decisions"):
        ENASMacroSpace(num_layers=(1, 4)).supernet()
    arguments = SPACE.supernet_arguments
    assert {name: arguments[name] for name in SPACE.proxy} == SPACE.proxy
