"""The supernet of ENAS micro: banks, loose ends, and what children share (fact 7)."""

import pytest
import torch
import torch.nn.functional as F
from space_testing import sample
from supernet_testing import assert_paths_are_one_hot_mixtures
from torch import nn

from optuna_nas.nn import FactorizedReduction
from optuna_nas.nn.supernets._block_supernet import BlockMixedCell
from optuna_nas.spaces import ENASMicroSpace, published

SPACE = ENASMicroSpace(num_blocks=3)
OPS = SPACE.ops
SMALL = {"cells": 3, "channels": 4, "num_classes": 5, "in_channels": 2, "dropout": 0.0}
X = torch.linspace(-1, 1, 2 * 2 * 8 * 8).sin().reshape(2, 2, 8, 8)
# Block 3 reads block 2, so that 3 and 4 are loose ends; and in the other child 2, 3 and 4.
ONE = SPACE.parse("0 0 1 4  2 0 1 2  0 3 1 1 " * 2)
TWO = SPACE.parse("0 0 1 4  1 0 1 2  0 3 1 0 " * 2)
# Nobody reads state 1 of the normal cell and state 0 of the reduction cell.
UNREAD = SPACE.parse("0 0 0 4  2 0 2 2  0 3 0 1  1 0 1 4  2 0 1 2  1 3 3 0")


@pytest.fixture
def supernet():
    torch.manual_seed(0)
    return SPACE.supernet(**SMALL)


def touched(supernet, architecture):
    supernet.zero_grad(set_to_none=True)
    supernet(X, architecture=architecture).square().sum().backward()
    return {name: p for name, p in supernet.named_parameters() if p.grad is not None}


def cell_by_hand(supernet, architecture):
    """The first cell, its result for random inputs, and what those inputs become in it."""
    cell = supernet.double().network.cells[0]
    torch.manual_seed(1)
    older, previous = torch.randn(2, 2, 12, 5, 5, dtype=torch.float64)
    selection = {n: SPACE.distributions()[n].choices.index(v) for n, v in architecture.items}
    inputs = cell.project_older(older), cell.project_previous(previous)
    return cell, cell(older, previous, selection), *inputs


def output_by_hand(cell, ends):
    """ReLU, a 1x1 convolution over the loose ends side by side, and batch norm."""
    rows = torch.cat([cell.rows[str(state)].weight for state in ends], dim=1)
    return cell.norm(F.conv2d(torch.cat(list(ends.values()), 1).relu(), rows))


def average(x):
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def test_a_cell_by_hand(supernet):
    cell, found, zero, one = cell_by_hand(supernet, ONE)
    bank = cell.banks["normal_2_input_a"][0].ops[0]  # sep_conv_3x3 of state 0
    two = bank(zero) + one
    three = cell.banks["normal_3_input_a"][2].ops[0](two) + average(one)
    four = F.max_pool2d(zero, 3, 1, 1) + cell.banks["normal_4_input_b"][1].ops[1](one)
    expected = output_by_hand(cell, {3: three, 4: four})
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_an_input_that_no_block_reads_is_a_loose_end(supernet):
    cell, found, zero, one = cell_by_hand(supernet, UNREAD)
    two = cell.banks["normal_2_input_a"][0].ops[0](zero) + zero
    three = cell.banks["normal_3_input_a"][2].ops[0](two) + average(two)
    four = F.max_pool2d(zero, 3, 1, 1) + cell.banks["normal_4_input_b"][0].ops[1](zero)
    expected = output_by_hand(cell, {1: one, 3: three, 4: four})
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_rows_are_those_of_the_space(supernet):
    """What the shared cell adds up is what the network that is built concatenates."""
    for architecture in [ONE, TWO, UNREAD, *sample(SPACE, 10)]:
        got = touched(supernet, architecture)
        for number, scope in ((0, "normal"), (1, "reduce")):
            prefix = f"network.cells.{number}.rows."
            rows = {int(n.removeprefix(prefix).split(".")[0]) for n in got if n.startswith(prefix)}
            assert rows == set(getattr(architecture.genotype, scope).output)


def test_number_of_weights():
    """Counted by hand at C = 20: banks for 2, 3, ... inputs, two sides, B + 2 rows."""
    with torch.device("meta"):
        supernet = ENASMicroSpace().supernet()

    def cell(c):
        sep = sum(2 * (k * k * c + c * c + 2 * c) for k in (3, 5))
        return 2 * (2 + 3 + 4 + 5 + 6) * sep + 7 * c * c + 2 * c

    def conv(p, c):
        return p * c + 2 * c  # a 1x1 convolution, or a factorised reduction, and its norm

    widths = [20, 20, 40, 40, 40, 80, 80, 80]
    calibrations = 2 * conv(60, 20) + conv(60, 20)  # cells 0 and 1 read the stem
    # A reduction halves its newest input, and its cell the older one.
    calibrations += 2 * conv(20, 40) + 2 * conv(40, 80)
    total = 27 * 60 + 120 + sum(map(cell, widths)) + calibrations + 80 * 10
    assert sum(p.numel() for p in supernet.weights().values()) == total


