"""Sharing work among mixed operations changes nothing but the rounding: the textbook's DARTS."""

from __future__ import annotations

import copy
import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from kept_bytes import kept_bytes
from torch import nn

from optuna_nas.nn import make_op
from optuna_nas.nn.ops._phased import PhasedConv2d, from_phases, to_phases
from optuna_nas.nn.supernets._mixed_op import MixedOp, mix
from optuna_nas.spaces import DARTSSpace

BOOK = Path(__file__).parents[2] / "benchmarks" / "textbook_darts.py"
FORMATS = [torch.contiguous_format, torch.channels_last]


def images(*shape: int, memory_format=torch.channels_last, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    return x.contiguous(memory_format=memory_format)


def with_gradients(function, x, parameters):
    x = x.clone(memory_format=torch.preserve_format).requires_grad_()
    out = function(x)
    (out * images(*out.shape, seed=9)).sum().backward()
    gradients = [x.grad, *(parameter.grad.clone() for parameter in parameters)]
    for parameter in parameters:
        parameter.grad = None
    return out.detach(), gradients


# Phases


def test_phases_are_the_pixels_that_lie_apart():
    x = torch.arange(24.0).reshape(1, 1, 4, 6)
    phases = to_phases(x, 2)
    assert phases.shape == (4, 1, 2, 3)
    assert phases[1, 0].tolist() == [[1, 3, 5], [13, 15, 17]]
    assert torch.equal(from_phases(phases, 2), x)
    assert to_phases(torch.ones(2, 3, 5, 4), 2).sum() == 2 * 3 * 5 * 4
    assert to_phases(torch.ones(2, 3, 5, 4), 2).shape == (8, 3, 3, 2)


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize(
    ("kernel", "dilation", "stride", "size"),
    [
        (3, 2, 1, (8, 6)),
        (5, 2, 1, (7, 8)),
        (3, 2, 2, (8, 7)),
        (5, 2, 2, (6, 6)),
        (3, 3, 1, (7, 8)),
    ],
)
def test_a_phased_convolution_is_a_convolution(kernel, dilation, stride, size, memory_format):
    torch.manual_seed(0)
    padding = dilation * (kernel // 2)
    options = {"stride": stride, "dilation": dilation, "groups": 3, "dtype": torch.float64}
    ours = PhasedConv2d(3, 3, kernel, padding=padding, **options)
    plain = nn.Conv2d(3, 3, kernel, padding=padding, **options)
    plain.load_state_dict(ours.state_dict())
    x = images(2, 3, *size, memory_format=memory_format)
    assert ours.has_phases(x)
    for found, expected in zip(
        with_gradients(ours, x, list(ours.parameters())),
        with_gradients(plain, x, list(plain.parameters())),
        strict=True,
    ):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_phases_are_for_learning_on_a_cpu():
    conv = make_op("dil_conv_3x3", 4, in_channels=4)[1]
    assert type(conv) is PhasedConv2d
    x = torch.zeros(1, 4, 6, 6)
    assert conv.has_phases(x)
    with torch.no_grad():
        assert not conv.has_phases(x)
    assert not conv.has_phases(x.to("meta"))
    assert type(make_op("sep_conv_3x3", 4, in_channels=4)[0][1]) is nn.Conv2d


# Sharing


def edges(stride: int = 1) -> list[MixedOp]:
    """Three, with pools and identity in common."""
    torch.manual_seed(0)
    pools = [
        nn.Sequential(
            make_op(f"{kind}_pool_3x3", 4, stride=stride, in_channels=4),
            nn.BatchNorm2d(4, affine=False),
        )
        for kind in ("max", "avg")
    ]
    made = []
    for _ in range(3):
        names = ("skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5")
        own = [
            make_op(n, 4, stride=stride, in_channels=4, affine=n == "sep_conv_5x5") for n in names
        ]
        made.append(MixedOp([None, *pools, *own]).double())
    return made


@pytest.mark.parametrize("memory_format", FORMATS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("recomputes", [False, True])
def test_sharing_changes_nothing(stride, training, memory_format, recomputes):
    ours, plain = edges(stride), edges(stride)
    for edge in (*ours, *plain):
        edge.train(training)
        edge.recomputes = recomputes
    rows = [torch.rand(8, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    x = images(2, 4, 8, 8, memory_format=memory_format)

    def shared(x):
        return torch.cat(mix(ours, x, rows))

    def one_by_one(x):
        return torch.cat(
            [
                sum(row[i] * edge.ops[place](x) for i, place in edge.places.items())
                for edge, row in zip(plain, rows, strict=True)
            ]
        )

    found, expected = (
        with_gradients(f, x, [*rows, *(p for edge in all_edges for p in edge.parameters())])
        for f, all_edges in ((shared, ours), (one_by_one, plain))
    )
    torch.testing.assert_close(found[0], expected[0], rtol=0, atol=1e-10)
    for a, b in zip(found[1], expected[1], strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-8)
    own = ours[1].ops[4][0][3].running_mean  # statistics of what is not in common
    torch.testing.assert_close(own, plain[1].ops[4][0][3].running_mean)


def test_what_is_in_common_is_computed_once():
    made, calls = edges(), []
    made[0].ops[0].register_forward_hook(lambda op, *_: calls.append(op))
    mix(made, images(2, 4, 8, 8), [torch.rand(8, dtype=torch.float64)] * 3)
    assert len(calls) == 1


def test_one_choice_beside_mixtures():
    made, x = edges(), images(2, 4, 8, 8)
    weights = torch.rand(8, dtype=torch.float64)
    mixed, nothing, alone = mix(made, x, [weights, 0, 4])
    torch.testing.assert_close(alone, made[2].ops[3](x))
    torch.testing.assert_close(mixed, made[0](x, weights))
    assert nothing is None
    assert torch.equal(mix(made, x, [3, 3, 3])[0], x)


def test_double_backward():
    (edge,) = edges()[:1]
    weights = torch.rand(8, dtype=torch.float64, requires_grad=True)
    two, x = edges()[:2], images(1, 4, 4, 4)

    def sums(weights):
        return torch.stack(mix(two, x, [weights, weights.flip(0)])).square().mean()

    assert torch.autograd.gradgradcheck(sums, (weights,), atol=1e-4)


def test_second_derivatives_of_what_is_computed_again():
    """By convolutions' weights and mixing weights, as an exact second order needs them."""

    def product(recomputes):
        (edge,) = edges()[:1]
        edge.recomputes = recomputes
        mixing = torch.linspace(0.1, 0.8, 8, dtype=torch.float64, requires_grad=True)
        own = list(edge.parameters())
        loss = edge(images(2, 4, 8, 8), mixing).square().mean()
        slopes = torch.autograd.grad(loss, own, create_graph=True)
        return torch.autograd.grad(sum(slope.sum() for slope in slopes), [mixing, *own])

    for found, expected in zip(product(True), product(False), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_nothing_is_kept_where_only_the_mixing_weights_learn():
    (edge,) = edges()[:1]
    edge.requires_grad_(False)
    mixing = torch.rand(8, dtype=torch.float64, requires_grad=True)
    x = images(2, 4, 8, 8).requires_grad_()  # as where alphas have decided before
    kept = []
    for edge.recomputes in (False, True):
        kept.append(kept_bytes(lambda: edge(x, mixing)))
    assert kept[1] < 0.7 * kept[0]


# The textbook


@pytest.fixture(scope="module")
def book():
    spec = importlib.util.spec_from_file_location("textbook_darts", BOOK)
    module = importlib.util.module_from_spec(spec)
    sys.modules["textbook_darts"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["textbook_darts"]


def test_outputs_and_all_gradients_are_the_textbooks(book):
    torch.manual_seed(0)
    theirs = book.TextbookDARTS(4, 3).double()
    ours = DARTSSpace().supernet(cells=3, channels=4).double()
    alphas = torch.cat(list(theirs.alphas)).detach()
    with torch.no_grad():
        for mine, weight in zip(ours.weights().values(), theirs.weights(), strict=True):
            mine.copy_(weight)
        for mine, row in zip(ours.alphas().values(), alphas, strict=True):
            mine.copy_(row)
    x = images(2, 3, 8, 8)
    labels = torch.tensor([3, 7])
    for model in (ours, theirs):
        logits = model(x)
        nn.functional.cross_entropy(logits, labels).backward()
        model.logits = logits.detach()
    torch.testing.assert_close(ours.logits, theirs.logits, rtol=0, atol=1e-8)
    for mine, weight in zip(ours.weights().values(), theirs.weights(), strict=True):
        torch.testing.assert_close(mine.grad, weight.grad, rtol=0, atol=1e-8)
    rows = torch.cat([alpha.grad for alpha in theirs.alphas])
    for mine, row in zip(ours.alphas().values(), rows, strict=True):
        torch.testing.assert_close(mine.grad, row, rtol=0, atol=1e-8)
    ours.eval(), theirs.eval()  # with the running statistics of one batch
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-8)


def test_less_is_saved_than_by_the_textbook(book):
    theirs = book.TextbookDARTS(16, 3)
    ours = DARTSSpace().supernet(cells=3, channels=16)
    for alpha in ours.alphas().values():  # as in a step of the weights
        alpha.requires_grad_(False)
    x = torch.randn(4, 3, 16, 16)
    book_keeps = kept_bytes(lambda: theirs(x))
    wide = x.contiguous(memory_format=torch.channels_last)
    assert kept_bytes(lambda: ours(wide)) <= 0.495 * book_keeps
    for module in ours.modules():
        if isinstance(module, MixedOp):
            module.recomputes = True
    assert kept_bytes(lambda: ours(wide)) <= 0.34 * book_keeps


def test_a_supernet_can_be_copied():
    supernet = DARTSSpace(num_nodes=2).supernet(cells=3, channels=2).double()
    x = images(2, 3, 8, 8)
    copied = copy.deepcopy(supernet)
    assert torch.equal(copied(x), supernet(x))
    copied.load_state_dict(supernet.state_dict())
    assert (
        copied.network.cells[0].mixed["normal_2_from_0"].ops[0]
        is (copied.network.cells[0].mixed["normal_3_from_0"].ops[0])
    )
