"""The supernet of DARTS: specs/darts.md, facts 1 and 2, and its rule of discretisation."""

import itertools

import pytest
import torch

from optuna_nas.nn import ImageTooSmallError, OddSizeError
from optuna_nas.nn.supernets._darts_supernet import DARTSMixedCell
from optuna_nas.spaces import DARTSSpace, published

SPACE = DARTSSpace()
OPS = ("none", *SPACE.ops)
NONE, MAX, AVG, SKIP, SEP_3, SEP_5, DIL_3, DIL_5 = range(8)
SMALL = {"cells": 3, "channels": 4, "num_classes": 5, "in_channels": 2}
X = torch.linspace(-1, 1, 2 * 2 * 8 * 8).sin().reshape(2, 2, 8, 8)
EDGES = [f"{i}_from_{j}" for i in (2, 3, 4, 5) for j in range(i)]


@pytest.fixture(scope="module")
def supernet():
    torch.manual_seed(0)
    return SPACE.supernet(**SMALL)


@pytest.mark.parametrize(
    ("channels", "cells", "weights"),
    [(16, 8, 1_930_618), (8, 5, 394_210), (16, 5, 1_275_834), (8, 3, 209_442), (4, 3, 72_854)],
)
def test_number_of_weights(channels, cells, weights):
    with torch.device("meta"):
        supernet = SPACE.supernet(cells=cells, channels=channels)
    assert sum(p.numel() for p in supernet.weights().values()) == weights


def test_alphas(supernet):
    names = [f"{scope}_{edge}" for scope in ("normal", "reduce") for edge in EDGES]
    assert list(supernet.alphas()) == names
    assert sum(alpha.numel() for alpha in supernet.alphas().values()) == 224
    assert set(supernet.choices.values()) == {OPS}
    assert SPACE.supernet_arguments["cells"] == SPACE.proxy["cells"]
    assert SPACE.supernet_arguments["channels"] == SPACE.proxy["channels"]


def test_a_cell_mixes_by_hand():
    mixed = DARTSSpace(num_nodes=2).supernet(cells=3, channels=4).double().network.cells[0]
    assert isinstance(mixed, DARTSMixedCell)
    torch.manual_seed(0)
    x, y = torch.randn(2, 2, 12, 4, 4, dtype=torch.float64)
    weights = {name: torch.rand(8, dtype=torch.float64).softmax(0) for name in mixed.mixed}

    def edge(name, state):
        w = weights[f"normal_{name}"]
        ops = mixed.mixed[f"normal_{name}"].ops
        assert len(ops) == 7  # `none` is not made
        return sum(w[i + 1] * op(state) for i, op in enumerate(ops))

    zero, one = mixed.project_older(x), mixed.project_previous(y)
    two = edge("2_from_0", zero) + edge("2_from_1", one)
    three = edge("3_from_0", zero) + edge("3_from_1", one) + edge("3_from_2", two)
    expected = torch.cat([two, three], 1)
    torch.testing.assert_close(mixed(x, y, weights), expected, rtol=0, atol=1e-12)


# Discretisation


def derived(rows: dict[str, list[float]], space: DARTSSpace = SPACE):
    """The nodes of the normal cell at given alphas, all others 0."""
    supernet = space.supernet(cells=1, channels=2)
    with torch.no_grad():
        for alpha in supernet.alphas().values():
            alpha.zero_()
        for edge, row in rows.items():
            supernet.alphas()[f"normal_{edge}"].copy_(torch.tensor(row))
    cell = supernet.derive().genotype.normal
    return [[(edge.input, edge.op) for edge in node.edges] for node in cell.nodes]


def at(**values: float) -> list[float]:
    return [values.get(op, 0.0) for op in OPS]


def test_all_ties_keep_the_lower_index():
    first = [(0, "max_pool_3x3"), (1, "max_pool_3x3")]  # `none` is never kept
    assert derived({}) == [first] * 4


def test_the_two_best_edges():
    nodes = derived(
        {
            "4_from_1": at(sep_conv_3x3=2.0),
            "4_from_3": at(dil_conv_5x5=1.0),
            "4_from_0": at(skip_connect=0.5),
        }
    )
    assert nodes[2] == [(1, "sep_conv_3x3"), (3, "dil_conv_5x5")]


def test_a_tie_between_edges():
    row, other = at(sep_conv_5x5=1.0), at(dil_conv_3x3=1.0)  # equal scores, other operations
    nodes = derived({"5_from_2": row, "5_from_3": other, "5_from_4": row})
    assert nodes[3] == [(2, "sep_conv_5x5"), (3, "dil_conv_3x3")]


def test_a_tie_between_operations():
    nodes = derived({"2_from_0": at(skip_connect=1.0, sep_conv_5x5=1.0, none=1.0)})
    assert nodes[0] == [(0, "skip_connect"), (1, "max_pool_3x3")]


