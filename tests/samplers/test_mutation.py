"""Mutations, their order by role, crossover and what choices are worth."""

from __future__ import annotations

import itertools
from collections import Counter

import optuna
import pytest
from optuna.distributions import CategoricalDistribution

from optuna_nas._ground.keyed import KeyedGenerator
from optuna_nas.samplers.base import Member
from optuna_nas.samplers.base._decisions import Assignment, Decision
from optuna_nas.samplers.base._roles import Roles
from optuna_nas.samplers.evolution._mutation import (
    Mutation,
    cross,
    lift,
    mutation_order,
    mutations,
    order_by_role,
    pick,
)


def _decision(name: str, size: int) -> Decision:
    return Decision(name, CategoricalDistribution(list(range(size))), size)


def test_every_single_mutation_is_there_once_and_none_keeps_its_value() -> None:
    decisions = [_decision("op_a", 5), _decision("op_b", 1), _decision("op_c", 3)]
    parent = {decision.name: Assignment(decision, decision.size - 1) for decision in decisions}
    order = mutation_order(parent, KeyedGenerator(0, 0), "x")
    children = list(mutations(parent, order, KeyedGenerator(0, 0), "x"))
    assert {(name, decisions[name][1]) for name, decisions in children} == {
        *(("op_a", index) for index in range(4)),
        *(("op_c", index) for index in range(2)),
    }
    assert len(children) == 6
    assert [child.name for child in children[:2]] == order
    for name, decisions in children:
        changed = [n for n in parent if decisions[n] != parent[n]]
        assert changed == [name]


def test_first_mutations_are_uniform() -> None:
    """Chi-square over 8 cells: 24.3 is exceeded with probability 0.001."""
    parent = {
        decision.name: Assignment(decision, 1)
        for decision in (_decision("op_a", 5), _decision("op_b", 5))
    }
    counts: Counter[tuple[str, int]] = Counter()
    for number in range(800):
        rng = KeyedGenerator(0, number)
        name, child = next(mutations(parent, mutation_order(parent, rng, "x"), rng, "x"))
        counts[name, child[name][1]] += 1
    assert len(counts) == 8
    assert sum((count - 100) ** 2 / 100 for count in counts.values()) < 24.3


NAMES = ["normal_2_input_a", "normal_2_op_a", "normal_2_op_b", "normal_2_op_c", "width"]


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        ({"input": 1, "op": 1}, {"input": 0.5, "op": 0.5}),
        ({"input": 1, "op": 3}, {"input": 0.25, "op": 0.75}),
        ({"input": 2, "op": 1, "other": 1}, {"input": 0.5, "op": 0.25, "other": 0.25}),
        ({"other": 1}, {"other": 1.0}),
    ],
)
def test_roles_are_mutated_by_their_weights(
    weights: dict[str, float], shares: dict[str, float]
) -> None:
    roles, n = Roles(), 3000
    counts: Counter[str] = Counter()
    for number in range(n):
        rng = KeyedGenerator(1, number)
        order = order_by_role(NAMES, weights, roles, rng, "x")
        assert sorted(order) == sorted(NAMES)
        counts[order[0]] += 1
        if "other" not in weights:
            assert order[-1] == "width"
    by_role: Counter[str] = Counter()
    for name, count in counts.items():
        by_role[roles.of(name) or "other"] += count
    for role, share in shares.items():
        # Five standard deviations of a binomial share.
        assert by_role[role] / n == pytest.approx(share, abs=5 * (share * (1 - share) / n) ** 0.5)
    assert by_role.keys() == shares.keys()
    if "op" in shares:
        ops = [counts[name] for name in NAMES[1:4]]
        assert max(ops) - min(ops) < 0.15 * n


def test_crossover_takes_every_decision_from_one_parent() -> None:
    decisions = [_decision(f"op_{i}", 9) for i in range(4)]
    first = {decision.name: Assignment(decision, 1) for decision in decisions[:3]}
    second = {decision.name: Assignment(decision, 2) for decision in decisions[1:]}
    seen = set()
    for number in range(200):
        child = cross(first, second, KeyedGenerator(0, number))
        assert list(child) == ["op_0", "op_1", "op_2", "op_3"]
        assert child["op_0"] == first["op_0"]
        assert child["op_3"] == second["op_3"]
        seen.add((child["op_1"][1], child["op_2"][1]))
    assert seen == set(itertools.product((1, 2), repeat=2))


def _members(decision: Decision, indices: list[int]) -> list[Member]:
    trial = optuna.trial.create_trial(value=0.0)
    return [
        Member(trial, {decision.name: Assignment(decision, index)}, (0, 0.0, 0.0))
        for index in indices
    ]


def test_choices_that_good_members_have_more_often_are_favoured() -> None:
    decision = _decision("op", 3)
    members = _members(decision, [0, 0, 1, 1, 1, 1, 2, 2])
    good = members[:2]
    scores = [
        lift(Assignment(decision, index), good, n, 8) for index, n in ((0, 2), (1, 4), (2, 2))
    ]
    # (2/2 + 0.5/8) / (2.5/8), (0 + 0.5/8) / (4.5/8), (0 + 0.5/8) / (2.5/8)
    assert scores == pytest.approx([3.4, 1 / 9, 0.2])
    assert lift(
        Assignment(decision, 0), _members(_decision("other", 2), [0]), 0, 1
    ) == pytest.approx(1.0)


def test_the_best_child_is_picked_and_of_equals_the_first() -> None:
    decision = _decision("op", 4)
    children = [Mutation("op", {"op": Assignment(decision, index)}) for index in range(4)]
    assert pick(children, lambda step: [0, 2, 2, 1][step[1]])["op"][1] == 1
    assert pick(children[:1], lambda step: 1 / 0)["op"][1] == 0
