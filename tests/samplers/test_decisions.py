"""Decisions, the split between a sampler and ``hp_sampler``, and keyed randomness."""

from __future__ import annotations

import pickle
from collections import Counter

import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from optuna_nas._keyed import KeyedGenerator
from optuna_nas.samplers.base._decisions import DecisionTable, as_decides


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
    decisions = DecisionTable(as_decides(["lr"]))
    with pytest.raises(ValueError, match=r"'lr'.*Leave it to `hp_sampler`"):
        decisions.get("lr", FloatDistribution(0, 1))


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
    decisions = DecisionTable(as_decides(None))
    booleans = decisions.get("x", CategoricalDistribution((False, True)))
    assert booleans is decisions.get("x", CategoricalDistribution((False, True)))
    assert booleans is not decisions.get("x", CategoricalDistribution((0, 1)))
    assert booleans is not decisions.get("y", CategoricalDistribution((False, True)))


def test_draws_are_keyed() -> None:
    rng = KeyedGenerator(7, 3)
    assert rng.indices("op", 5, 4) == KeyedGenerator(7, 3).indices("op", 5, 4)
    others = [KeyedGenerator(8, 3), KeyedGenerator(7, 4), KeyedGenerator(7, 3, 1)]
    for other in others:
        assert rng.indices("op", 1000, 4) != other.indices("op", 1000, 4)
    assert rng.indices("op", 1000, 4) != rng.indices("input", 1000, 4)


def test_draws_are_pinned() -> None:
    """A change here would break the promise that a restarted search goes on as before.

    The numbers are NumPy's ``SeedSequence([1, 2, crc32(b"op"), 0])`` words, scaled; made with
    NumPy 2.4.
    """
    assert KeyedGenerator(1, 2).indices("op", 1000, 4) == PINNED


def test_draws_are_uniform() -> None:
    counts = Counter(KeyedGenerator(0, number).index("op", 5) for number in range(5000))
    # 99.9 % of chi-squared with 4 degrees of freedom: 18.5
    assert sum((count - 1000) ** 2 / 1000 for count in counts.values()) < 18.5
    shuffles = Counter(tuple(KeyedGenerator(0, n).permutation("x", 3)) for n in range(6000))
    assert len(shuffles) == 6
    assert sum((count - 1000) ** 2 / 1000 for count in shuffles.values()) < 20.5


PINNED = [209, 664, 410, 73]