def test_places(supernet):
    network = supernet.network
    assert list(network.reductions) == ["1", "3"]  # L // 3 and 2 (L // 3) + 1, of L + 2 cells
    assert [cell.scope for cell in network.cells] == [
        "normal",
        "reduce",
        "normal",
        "reduce",
        "normal",
    ]
    halving = [isinstance(cell.project_older, FactorizedReduction) for cell in network.cells]
    assert halving == [False, True, False, True, False]
    shapes = []
    for cell in network.cells:
        cell.register_forward_hook(lambda m, i, out: shapes.append(tuple(out.shape[1:])))
    assert supernet(X, architecture=ONE).shape == (2, 5)
    assert shapes == [(4, 8, 8), (8, 4, 4), (8, 4, 4), (16, 2, 2), (16, 2, 2)]
    assert supernet.network.head.fc.bias is None


def test_one_path_is_the_mixture_with_one_hot_weights(supernet):
    assert_paths_are_one_hot_mixtures(supernet, X, [ONE, TWO, UNREAD, *sample(SPACE, 4)])


def test_a_child_touches_only_its_tensors(supernet):
    got = touched(supernet, ONE)
    cell = "network.cells.0."
    banks = {name.removeprefix(cell)[:30] for name in got if name.startswith(cell + "banks")}
    assert banks == {
        "banks.normal_2_input_a.0.ops.0",
        "banks.normal_3_input_a.2.ops.0",
        "banks.normal_4_input_b.1.ops.1",
    }
    rows = {name for name in got if name.startswith(cell + "rows")}
    assert rows == {f"{cell}rows.3.weight", f"{cell}rows.4.weight"}
    assert not any("_alphas" in name for name in got)


def test_children_share_what_they_share(supernet):
    one, two = touched(supernet, ONE), touched(supernet, TWO)
    weight = "ops.0.0.1.weight"  # of the first depthwise convolution of a sep_conv_3x3
    shared = f"network.cells.0.banks.normal_2_input_a.0.{weight}"
    assert one[shared] is two[shared]
    # Block 3 has the same operation on another input; block 4 another operation on the same one.
    assert f"network.cells.0.banks.normal_3_input_a.2.{weight}" in one.keys() - two.keys()
    assert f"network.cells.0.banks.normal_3_input_a.1.{weight}" in two.keys() - one.keys()
    assert f"network.cells.0.banks.normal_4_input_b.1.{weight}" in two.keys() - one.keys()
    assert "network.cells.0.rows.2.weight" in two.keys() - one.keys()
    row = "network.cells.0.rows.3.weight"
    assert one[row] is two[row]


def test_all_parameters_get_gradients_from_the_mixture(supernet):
    supernet(X).square().sum().backward()
    assert all(p.grad is not None for p in supernet.parameters())


def test_alphas_are_those_of_the_decisions(supernet):
    assert list(supernet.alphas()) == list(SPACE.distributions())
    assert supernet.choices["normal_4_input_a"] == (0, 1, 2, 3)
    with torch.no_grad():
        for name, alpha in supernet.alphas().items():
            alpha.zero_()
            alpha[supernet.choices[name].index(ONE.params[name])] = 1.0
    assert supernet.derive() == ONE
    assert str(supernet.derive()) == str(ONE)


def test_evaluation_uses_the_statistics_of_the_batch(supernet):
    assert not any(
        isinstance(m, nn.BatchNorm2d) and m.track_running_stats for m in supernet.modules()
    )
    assert torch.equal(supernet(X, architecture=ONE), supernet.eval()(X, architecture=ONE))
    tracking = SPACE.supernet(track_running_stats=True, **SMALL)
    assert all(m.track_running_stats for m in tracking.modules() if isinstance(m, nn.BatchNorm2d))


def test_auxiliary_head():
    supernet = SPACE.supernet(auxiliary=True, **SMALL)
    logits, aux_logits = supernet(X, architecture=ONE)
    assert logits.shape == aux_logits.shape == (2, 5)
    assert supernet.eval()(X, architecture=ONE).shape == (2, 5)


def test_fixed_decisions():
    fixed = {"normal_3_input_a": 2, "normal_2_op_a": "identity", "reduce_2_input_b": 1}
    supernet = SPACE.supernet(fixed=fixed, **SMALL)
    assert not fixed.keys() & supernet.alphas().keys()
    cell = supernet.network.cells[0]
    assert isinstance(cell, BlockMixedCell)
    assert len(cell.banks["normal_3_input_a"]) == 1
    assert len(cell.banks["normal_2_input_a"][0].ops) == 1
    assert supernet(X).shape == (2, 5)
    derived = supernet.derive()
    assert fixed.items() <= derived.params.items()
    assert torch.isfinite(supernet(X, architecture=derived)).all()
    with pytest.raises(ValueError, match=r"among \(2,\), but the architecture has 1"):
        supernet(X, architecture=SPACE.architecture({**derived.params, "normal_3_input_a": 1}))


@pytest.mark.parametrize("size", [5, 7, 8])
def test_image_sizes(supernet, size):
    assert supernet(torch.randn(2, 2, size, size), architecture=TWO).shape == (2, 5)


def test_the_published_cell():
    space = ENASMicroSpace()
    supernet = space.supernet(**SMALL)
    assert supernet(X, architecture=space.architecture(published.ENAS_MICRO.params)).shape == (
        2,
        5,
    )


def test_on_the_meta_device():
    with torch.device("meta"):
        supernet = SPACE.supernet(**SMALL)
        assert supernet(X.to("meta"), architecture=ONE).shape == (2, 5)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="`channels` must be at least 2"):
        SPACE.supernet(channels=1)
    with pytest.raises(ValueError, match="`num_classes` must be at least 0"):
        SPACE.supernet(num_classes=-1)
    arguments = SPACE.supernet_arguments
    assert (arguments["cells"], arguments["channels"]) == tuple(SPACE.proxy.values())
