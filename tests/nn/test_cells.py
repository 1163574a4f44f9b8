"""Laws of cells: every cell of every family builds, drops paths and learns."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from optuna_nas.nn import Cell, DropPath, Edge, Node, cell_network, set_drop_path
from optuna_nas.nn.networks._cell import CellModule, CellShape, CellStyle

CONVS = ("sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3")
FAMILIES = {
    "nasnet": (
        *CONVS,
        "identity",
        "sep_conv_7x7",
        "dil_conv_3x3",
        "max_pool_5x5",
        "max_pool_7x7",
        "conv_1x1",
        "conv_3x3",
        "conv_1x3_3x1",
        "conv_1x7_7x1",
    ),
    "amoebanet": (*CONVS, "identity", "conv_1x7_7x1", "conv_1x1", "conv_3x3", "max_pool_2x2"),
    "enas": (*CONVS, "identity"),
    "darts": (*CONVS, "none", "skip_connect", "dil_conv_3x3", "dil_conv_5x5", "conv_7x1_1x7"),
}
NASNET = CellStyle("nasnet", project_first=False)
DARTS = CellStyle("darts", project_always=True, pad_reduction=False, drop_strided_identity=True)


@st.composite
def cells(draw, ops, combiners=("add", "concat")):
    nodes = []
    for state in range(2, 2 + draw(st.integers(1, 4))):
        edge = st.builds(Edge, st.integers(0, state - 1), st.sampled_from(ops))
        edges = tuple(draw(edge) for _ in range(draw(st.integers(1, 3))))
        nodes.append(Node(edges, draw(st.sampled_from(combiners))))
    output = draw(st.lists(st.integers(0, len(nodes) + 1), min_size=1, max_size=4))
    return Cell(tuple(nodes), tuple(output), draw(st.integers(0, 1)))


@st.composite
def networks(draw):
    family = draw(st.sampled_from(tuple(FAMILIES)))
    cell = cells(FAMILIES[family])
    options = {
        "normal": draw(cell),
        "reduce": draw(st.none() | cell),
        "cells": draw(st.integers(1, 3)),
        "channels": draw(st.integers(2, 5)),
        "assembly": draw(st.sampled_from(("nasnet", "pnas", "enas", "darts"))),
        "ops": family,
    }
    return {"num_classes": 3, "in_channels": 2, **options}


@settings(max_examples=25, deadline=None)
@given(networks(), st.integers(0, 2**16))
def test_every_cell_learns_at_two_sizes(options, seed):
    torch.manual_seed(seed)
    network = cell_network(**options, auxiliary=True, drop_path=0.3, dropout=0.1)
    for size in ((8, 8), (16, 12)):
        x = torch.rand(2, 2, *size)
        logits, aux_logits = network.train()(x)
        assert logits.shape == aux_logits.shape == (2, 3)
        (logits.square().mean() + aux_logits.square().mean()).backward()
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        assert all(torch.isfinite(g).all() for g in gradients)
        assert network.head.fc.weight.grad is not None
        assert network.eval()(x).shape == (2, 3)


@settings(max_examples=15, deadline=None)
@given(networks())
def test_the_numbering_of_the_inputs_does_not_matter(options):
    outputs = []
    for previous in (0, 1):
        for name in ("normal", "reduce"):
            if options[name] is not None:
                options[name] = options[name].renumbered(previous)
        torch.manual_seed(0)
        network = cell_network(**options).eval()
        outputs.append(network(torch.linspace(0, 1, 128).reshape(1, 2, 8, 8)))
    assert torch.equal(*outputs)


@settings(max_examples=10, deadline=None)
@given(cells(FAMILIES["enas"]))
def test_nodes_that_reach_no_output_are_not_built(cell):
    more = Cell((*cell.nodes, Node((Edge(0, "conv_3x3"), Edge(1, "none")))), cell.output, 0)
    shape = CellShape(4, 6, 4, stride=2)
    sizes = [
        sum(p.numel() for p in CellModule(c, shape, NASNET).parameters())
        for c in (Cell(cell.nodes, cell.output, 0), more)
    ]
    assert sizes[0] == sizes[1]


def test_a_sum_leaves_none_out_and_of_nothing_is_zero():
    shape = CellShape(4, 4, 4)
    x = torch.rand(2, 4, 6, 6)
    sums = [
        Cell((Node((Edge(0, "skip_connect"), *more)),), (2,), 0)
        for more in ((), (Edge(1, "none"),))
    ]
    torch.manual_seed(0)
    plain = CellModule(sums[0], shape, DARTS)
    torch.manual_seed(0)
    assert torch.equal(plain(x, x), CellModule(sums[1], shape, DARTS)(x, x))
    for edges in ((Edge(1, "none"),), ()):
        nothing = CellModule(Cell((Node(edges),), (2,), 0), CellShape(4, 4, 4, stride=2), DARTS)
        assert torch.equal(nothing(x, x), torch.zeros(2, 4, 3, 3))


def test_concatenated_states_are_brought_to_the_cells_channels():
    wide = Node((Edge(0, "avg_pool_3x3"), Edge(0, "max_pool_3x3")), "concat")
    reading = Node((Edge(2, "identity"), Edge(2, "avg_pool_3x3"), Edge(2, "conv_3x3")))
    cell = CellModule(Cell((wide, reading), (2, 3), 0), CellShape(4, 4, 4), NASNET)
    x = torch.rand(2, 4, 6, 6)
    assert cell.out_channels == 8
    assert cell(x, x).shape == (2, 8, 6, 6)
    identity, pool, conv = cell.nodes["3"].edges
    assert [type(m) for m in identity] == [nn.ReLU, nn.Conv2d, nn.BatchNorm2d]
    assert [type(m) for m in pool] == [nn.AvgPool2d, nn.Conv2d, nn.BatchNorm2d]
    assert conv[1].in_channels == 8
    assert [type(m) for m in cell.outputs[0]] == [nn.Conv2d, nn.BatchNorm2d]
    assert isinstance(cell.outputs[1], nn.Identity)


def test_own_operations_read_the_cells_channels_wherever_they_stand():
    """A concatenated state and the first cell's older input are projected before."""
    asked = []

    def own(channels, stride):
        asked.append(channels)
        return nn.Conv2d(channels, channels, 3, stride, padding=1)

    wide = Node((Edge(0, "own"), Edge(1, "own")), "concat")
    cell = Cell((wide, Node((Edge(2, "own"), Edge(1, "identity")))), (3,), 0)
    network = cell_network(
        cell, None, num_classes=3, in_channels=3, cells=1, channels=4, own_ops={"own": own}
    )
    assert asked == [4] * 3 + [8] * 6 + [16] * 6
    first = network.cells[0].nodes
    projected = [isinstance(op, nn.Sequential) for op in (*first["2"].edges, first["3"].edges[0])]
    assert projected == [False, True, True]
    assert first["3"].edges[0][0][1].in_channels == 8
    logits = network(torch.rand(2, 3, 8, 8))
    assert logits.shape == (2, 3)
    with pytest.raises(ValueError, match="`name` must be one of .*'own'"):
        cell_network(cell, None, num_classes=3, in_channels=3, cells=1, channels=4)


