"""What a cell space over a user's own operations refuses, and what it says."""

import pytest
import torch
from cell_examples import OWN_OPS, OWN_SHARED, Gate, grouped, one_op
from space_testing import sample
from torch import nn

from optuna_nas.spaces import CellSpace, NASNetSpace


@pytest.mark.parametrize(
    ("ops", "error", "message"),
    [
        ({}, ValueError, "`ops` must hold at least one operation"),
        (("sep_conv_3x3",), TypeError, r"`ops` must be a dictionary of operations.*got \('sep"),
        ({"my-op": grouped}, ValueError, "letters, digits and underscores.*got 'my-op'"),
        ({3: grouped}, ValueError, "letters, digits and underscores.*got 3"),
        ({"": grouped}, ValueError, "letters, digits and underscores.*got ''"),
        ({"mine": 3}, TypeError, r"`ops\['mine'\]` must be a factory\(channels, stride\).*got 3"),
        ({"mine": None}, TypeError, r"`ops\['mine'\]` must be a factory.*got None"),
        ({"mine": nn.ReLU()}, TypeError, "got the module ReLU.*lambda channels, stride: ReLU"),
        ({"mine": nn.ReLU}, TypeError, r"must take two arguments.*ReLU\(inplace.*lambda chann"),
        ({"mine": lambda: nn.ReLU()}, TypeError, "must take two arguments"),
        ({"mine": "sep_conv_9x9"}, ValueError, "or one of identity, .*got 'sep_conv_9x9'"),
        ({"none": "none"}, ValueError, "or one of identity, .*got 'none'"),
        ({"identity": Gate}, ValueError, 'must have another name.*"my_identity"'),
        ({"none": Gate}, ValueError, "must have another name"),
        ({"conv_1x1": "conv_3x3"}, ValueError, "must be 'conv_1x1' itself.*got 'conv_3x3'"),
    ],
)
def test_wrong_operations(ops, error, message):
    with pytest.raises(error, match=message):
        CellSpace(ops=ops)


def test_ops_must_be_given():
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'ops'"):
        CellSpace()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"num_blocks": (1, 5)}, ValueError, r"`num_blocks` must be an int in \[1, 20\]"),
        ({"reduction_cell": 1}, TypeError, "`reduction_cell` must be True or False"),
        ({"concat": "none"}, ValueError, '"loose_ends", "all" or {"normal": .*"reduce"'),
        (
            {"concat": {"normal": (2,), "reduce": (2,)}, "reduction_cell": False},
            ValueError,
            r'"all" or {"cell": \(...\)} with different',
        ),
    ],
)
def test_wrong_settings(settings, error, message):
    with pytest.raises(error, match=message):
        CellSpace(ops=OWN_OPS, **settings)


def test_all_blocks_may_be_concatenated():
    for space, states in ((OWN_SHARED, (2, 3, 4)), (NASNetSpace(concat="all"), (2, 3, 4, 5, 6))):
        for architecture in sample(space, 5):
            outputs = {c.output for c in space._by_scope(architecture.genotype).values()}
            assert outputs == {states}
            assert str(architecture).endswith(f"concat {','.join(map(str, states))}")


def test_concat_of_one_cell():
    space = CellSpace(ops=OWN_OPS, num_blocks=2, reduction_cell=False, concat={"cell": (3, 0)})
    assert space.concat == ((0, 3),)
    assert sample(space, 1)[0].genotype.normal.output == (0, 3)


@pytest.mark.parametrize(
    ("factory", "error", "message"),
    [
        (lambda c, s: None, TypeError, "returned None; is its `return` missing"),
        (lambda c, s: "conv", TypeError, "`mine` must return a torch.nn.Module, but returned 'c"),
        (
            lambda c, s: nn.Conv2d(c, c, 0 // (s - 1)),
            ValueError,
            r"`mine` could not be made.*\(channels, stride\) = \(4, 1\).*ZeroDivisionError",
        ),
    ],
)
def test_factories_that_make_no_module(factory, error, message):
    with pytest.raises(error, match=message):
        one_op(factory)


@pytest.mark.parametrize(
    ("factory", "error", "message"),
    [
        (
            lambda c, s: nn.Identity(),
            ValueError,
            r"`mine`, made for channels=8 and stride=2, must turn a map of \(2, 8, 9, 9\) into "
            r"one of \(2, 8, 5, 5\), but gave \(2, 8, 9, 9\). It ignores its stride",
        ),
        (
            lambda c, s: nn.Conv2d(c, c + 1, 1, s),
            ValueError,
            r"one of \(2, 4, 9, 9\), but gave \(2, 5, 9, 9\).*as many output channels",
        ),
        (lambda c, s: nn.AvgPool2d(s), ValueError, "gave .*4, 4.*Odd sizes are rounded up"),
        (lambda c, s: nn.Conv2d(c, c, 3, s), ValueError, r"gave \(2, 4, 7, 7\).*by k // 2"),
        (lambda c, s: nn.Flatten(), ValueError, "must keep the four dimensions"),
        (
            lambda c, s: nn.Conv2d(3, c, 1, s),
            ValueError,
            r"channels=4 and stride=1, failed on a map of \(2, 4, 9, 9\) \(RuntimeError",
        ),
        (lambda c, s: nn.MaxPool2d(1, s, return_indices=True), TypeError, "returned a tuple"),
    ],
)
def test_outputs_that_do_not_fit(factory, error, message):
    network = one_op(factory)
    with pytest.raises(error, match=message):
        network(torch.randn(2, 3, 9, 9))


def test_running_out_of_memory_is_passed_on():
    class Hungry(nn.Module):
        def forward(self, x):
            raise torch.OutOfMemoryError("too much")

    network = one_op(lambda channels, stride: Hungry())
    with pytest.raises(torch.OutOfMemoryError, match="too much"):
        network(torch.randn(2, 3, 8, 8))
