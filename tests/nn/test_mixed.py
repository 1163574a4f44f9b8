"""Sums of candidates, one candidate, and what takes no part."""

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import nn

from optuna_nas.nn.ops import use_batch_statistics
from optuna_nas.nn.supernets import Board, MixedOp, Switch, SwitchedNetwork
from optuna_nas.nn.supernets._mixed import add_up, weighted_sum

X = torch.linspace(-1, 1, 2 * 3 * 5 * 5, dtype=torch.float64).sin().reshape(2, 3, 5, 5)


def convs() -> list[nn.Module]:
    torch.manual_seed(0)
    return [nn.Conv2d(3, 4, k, padding=k // 2, dtype=torch.float64) for k in (1, 3, 5)]


def test_a_mixture_is_the_weighted_sum():
    ops = convs()
    weights = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    expected = 0.2 * ops[0](X) + 0.5 * ops[1](X) + 0.3 * ops[2](X)
    torch.testing.assert_close(MixedOp(ops)(X, weights), expected, rtol=0, atol=1e-12)
    results = [op(X) for op in ops]
    torch.testing.assert_close(weighted_sum(results, weights), expected, rtol=0, atol=1e-12)


def test_one_candidate_is_the_sum_with_a_one_hot_weight():
    mixed = MixedOp(convs())
    for index in range(3):
        one_hot = torch.eye(3, dtype=torch.float64)[index]
        torch.testing.assert_close(mixed(X, index), mixed(X, one_hot), rtol=0, atol=1e-12)


def test_one_candidate_touches_only_its_weights():
    mixed = MixedOp(convs())
    mixed(X, 1).sum().backward()
    touched = [[p.grad is not None for p in op.parameters()] for op in mixed.ops]
    assert touched == [[False] * 2, [True] * 2, [False] * 2]


def test_zeros_are_not_computed_but_keep_their_weight():
    first, second, _ = convs()
    mixed = MixedOp([None, first, None, second])
    weights = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    torch.testing.assert_close(mixed(X, weights), 0.2 * first(X) + 0.4 * second(X))
    assert mixed(X, 0) is None
    assert torch.equal(mixed(X, 3), second(X))
    assert MixedOp([None, None])(X, weights[:2]) is None


def test_add_up():
    assert add_up([None, None]) is None
    assert add_up([]) is None
    assert add_up([None, X]) is X
    assert torch.equal(add_up([X, None, X]), 2 * X)


def test_gradient_of_the_weights():
    ops = convs()
    alpha = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a: MixedOp(ops)(X, a.softmax(-1)), (alpha,))


def switched() -> tuple[SwitchedNetwork, list[nn.Module]]:
    board = Board()
    ops = convs()
    switch = Switch("op", dict(zip("abc", ops, strict=True)), board)
    return SwitchedNetwork(nn.Sequential(switch, nn.ReLU()), board), ops


def test_a_switch_reads_its_board():
    network, ops = switched()
    weights = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    expected = MixedOp(ops)(X, weights).relu()
    torch.testing.assert_close(network(X, selection={"op": weights}), expected, rtol=0, atol=1e-12)
    assert torch.equal(network(X, selection={"op": 2}), ops[2](X).relu())
    assert "op, choices=('a', 'b', 'c')" in repr(network)


def test_a_switch_belongs_to_its_network():
    network, _ = switched()
    with pytest.raises(RuntimeError, match="`op` are weighted by the supernet"):
        network.network(X)
    with pytest.raises(RuntimeError, match="does not decide on `op`"):
        network(X, selection={})
    with pytest.raises(RuntimeError, match="`op` are weighted by the supernet"):
        network.network(X)  # an exception has not left anything on the board


@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_have_a_board_of_their_own(again):
    network, _ = switched()
    other = again(network)
    assert other.board is other.network[0].board
    assert other.board is not network.board
    assert torch.equal(other(X, selection={"op": 1}), network(X, selection={"op": 1}))


def test_a_switch_passes_on_whatever_it_is_called_with():
    class Product(nn.Module):
        def forward(self, x, y, *, scale):
            return x * y * scale

    network = Switch("op", {"a": Product()}, Board())
    network.board.selection = {"op": 0}
    assert network(2, 3, scale=5) == 30


def test_candidates_that_do_not_fit_are_named():
    network, _ = switched()
    network.network[0].candidates[1] = nn.Conv2d(3, 1, 1, dtype=torch.float64)  # would broadcast
    weights = torch.ones(3, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"`op` must give.*'b': \(2, 1, 5, 5\).*projection"):
        network(X, selection={"op": weights})


class Several(nn.Module):
    """Returns a tensor in each kind of container."""

    def __init__(self, factor: float, last: object = None) -> None:
        super().__init__()
        self.factor = factor
        self.last = last

    def forward(self, x: torch.Tensor) -> list[object]:
        y = self.factor * x
        return [y, (y, {"pooled": y.mean((2, 3))}), *([] if self.last is None else [self.last])]


def mixed_several(*last: object) -> Any:
    board = Board()
    candidates = {i: Several(1.0 + i, one) for i, one in enumerate(last)}
    network = SwitchedNetwork(Switch("op", candidates, board), board)
    return network(X, selection={"op": torch.tensor([0.25, 0.75], dtype=torch.float64)})


def test_containers_are_mixed_part_by_part():
    first, (second, named) = mixed_several(None, None)
    expected = 0.25 * X + 0.75 * 2 * X
    for found in (first, second):
        torch.testing.assert_close(found, expected)
    torch.testing.assert_close(named["pooled"], expected.mean((2, 3)))


@pytest.mark.parametrize("last", [(1, 1), ([], []), (torch.ones(2), torch.ones(3)), (X, None)])
def test_other_containers_are_not(last):
    with pytest.raises(
        ValueError, match=r"`op` must give tensors of equal shapes .*, but got {0: \["
    ):
        mixed_several(*last)


def test_batch_statistics_in_evaluation():
    norm = nn.Sequential(nn.BatchNorm2d(3))
    use_batch_statistics(norm)
    norm.eval()
    out = norm(X.float())
    torch.testing.assert_close(out.mean((0, 2, 3)), torch.zeros(3), atol=1e-6, rtol=0)
    assert len(list(norm.buffers())) == 0
