"""The trie of seen sequences, held against plain sets on random conditional programs."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution

from optuna_nas.samplers.base._decisions import Assignment, Decision, DecisionTable, as_decides
from optuna_nas.samplers.base._trie import DecisionTrie

TABLE = DecisionTable(as_decides(None))


def _decision(name: str, size: int) -> Decision:
    decision = TABLE.get(name, CategoricalDistribution(tuple(range(size))))
    assert decision is not None
    return decision


def _leaves(
    program: Callable[[tuple[Assignment, ...]], Decision | None],
    prefix: tuple[Assignment, ...] = (),
) -> list[tuple[Assignment, ...]]:
    decision = program(prefix)
    if decision is None:
        return [prefix]
    return [
        leaf
        for index in range(decision.size)
        for leaf in _leaves(program, (*prefix, Assignment(decision, index)))
    ]


def _chain(prefix: tuple[Assignment, ...]) -> Decision | None:
    """A conditional program: a depth, then so many decisions; one of them has one choice."""
    if not prefix:
        return _decision("depth", 4)
    depth = prefix[0][1]
    return _decision(f"op_{len(prefix)}", 1 if depth == 3 else 2) if len(prefix) <= depth else None


def _grid(prefix: tuple[Assignment, ...]) -> Decision | None:
    return _decision(f"x_{len(prefix)}", 3) if len(prefix) < 3 else None


PROGRAMS = {"chain": _chain, "grid": _grid}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@given(data=st.data())
def test_agrees_with_a_multiset(
    program: Callable[[tuple[Assignment, ...]], Decision | None], data: st.DataObject
) -> None:
    leaves = _leaves(program)
    held: list[tuple[Assignment, ...]] = []
    trie = DecisionTrie()
    for _ in range(data.draw(st.integers(0, 40))):
        if held and data.draw(st.booleans()):
            sequence = held.pop(data.draw(st.integers(0, len(held) - 1)))
            trie.remove(sequence)
        else:
            sequence = data.draw(st.sampled_from(leaves))
            held.append(sequence)
            trie.add(sequence)
    unseen = [leaf for leaf in leaves if leaf not in held]
    assert trie.exhausted == (not unseen)
    for leaf in leaves:
        assert trie.seen({made.decision.name: made for made in leaf}) == (leaf in held)
        cursor = trie.cursor()
        for position, (decision, index) in enumerate(leaf):
            below = {rest[position][1] for rest in unseen if rest[:position] == leaf[:position]}
            expected = sorted(below) or list(range(decision.size))
            assert cursor.open_choices(decision) == expected
            cursor.advance(decision, index)


def test_open_choices_visit_every_leaf_once() -> None:
    for program in PROGRAMS.values():
        trie, visited = DecisionTrie(), set()
        while not trie.exhausted:
            sequence: tuple[Assignment, ...] = ()
            cursor = trie.cursor()
            while (decision := program(sequence)) is not None:
                index = cursor.open_choices(decision)[-1]
                cursor.advance(decision, index)
                sequence = (*sequence, Assignment(decision, index))
            assert sequence not in visited
            visited.add(sequence)
            trie.add(sequence)
        assert visited == set(_leaves(program))


def test_a_grown_range_is_another_branch() -> None:
    short, long = _decision("depth", 2), TABLE.get("depth", CategoricalDistribution((0, 1, 2)))
    assert long is not None
    trie = DecisionTrie()
    for index in range(2):
        trie.add([(short, index)])
    assert trie.exhausted
    trie.add([(long, 0)])
    assert not trie.exhausted
    assert trie.cursor().open_choices(long) == [1, 2]
    assert not trie.seen({"depth": (long, 1)})


def test_memory_grows_with_sequences_and_not_with_decisions() -> None:
    trie = DecisionTrie()
    decisions = [_decision(f"y_{i}", 5) for i in range(1000)]
    for first in range(5):
        trie.add([Assignment(decision, first) for decision in decisions])
    nodes = list(itertools.islice(trie._root.branches.values(), 2))
    assert len(nodes) == 1
    assert all(not hasattr(child, "branches") for child in nodes[0].values())