def test_the_output_keeps_its_order():
    nodes = (Node((Edge(0, "identity"),)), Node((Edge(2, "identity"), Edge(2, "identity"))))
    x = torch.rand(2, 4, 6, 6)
    torch.manual_seed(0)
    cell = CellModule(Cell(nodes, (3, 2, 0), 0), CellShape(4, 4, 4), NASNET)
    doubled, once, entry = cell(x, x).split(4, dim=1)
    assert torch.equal(doubled, 2 * once)
    assert torch.equal(entry, once)


def test_darts_projects_the_older_input_and_nasnet_only_where_it_must():
    cell = Cell((Node((Edge(1, "skip_connect"),)),), (2,), 0)
    alike, first = CellShape(4, 6, 4), CellShape(4, 6, 6, first=True)
    assert isinstance(CellModule(cell, alike, NASNET).project_older, nn.Identity)
    assert isinstance(CellModule(cell, first, NASNET).project_older, nn.Identity)
    assert not isinstance(CellModule(cell, alike, DARTS).project_older, nn.Identity)
    assert not isinstance(CellModule(cell, first, DARTS).project_older, nn.Identity)


SKIPS = Cell((Node((Edge(0, "identity"), Edge(0, "sep_conv_3x3"))),), (2,), 0)


@pytest.mark.parametrize(
    ("assembly", "dropped"),
    [("nasnet", [1] * 5), ("enas", [1] * 5), ("darts", [1, 2, 1, 2, 1])],
)
def test_identities_keep_their_path(assembly, dropped):
    cells = {"nasnet": 1, "enas": 3, "darts": 5}[assembly]
    network = cell_network(
        SKIPS,
        None,
        num_classes=3,
        in_channels=3,
        cells=cells,
        channels=4,
        assembly=assembly,
    )
    counts = [sum(isinstance(m, DropPath) for m in cell.modules()) for cell in network.cells]
    assert counts == dropped