def test_none_takes_part_in_the_softmax_only():
    """A large alpha of `none` lowers the score of its edge, though it is never chosen."""
    nodes = derived(
        {
            "3_from_0": at(none=9.0, sep_conv_3x3=3.0),
            "3_from_1": at(sep_conv_5x5=2.0),
            "3_from_2": at(dil_conv_3x3=1.0),
        }
    )
    assert nodes[1] == [(1, "sep_conv_5x5"), (2, "dil_conv_3x3")]
    nodes = derived({"2_from_0": at(none=9.0, avg_pool_3x3=0.5)})
    assert nodes[0] == [(0, "avg_pool_3x3"), (1, "max_pool_3x3")]


def test_ties_do_not_depend_on_rounding():
    """Rows with the same values in another order have exactly the same scores."""
    values = [0.3, 0.1, -0.7, 1.1, 0.0123, 2.3, -1.9, 0.6]
    for order in list(itertools.permutations(values))[::4001]:
        row = list(order)
        nodes = derived({"3_from_0": row, "3_from_1": values, "3_from_2": values[::-1]})
        best = max(range(1, 8), key=row.__getitem__)
        if row[0] != max(values):
            assert nodes[1] == [(0, OPS[best]), (1, "sep_conv_5x5")]


def test_other_spaces_of_the_family():
    small = DARTSSpace(num_nodes=2, ops=("skip_connect", "sep_conv_3x3"))
    assert list(small.supernet(cells=1, channels=2).choices.values())[0] == ("none", *small.ops)
    nodes = derived({"3_from_2": [0.0, 0.0, 1.0]}, small)
    assert nodes == [
        [(0, "skip_connect"), (1, "skip_connect")],
        [(0, "skip_connect"), (2, "sep_conv_3x3")],
    ]
    with_none = DARTSSpace(keep_none=True)
    supernet = with_none.supernet(**SMALL)
    params = dict.fromkeys(supernet.derive().params, "none")
    params |= {name: "0,1" for name in params if name.endswith("_inputs")}
    nothing = with_none.architecture(params)
    assert torch.isfinite(supernet(X, architecture=nothing)).all()
    assert "none" not in supernet.derive().params.values()


# One path


def touched(supernet, architecture):
    supernet.zero_grad(set_to_none=True)
    supernet(X, architecture=architecture).square().sum().backward()
    return {name: p for name, p in supernet.named_parameters() if p.grad is not None}


def test_a_path_touches_only_its_edges(supernet):
    ours = touched(supernet, published.DARTS_V2)
    kept = {
        f"{scope}_{state}_from_{edge.input}.ops.{OPS.index(edge.op) - 1}."
        for scope, cell in zip(("normal", "reduce"), published.DARTS_V2.genotype, strict=True)
        for state, node in enumerate(cell.nodes, start=2)
        for edge in node.edges
    }
    on_edges = {name for name in ours if ".mixed." in name}
    assert on_edges
    assert all(any(edge in name for edge in kept) for name in on_edges)
    assert not any("_alphas" in name for name in ours)
    untouched = {name for name in supernet.weights() if ".mixed." not in name} - ours.keys()
    assert untouched == set()


def test_children_that_share_an_edge_share_the_tensor(supernet):
    one, two = touched(supernet, published.DARTS_V1), touched(supernet, published.DARTS_V2)
    shared = "network.cells.0.mixed.normal_2_from_0.ops.3.0.1.weight"  # sep_conv_3x3 in both
    assert one[shared] is two[shared]
    own = "network.cells.0.mixed.normal_5_from_2.ops.5.1.weight"  # dil_conv_3x3 in V2 only
    assert own in two
    assert own not in one


def test_a_path_is_a_sum_with_weights_of_one_and_zero(supernet):
    """Weights that are zero on every edge but the kept ones give the same network."""
    wide = supernet.double().eval()
    rows = {name: torch.zeros(8, dtype=torch.float64) for name in wide.alphas()}
    for name, op in SPACE.path(published.DARTS_V1).items():
        rows[name][OPS.index(op)] = 1.0
    x = X.double()
    torch.testing.assert_close(
        wide(x, architecture=published.DARTS_V1), wide(x, mixture=rows), rtol=0, atol=1e-12
    )
    supernet.float().train()


def test_no_decision_can_be_fixed():
    with pytest.raises(ValueError, match=r"`fixed` must be empty.*\['normal_2_op_a'\].*set `ops`"):
        SPACE.supernet(fixed={"normal_2_op_a": "skip_connect"})


@pytest.mark.parametrize(
    ("size", "error", "message"),
    [
        ((2, 8), ImageTooSmallError, "4x4"),
        ((8, 10), OddSizeError, "8 for the height and 8 or 12 for the width"),
    ],
)
def test_sizes_that_cannot_be_halved(supernet, size, error, message):
    with pytest.raises(error, match=message):
        supernet(torch.zeros(2, 2, *size))
    assert supernet(torch.zeros(2, 2, 4, 12)).shape == (2, 5)


def test_too_few_channels():
    with pytest.raises(ValueError, match="`channels` must be at least 2"):
        SPACE.supernet(channels=1)
    with pytest.raises(ValueError, match="`cells` must be at least 1"):
        SPACE.supernet(cells=0)
