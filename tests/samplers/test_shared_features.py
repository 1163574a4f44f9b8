"""Features of cells of any size: shares of choices among decisions of one kind."""

from __future__ import annotations

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution

from optuna_nas.samplers._decisions import Slot, SlotTable, as_decides
from optuna_nas.samplers._growth import combinations
from optuna_nas.samplers._shared_features import SharedFeatures

SLOTS = SlotTable(as_decides(None))


def slot(name: str, *choices: object) -> Slot:
    made = SLOTS.get(name, CategoricalDistribution(choices))
    assert made is not None
    return made


OP_2, OP_3 = slot("cell_2_op_a", "conv", "pool"), slot("cell_3_op_a", "conv", "pool")
INPUT_2, INPUT_3 = slot("cell_2_input_a", 0, 1), slot("cell_3_input_a", 0, 1, 2)
FEATURES = SharedFeatures([INPUT_2, OP_2, INPUT_3, OP_3])


def test_a_cell_is_the_share_of_each_choice_among_its_blocks() -> None:
    cells = [
        {s.name: (s, i) for s, i in [(INPUT_2, 1), (OP_2, 0)]},
        {s.name: (s, i) for s, i in [(INPUT_2, 1), (OP_2, 0), (INPUT_3, 2), (OP_3, 1)]},
    ]
    # inputs 0, 1, 2, then operations conv, pool
    expected = [[0, 1, 0, 1, 0], [0, 0.5, 0.5, 0.5, 0.5]]
    np.testing.assert_array_equal(FEATURES.of(cells), expected)


def test_what_was_learned_of_one_block_holds_for_the_next() -> None:
    first = FEATURES.of([{OP_2.name: (OP_2, 1)}])
    second = FEATURES.of([{OP_3.name: (OP_3, 1)}])
    np.testing.assert_array_equal(first, second)


def test_an_extension_counts_as_its_parent_and_what_is_new() -> None:
    parent = {s.name: (s, i) for s, i in [(INPUT_2, 0), (OP_2, 1)]}
    choices = combinations([INPUT_3, OP_3], 100, np.random.RandomState(0))
    counts = FEATURES.count(parent.values()) + FEATURES.counts([INPUT_3, OP_3], choices)
    children = [
        {**parent, INPUT_3.name: (INPUT_3, a), OP_3.name: (OP_3, b)} for a, b in choices.tolist()
    ]
    np.testing.assert_array_equal(FEATURES.shares(counts), FEATURES.of(children))


def test_unknown_decisions_are_left_out() -> None:
    other = slot("width", 16, 32)
    np.testing.assert_array_equal(FEATURES.of([{other.name: (other, 0)}]), np.zeros((1, 5)))


def test_integers_are_choices_too() -> None:
    width = SLOTS.get("block_1_width", IntDistribution(2, 6, step=2))
    assert width is not None
    features = SharedFeatures([width])
    np.testing.assert_array_equal(features.of([{width.name: (width, 2)}]), [[0, 0, 1]])
    np.testing.assert_array_equal(features.of([{width.name: (width, 0)}]), [[1, 0, 0]])


@pytest.mark.parametrize("limit", [6, 100])
def test_all_combinations_are_given_where_there_are_few(limit: int) -> None:
    choices = combinations([INPUT_3, OP_3], limit, np.random.RandomState(0))
    assert sorted(map(tuple, choices.tolist())) == [(a, b) for a in range(3) for b in range(2)]


def test_random_combinations_are_given_where_there_are_many() -> None:
    choices = combinations([INPUT_3, OP_3], 5, np.random.RandomState(0))
    assert choices.shape == (5, 2)
    assert ((choices >= 0) & (choices < [3, 2])).all()