def test_scheduled_drop_path():
    options = {"num_classes": 3, "in_channels": 3, "channels": 4}
    network = cell_network(SKIPS, SKIPS, cells=6, drop_path=0.4, **options)
    drops = [m for m in network.modules() if isinstance(m, DropPath)]
    assert len(drops) == len(network.cells) == 20
    keeps = [1 - drop.drop_prob for drop in drops]
    assert keeps[0] == pytest.approx(0.98)
    assert keeps[-1] == pytest.approx(0.6)
    set_drop_path(network, 0.0)
    assert all(drop.drop_prob == 0.0 for drop in drops)
    set_drop_path(network, 0.4 * 0.5)  # half way
    assert [drop.drop_prob for drop in drops] == pytest.approx(
        [0.2 * (layer + 1) / 20 for layer in range(20)]
    )
    assert network.drop_path == 0.4
    darts = cell_network(SKIPS, SKIPS, cells=4, assembly="darts", drop_path=0.2, **options)
    assert {m.drop_prob for m in darts.modules() if isinstance(m, DropPath)} == {0.2}
    stem = cell_network(
        SKIPS,
        SKIPS,
        num_classes=3,
        in_channels=3,
        channels=8,
        cells=1,
        stem="imagenet",
        drop_path=0.7,
    )
    first = next(m for m in stem.modules() if isinstance(m, DropPath))
    assert first.drop_prob == pytest.approx(0.1)  # the stem's two cells count: 1 of 7


def test_drop_path_drops_whole_examples_and_keeps_the_mean():
    torch.manual_seed(0)
    drop = DropPath(0.25)
    out = drop(torch.ones(4000, 2, 3, 3))
    assert out.unique().tolist() == pytest.approx([0.0, 4 / 3])
    assert (out.amax((1, 2, 3)) == out.amin((1, 2, 3))).all()
    assert out.mean().item() == pytest.approx(1.0, abs=0.05)
    assert torch.equal(drop.eval()(out), out)
    assert not DropPath(1.0)(torch.ones(3, 2, 1, 1)).any()


def test_set_drop_path_says_what_is_wrong():
    with pytest.raises(ValueError, match=r"`drop_path` must be 0 .*Linear has no module with a `"):
        set_drop_path(nn.Linear(1, 1), 0.1)
    set_drop_path(nn.Linear(1, 1), 0.0)
    with pytest.raises(ValueError, match=r"`drop_path` must lie in \[0, 1\], but got drop_path=2"):
        set_drop_path(DropPath(), 2)
