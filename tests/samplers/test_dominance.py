"""Fronts and crowding against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from optuna.study import StudyDirection

from optuna_nas.samplers.evolution._dominance import (
    crowding_distances,
    dominates,
    front_ranks,
    losses,
)

MAXIMIZE, MINIMIZE = StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE


def test_fronts_of_a_known_example() -> None:
    rows = losses([(0, 3), (1, 1), (3, 0), (2, 2), (3, 3), (1, 1), (9, 9)], [MINIMIZE, MINIMIZE])
    assert front_ranks(rows) == [0, 0, 0, 1, 2, 0, 3]
    turned = losses([(0, -3), (1, -1), (3, 0), (2, -2)], [MINIMIZE, MAXIMIZE])
    assert front_ranks(turned) == [0, 0, 0, 1]


@pytest.mark.parametrize("objectives", [2, 3])
def test_fronts_by_definition(objectives: int) -> None:
    """Everyone is one front behind the last of those that dominate it."""
    rows = np.random.RandomState(0).randint(0, 6, (40, objectives)).astype(float)
    ranks = front_ranks(rows)
    for i, row in enumerate(rows):
        above = [
            ranks[j]
            for j, other in enumerate(rows)
            if all(other <= row) and any(other < row)  # j dominates i
        ]
        assert ranks[i] == max(above, default=-1) + 1


def test_no_rows_have_no_front() -> None:
    assert front_ranks(losses([], [MINIMIZE, MAXIMIZE])) == []


def test_crowding_by_hand() -> None:
    rows = np.array([(0.0, 10.0), (1.0, 6.0), (4.0, 0.0), (2.0, 5.0)])
    # Row 1 lies between rows 0 and 3: 2/4 + 5/10; row 3 between 1 and 2: 3/4 + 6/10.
    assert crowding_distances(rows) == pytest.approx([math.inf, 1.0, math.inf, 1.35])


def test_crowding_where_an_objective_is_constant_or_infinite() -> None:
    assert crowding_distances(np.ones((3, 2))) == [math.inf, 0.0, math.inf]
    rows = np.array([(0.0, math.inf), (1.0, 2.0), (2.0, 0.0)])
    assert crowding_distances(rows) == pytest.approx([math.inf, 1.0, math.inf])
    assert crowding_distances(np.zeros((1, 2))) == [math.inf]


def test_the_smallest_difference_dominates() -> None:
    rows = np.array([[1.0, 2.0], [1.0, np.nextafter(2.0, 3.0)], [1.0, 2.0]])
    assert dominates(rows[0], rows).tolist() == [False, True, False]
