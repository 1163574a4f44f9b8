"""ENAS micro as the released code builds it: loose ends, inputs among them."""

import torch
from torch import nn

from optuna_nas.nn import FactorizedReduction
from optuna_nas.spaces import AmoebaNetSpace, ENASMicroSpace

SPACE = ENASMicroSpace(num_blocks=3)
# In the normal cell nobody reads state 1, in the reduction cell nobody reads state 0.
UNREAD = SPACE.parse("0 0 0 4  2 0 2 2  0 3 0 1  1 0 1 4  2 0 1 2  1 3 3 0")


def test_loose_ends():
    assert UNREAD.genotype.normal.output == (1, 3, 4)
    assert UNREAD.genotype.normal.loose_ends == (3, 4)
    assert UNREAD.genotype.normal.unread == (1, 3, 4)
    assert UNREAD.genotype.reduce.output == (0, 4)


def test_other_spaces_pass_on_blocks_only():
    """The texts of NASNet and AmoebaNet speak of generated states."""
    text = "2 = identity(0) + identity(0); 3 = identity(0) + identity(0)"
    cells = AmoebaNetSpace(num_blocks=2).parse(f"normal: {text} | reduce: {text}").genotype
    assert cells.normal.output == cells.reduce.output == (2, 3)


def test_an_unread_input_is_in_the_picture():
    edges = {(e.source, e.target) for e in UNREAD.graph().edges}
    assert ("normal cell/1", "normal cell/output") in edges
    assert ("reduction cell/0", "reduction cell/output") in edges
    assert ("normal cell/0", "normal cell/output") not in edges


def test_an_unread_input_counts():
    """Whether an input is passed on or read depends on one decision, and so does the digest."""
    other = SPACE.architecture({**UNREAD.params, "normal_3_input_b": 1})
    assert other.genotype.normal.output == (3, 4)
    assert other.digest != UNREAD.digest


def test_cells_by_hand():
    torch.manual_seed(0)
    network = UNREAD.build(num_classes=3, cells=3, channels=4).double().eval()
    normal, reduce = network.cells[:2]
    older, previous = torch.randn(2, 2, 12, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        zero, one = normal.project_older(older), normal.project_previous(previous)
        ops = [op for node in normal.nodes.values() for op in node.edges]
        two = ops[0](zero) + zero
        three = ops[2](two) + ops[3](two)
        four = ops[4](zero) + ops[5](zero)
        assert torch.equal(normal(previous, older), torch.cat([one, three, four], dim=1))

        zero, one = reduce.project_older(older), reduce.project_previous(previous)
        ops = [op for node in reduce.nodes.values() for op in node.edges]
        two = ops[0](one) + ops[1](one)
        three = ops[2](two) + ops[3](one)
        four = ops[4](one) + ops[5](three)
        halve = reduce.outputs[0]
        assert isinstance(halve, FactorizedReduction)
        assert isinstance(halve.act, nn.Identity)
        assert torch.equal(reduce(previous, older), torch.cat([halve(zero), four], dim=1))


def test_a_cell_of_unread_inputs_learns():
    """One block that reads a single input: the other one is always passed on."""
    space = ENASMicroSpace(num_blocks=1)
    for text in ("0 0 0 1 1 4 1 4", "1 2 1 3 0 4 0 0", "0 4 0 4 0 3 0 3"):
        network = space.parse(text).build(num_classes=3, cells=3, channels=4)
        for size in (8, 11):
            network.zero_grad()
            network(torch.randn(2, 3, size, size)).square().sum().backward()
            assert all(p.grad is not None for p in network.parameters())
