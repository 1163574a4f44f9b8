"""Supernets of NASNet, AmoebaNet, PNAS and of cells of one's own, on the network of ENAS."""

import dataclasses

import pytest
import torch
from cell_examples import OWN, Gate
from space_testing import sample
from supernet_testing import assert_paths_are_one_hot_mixtures
from torch import nn

from optuna_nas.nn.ops._own_op import OwnOp
from optuna_nas.spaces import AmoebaNetSpace, CellSpace, ENASMicroSpace, NASNetSpace, PNASSpace

SMALL = {"cells": 1, "channels": 4, "num_classes": 5, "in_channels": 2, "dropout": 0.0}
X = torch.linspace(-1, 1, 2 * 2 * 8 * 8).sin().reshape(2, 2, 8, 8)
OPS = ("identity", "sep_conv_3x3", "avg_pool_3x3")
NASNET = NASNetSpace(num_blocks=2, ops=OPS)
LISTED = AmoebaNetSpace(num_blocks=3, ops=OPS, concat={"normal": (0, 3), "reduce": (2, 4)})
PNAS = PNASSpace(num_blocks=3, ops=OPS)
CELLS = dataclasses.replace(OWN, num_blocks=2)
SPACES = [
    NASNET,
    LISTED,
    PNAS,
    CELLS,
    dataclasses.replace(CELLS, reduction_cell=False, concat="all"),
    dataclasses.replace(CELLS, prefix="my_"),
]
by_name = pytest.mark.parametrize("space", SPACES, ids=lambda s: s.name)


def make(space, **arguments):
    torch.manual_seed(0)
    return space.supernet(**{**SMALL, **arguments})


def touched(supernet, architecture):
    supernet.zero_grad(set_to_none=True)
    supernet(X, architecture=architecture).square().sum().backward()
    return {name for name, p in supernet.named_parameters() if p.grad is not None}


def picked(space, architecture):
    """The number of each choice, as the network reads it."""
    return {
        name.removeprefix(space.prefix): space.distributions()[name].choices.index(value)
        for name, value in architecture.items
    }


@by_name
def test_one_path_is_the_mixture_with_one_hot_weights(space):
    assert_paths_are_one_hot_mixtures(make(space), X, sample(space, 4))


@by_name
def test_rows_are_those_of_the_space(space):
    """What a shared cell adds up is what the network that is built concatenates."""
    supernet = make(space)
    scopes = {number: cell.scope for number, cell in enumerate(supernet.network.cells)}
    assert set(scopes.values()) == set(space.scopes)
    for architecture in sample(space, 6):
        got = touched(supernet, architecture)
        cells = space._by_scope(architecture.genotype)
        for number, scope in scopes.items():
            prefix = f"network.cells.{number}.rows."
            rows = {int(n.removeprefix(prefix).split(".")[0]) for n in got if n.startswith(prefix)}
            assert rows == set(cells[scope].output)


@by_name
def test_alphas_are_those_of_the_decisions(space):
    supernet = make(space)
    wanted = {n: d.choices for n, d in space.distributions().items()}
    assert supernet.choices == wanted
    with torch.no_grad():
        for alpha in supernet.alphas().values():
            alpha[0] = 1.0
    assert supernet.derive().params == {name: choices[0] for name, choices in wanted.items()}
    supernet(X).square().sum().backward()
    assert all(p.grad is not None for p in supernet.weights().values())


def test_the_inputs_keep_the_numbers_of_their_space():
    """State 0 is the previous cell's output here, and the older input in ENAS."""
    older, previous = torch.randn(2, 2, 16, 5, 5)
    text = "normal: 2 = {0}(0) + {0}(0) | reduce: 2 = {0}(0) + {0}(0)".format("identity")
    nasnet = AmoebaNetSpace(num_blocks=1, ops=OPS)
    enas = ENASMicroSpace(num_blocks=1)
    for space, cell, read in (
        (nasnet, nasnet.parse(text), previous),
        (enas, enas.parse("0 4 0 4 0 4 0 4"), older),
    ):
        module = make(space).network.cells[2]  # a normal cell
        module.project_older = module.project_previous = nn.Identity()
        module.rows = nn.ModuleDict({"2": nn.Identity()})
        module.norm = nn.Identity()
        out = module(older, previous, picked(space, cell))
        torch.testing.assert_close(out, (2 * read).relu())


