"""Shapes and laws of the building blocks."""

import pickle

import pytest
import torch

from optuna_nas._ground.checks import require_sizes
from optuna_nas.nn import ClassifierHead, ConvNormAct, ImageTooSmallError, ReLUConvBN, avg_pool
from optuna_nas.nn.networks import (
    ConcatChain,
    NASBench201Cell,
    NASBench201Network,
    check_image_size,
    concat_padded,
)
from optuna_nas.nn.ops import ResidualReduction

X = torch.linspace(-1, 1, 2 * 4 * 7 * 6).sin().reshape(2, 4, 7, 6)


@pytest.mark.parametrize(("stride", "shape"), [(1, (2, 8, 7, 6)), (2, (2, 8, 4, 3))])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_relu_conv_bn(stride, shape, kernel_size):
    op = ReLUConvBN(4, 8, kernel_size, stride=stride)
    assert op(X).shape == shape
    assert sum(p.numel() for p in op.parameters()) == 32 * kernel_size**2 + 16
    assert torch.equal(op.eval()(X), op(X.relu()))  # the activation comes first


@pytest.mark.parametrize("kernel_size", [(1, 7), (3, 3), (5, 1)])
def test_conv_norm_act(kernel_size):
    op = ConvNormAct(4, 8, kernel_size)
    assert op(X).shape == (2, 8, 7, 6)
    assert op(X).min() >= 0
    assert ConvNormAct(4, 8, kernel_size, act=False)(X).min() < 0
    assert ConvNormAct(4, 8, kernel_size, stride=(2, 3))(X).shape == (2, 8, 4, 2)
    assert all(p.dim() != 1 or p.numel() == 8 for p in op.parameters())


def test_avg_pool_does_not_count_the_padding():
    ones = torch.ones(1, 1, 4, 4)
    assert torch.allclose(avg_pool(3)(ones), ones)
    assert torch.allclose(avg_pool(5)(ones), ones)


def test_classifier_head():
    head = ClassifierHead(4, 3)
    expected = X.mean((2, 3)) @ head.fc.weight.T + head.fc.bias
    assert torch.allclose(head(X), expected, atol=1e-6)


def test_residual_reduction_has_no_norm_in_the_shortcut():
    block = ResidualReduction(4, 8)
    assert block(X).shape == (2, 8, 4, 3)
    assert [p.shape for p in block.shortcut.parameters()] == [(8, 4, 1, 1)]
    even = X[:, :, :6]
    assert block(even).shape == (2, 8, 3, 3)


def test_cell_sums_its_edges():
    cell = NASBench201Cell(
        (("avg_pool_3x3",), ("skip_connect", "none"), ("none", "skip_connect", "skip_connect")), 4
    )
    assert torch.allclose(cell(X), avg_pool(3)(X) + X)
    assert not list(cell.parameters())


def test_cell_of_nothing_is_zero():
    cell = NASBench201Cell((("none",), ("none", "none"), ("none",) * 3), 4)
    assert torch.equal(cell(X), torch.zeros_like(X))


def test_network_doubles_its_channels():
    nodes = (("skip_connect",), ("none", "skip_connect"), ("none", "none", "skip_connect"))
    network = NASBench201Network(nodes, num_classes=3, in_channels=1, cells=2, channels=5)
    assert network.head.fc.in_features == 20
    assert len(network.cells) == 8
    assert network(torch.zeros(2, 1, 9, 5)).shape == (2, 3)


def test_concat_padded_centres_and_fills_with_zeros():
    large, small = torch.ones(1, 2, 4, 5), torch.ones(1, 1, 1, 2)
    joined = concat_padded([small, large])
    assert joined.shape == (1, 3, 4, 5)
    assert joined[0, 0].nonzero().tolist() == [[1, 1], [1, 2]]
    assert torch.equal(joined[:, 1:], large)
    assert torch.equal(concat_padded([large]), large)


def test_concat_chain_reads_in_the_given_order():
    chain = ConcatChain(
        [((1, 1), (1, 1), 2), ((3, 3), (2, 2), 3)],
        [(0,), (0, 1), (1, 2)],
        num_classes=4,
        in_channels=4,
    ).eval()
    first = chain.layers[0](X)
    second = chain.layers[1](torch.cat([X, first], dim=1))
    assert second.shape == (2, 3, 4, 3)
    assert torch.allclose(chain(X), chain.head(concat_padded([first, second])))


def test_image_too_small_names_the_size_that_works():
    check_image_size(torch.zeros(1, 3, 4, 4), 4)
    with pytest.raises(
        ImageTooSmallError, match=r"images of 4x3.*smallest size.*is 4x4"
    ) as caught:
        check_image_size(torch.zeros(1, 3, 4, 3), 4)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.size, again.minimum, str(again)) == ((4, 3), 4, str(caught.value))
    assert isinstance(caught.value, ValueError)


def test_positive_arguments():
    require_sizes(cells=1)
    with pytest.raises(ValueError, match="`cells` must be at least 1, but got cells=0"):
        require_sizes(channels=4, cells=0)
