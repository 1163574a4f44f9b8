"""Features of cells of any size: shares of choices among decisions of one kind."""

from __future__ import annotations

import numpy as np
from optuna.distributions import CategoricalDistribution, IntDistribution

from optuna_nas.samplers.base._decisions import Decision, DecisionTable, as_decides
from optuna_nas.samplers.predictor._encoding import Encoding, Floats
from optuna_nas.samplers.predictor._shared_features import SharedFeatures

TABLE = DecisionTable(as_decides(None))


def decision(name: str, *choices: object) -> Decision:
    made = TABLE.get(name, CategoricalDistribution(choices))
    assert made is not None
    return made


OP_2, OP_3 = decision("cell_2_op_a", "conv", "pool"), decision("cell_3_op_a", "conv", "pool")
INPUT_2, INPUT_3 = decision("cell_2_input_a", 0, 1), decision("cell_3_input_a", 0, 1, 2)
SIZE = decision("num_blocks", 1, 2)


def shares(*cells: list[tuple[Decision, int]]) -> Floats:
    encoding = Encoding([INPUT_2, OP_2, INPUT_3, OP_3, SIZE])
    features = SharedFeatures(encoding, besides="num_blocks")
    rows = encoding.encode([{s.name: (s, index) for s, index in cell} for cell in cells])
    return features.shares(rows)


def test_a_cell_is_the_share_of_each_choice_among_its_blocks() -> None:
    small = [(INPUT_2, 1), (OP_2, 0)]
    large = [(INPUT_2, 1), (OP_2, 0), (INPUT_3, 2), (OP_3, 1)]
    # inputs 0, 1, 2, then operations conv, pool
    expected = [[0, 1, 0, 1, 0], [0, 0.5, 0.5, 0.5, 0.5]]
    np.testing.assert_array_equal(shares(small, large), expected)


def test_what_was_learned_of_one_block_holds_for_the_next() -> None:
    np.testing.assert_array_equal(shares([(OP_2, 1)]), shares([(OP_3, 1)]))


def test_the_size_says_nothing() -> None:
    first, second = shares([(SIZE, 0), (OP_2, 1)], [(SIZE, 1), (OP_2, 1)])
    np.testing.assert_array_equal(first, second)


def test_unknown_decisions_are_left_out() -> None:
    other = decision("width", 16, 32)
    np.testing.assert_array_equal(shares([(other, 0)]), np.zeros((1, 5)))


def test_integers_are_choices_too() -> None:
    width = TABLE.get("block_1_width", IntDistribution(2, 6, step=2))
    assert width is not None
    encoding = Encoding([width])
    features = SharedFeatures(encoding, besides="num_blocks")
    rows = encoding.encode([{width.name: (width, 2)}, {width.name: (width, 0)}])
    np.testing.assert_array_equal(features.shares(rows), [[0, 0, 1], [1, 0, 0]])


def test_in_their_units_rows_of_uniform_choices_vary_by_about_one() -> None:
    decisions = [decision(f"op_{i}", "conv", "pool", "skip") for i in range(8)]
    decisions += [decision(f"input_{i}", 0, 1, 2, 3) for i in range(3)]
    encoding = Encoding([*decisions, decision("width", 16, 32)])
    random = np.random.RandomState(0)
    rows = 1 + random.randint(0, encoding.sizes, (5000, len(encoding.names)))
    scaled = encoding.shared.shares(rows) * encoding.shared.units
    variances = scaled.var(axis=0)
    # half of (1 - 1 / choices) for each of the two kinds, nothing for the width
    np.testing.assert_allclose(
        [variances[:4].sum(), variances[4:7].sum(), variances[7:].sum()],
        [0.5 * 3 / 4, 0.5 * 2 / 3, 0.0],
        rtol=0.05,
    )


def test_decisions_that_have_nothing_in_common_have_no_shares() -> None:
    encoding = Encoding([decision("width", 16, 32), decision("depth", 1, 2)])
    assert not encoding.shared.units.any()
    assert Encoding(()).shared.shares(np.zeros((2, 0), dtype=np.int64)).shape == (2, 0)