def test_a_block_that_concatenates():
    text = "normal: 2 = identity(0) & avg_pool_3x3(1); 3 = identity(2) + identity(0)"
    architecture = NASNET.parse(f"{text} | {text.replace('normal', 'reduce')}")
    supernet = make(NASNET).double()
    cell = supernet.network.cells[2]
    older, previous = torch.randn(2, 2, 16, 5, 5, dtype=torch.float64)
    zero, one = cell.project_previous(previous), cell.project_older(older)
    pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    two = cell.joins["2"](torch.cat([zero, pool(one)], dim=1))
    expected = cell.norm(cell.rows["3"]((two + zero).relu()))
    found = cell(older, previous, picked(NASNET, architecture))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    got = touched(supernet.float(), architecture)
    assert any(name.startswith("network.cells.2.joins.2") for name in got)
    assert not any(name.startswith("network.cells.2.joins.3") for name in got)


def test_only_decided_combiners_have_weights():
    fixed = {name: "add" for name in NASNET.distributions() if name.endswith("combine")}
    supernet = make(NASNET, fixed=fixed)
    assert all(len(cell.joins) == 0 for cell in supernet.network.cells)
    assert supernet(X).shape == (2, 5)


def test_blocks_that_never_reach_the_output_are_not_computed():
    calls = []

    def counted(channels, stride):
        op = nn.Conv2d(channels, channels, 1, stride)
        op.register_forward_hook(lambda *_: calls.append(1))
        return op

    space = CellSpace(
        ops={"mine": counted, "skip": "identity"},
        num_blocks=3,
        reduction_cell=False,
        concat={"cell": (2,)},
    )
    cell = space.parse("cell: 2 = mine(0) + skip(1); 3 = mine(2) + mine(2); 4 = mine(3) + mine(0)")
    make(space)(X, architecture=cell)
    assert len(calls) == 3  # once in each of the three cells


def test_own_operations_have_stride_one():
    asked = []

    def recording(channels, stride):
        asked.append((channels, stride))
        return Gate(channels, stride)

    space = CellSpace(ops={"mine": recording, "sep": "sep_conv_3x3"}, num_blocks=1)
    supernet = make(space)
    # Two operands of two inputs each, in cells of 8, 16 and 16 channels: L // 3 = 0.
    assert asked == [(8, 1)] * 4 + [(16, 1)] * 4 + [(16, 1)] * 4
    bank = supernet.network.cells[0].banks["reduce_2_input_a"]
    assert [type(op) for op in bank[0].ops] == [OwnOp, nn.Sequential]
    wrong = CellSpace(ops={"mine": lambda channels, stride: nn.Conv2d(channels, 3, 1)})
    with pytest.raises(ValueError, match="`mine`, made for channels=8 and stride=1, must turn"):
        make(wrong)(X)


def test_operations_are_those_of_the_family():
    def bank(space, op):
        names = {name: op for name in space.distributions() if "_op_" in name}
        cell = make(space, fixed=names).network.cells[0]
        return next(iter(cell.banks.values()))[0].ops[0]

    crossed = ("conv_1x7_7x1", "identity")
    nasnet = bank(NASNetSpace(num_blocks=1, ops=crossed), "conv_1x7_7x1")
    amoebanet = bank(AmoebaNetSpace(num_blocks=1, ops=crossed), "conv_1x7_7x1")
    assert len(nasnet) == 2
    assert len(amoebanet) == 4  # between two convolutions that narrow and widen
