"""Rows of codes: columns by name, 0 for what was not asked, the same whatever came first."""

from __future__ import annotations

import itertools

import numpy as np
from optuna.distributions import CategoricalDistribution, IntDistribution

from optuna_nas.samplers.base._decisions import Assignment, Decision
from optuna_nas.samplers.predictor._activity import Activity
from optuna_nas.samplers.predictor._encoding import Encoding

OP = Decision("op", CategoricalDistribution(["1", 1, None]), 3)
DEPTH = Decision("depth", IntDistribution(1, 2), 2)
DEEPER = Decision("depth", IntDistribution(1, 5, step=2), 3)


def test_rows_and_back() -> None:
    encoding = Encoding([OP, DEPTH])
    assert encoding.names == ("depth", "op")
    rows = encoding.encode(
        [{"op": Assignment(OP, 2), "depth": Assignment(DEPTH, 1)}, {"op": Assignment(OP, 0)}]
    )
    assert rows.tolist() == [[2, 3], [0, 1]]
    assert encoding.decode(rows[0]) == {"depth": Assignment(DEPTH, 1), "op": Assignment(OP, 2)}
    assert encoding.decode(rows[1]) == {"op": Assignment(OP, 0)}


def test_ranges_of_one_name_share_a_column() -> None:
    """The depths are 1, 2, 3 and 5, in that order, whichever range came first."""
    for decisions in itertools.permutations([DEPTH, DEEPER, OP]):
        encoding = Encoding(decisions)
        assert encoding.sizes.tolist() == [4, 3]
        rows = encoding.encode([{"depth": Assignment(DEPTH, 1)}, {"depth": (DEEPER, 1)}])
        assert rows[:, 0].tolist() == [2, 3]
        values = [step[0].value(step[1]) for step in map(_depth(encoding), range(1, 5))]
        assert values == [1, 2, 3, 5]
    same = encoding.encode([{"depth": Assignment(DEPTH, 0)}, {"depth": (DEEPER, 0)}])
    assert same[0, 0] == same[1, 0]


def _depth(encoding: Encoding):  # type: ignore[no-untyped-def]
    return lambda code: encoding.decode([code, 0])["depth"]


def test_one_hot_and_everything() -> None:
    encoding = Encoding([OP, DEPTH])
    everything = encoding.everything()
    assert len({tuple(row) for row in everything.tolist()}) == len(everything) == 6
    hot = encoding.one_hot(np.array([[0, 2], [1, 3]]))
    assert hot.tolist() == [[1, 0, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, 0, 1]]
    assert encoding.choices.tolist() == [[0, 1], [0, 2], [1, 1], [1, 2], [1, 3]]


def test_what_is_asked_for_is_learned() -> None:
    """op_2 and op_3 are asked for from depth 2 and 3 on, op_3_width if op_3 is 1."""
    depth = Decision("depth", IntDistribution(1, 3), 3)
    ops = [Decision(f"op_{i}", CategoricalDistribution([0, 1]), 2) for i in (1, 2, 3)]
    width = Decision("op_3_width", CategoricalDistribution([8, 16]), 2)
    encoding = Encoding([depth, *ops, width])
    rng = np.random.RandomState(0)
    rows = 1 + (rng.random_sample((60, 5)) * encoding.sizes).astype(np.int64)
    asked = rows.copy()
    for i in (2, 3):
        asked[rows[:, 0] < i, i] = 0
    asked[asked[:, 3] != 2, 4] = 0
    activity = Activity.learn(encoding, asked)
    assert [(column, by) for column, by, _ in activity.rules] == [(2, 0), (3, 0), (4, 3)]
    deepened = activity.repair(np.array([[3, 1, 0, 0, 0]]), np.array([[1, 1, 2, 2, 1]]))
    assert deepened.tolist() == [[3, 1, 2, 2, 1]]
    cut = activity.repair(np.array([[2, 1, 2, 2, 1]]), np.ones((1, 5), dtype=np.int64))
    assert cut.tolist() == [[2, 1, 2, 0, 0]]
    assert Activity.learn(encoding, rows).rules == ()
