"""Decisions, and the split between a sampler and ``hp_sampler``."""

from __future__ import annotations

import pickle

import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from optuna_nas.samplers.base._decisions import Assignment, DecisionTable, as_decides


@pytest.mark.parametrize(
    ("distribution", "expected"),
    [
        (CategoricalDistribution(("a", "b")), True),
        (IntDistribution(1, 64), True),
        (IntDistribution(0, 64), False),
        (IntDistribution(0, 640, step=10), False),
        (IntDistribution(0, 630, step=10), True),
        (IntDistribution(1, 8, log=True), False),
        (FloatDistribution(0, 1), False),
        (FloatDistribution(0, 1, step=0.5), False),
    ],
)
def test_default_split(distribution: BaseDistribution, expected: bool) -> None:
    assert as_decides(None)("x", distribution) is expected


def test_split_by_names_and_by_function() -> None:
    by_name = as_decides(["op"])
    assert by_name("op", FloatDistribution(0, 1))
    assert not by_name("lr", CategoricalDistribution((1, 2)))
    assert pickle.loads(pickle.dumps(by_name))("op", FloatDistribution(0, 1))
    assert as_decides(lambda name, _: name == "x")("x", FloatDistribution(0, 1))


def test_a_string_is_no_collection_of_names() -> None:
    with pytest.raises(TypeError, match="`decides` must be a function"):
        as_decides("op")


def test_deciding_a_float_is_refused_with_the_way_out() -> None:
    table = DecisionTable(as_decides(["lr"]))
    with pytest.raises(ValueError, match=r"'lr'.*Leave it to `hp_sampler`"):
        table.get("lr", FloatDistribution(0, 1))


@pytest.mark.parametrize(
    "distribution",
    [
        CategoricalDistribution(("a", None, 1, True, 0.5)),
        IntDistribution(-3, 8),
        IntDistribution(10, 40, step=10),
    ],
)
def test_choices_are_numbered(distribution: BaseDistribution) -> None:
    decision = DecisionTable(lambda name, _: True).get("x", distribution)
    assert decision is not None
    values = [decision.value(index) for index in range(decision.size)]
    assert len(set(map(repr, values))) == decision.size
    for value in values:
        index = decision.index(value)
        assert index is not None
        assert decision.value(index) == value
    assert decision.index("other") is None


def test_one_slot_per_name_and_choices() -> None:
    table = DecisionTable(as_decides(None))
    booleans = table.get("x", CategoricalDistribution((False, True)))
    assert booleans is table.get("x", CategoricalDistribution((False, True)))
    assert booleans is not table.get("x", CategoricalDistribution((0, 1)))
    assert booleans is not table.get("y", CategoricalDistribution((False, True)))


def test_an_assignment_knows_its_value_and_the_alternatives() -> None:
    decision = DecisionTable(as_decides(None)).get("x", IntDistribution(1, 7, step=3))
    assert decision is not None
    assert decision.choices == [1, 4, 7]
    made = Assignment(decision, 1)
    assert made.value == 4
    assert [other.value for other in made.alternatives] == [1, 7]
    assert all(other.decision is decision for other in made.alternatives)
    single = DecisionTable(as_decides(None)).get("y", IntDistribution(2, 2))
    assert single is not None
    assert Assignment(single, 0).alternatives == []
