"""The trie of seen sequences, held against plain sets on random conditional programs."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution

from optuna_nas.samplers.base._decisions import Slot, SlotTable, as_decides
from optuna_nas.samplers.base._trie import DecisionTrie, Step

SLOTS = SlotTable(as_decides(None))


def _slot(name: str, size: int) -> Slot:
    slot = SLOTS.get(name, CategoricalDistribution(tuple(range(size))))
    assert slot is not None
    return slot


def _leaves(
    program: Callable[[tuple[Step, ...]], Slot | None], prefix: tuple[Step, ...] = ()
) -> list[tuple[Step, ...]]:
    slot = program(prefix)
    if slot is None:
        return [prefix]
    return [
        leaf for index in range(slot.size) for leaf in _leaves(program, (*prefix, (slot, index)))
    ]


def _chain(prefix: tuple[Step, ...]) -> Slot | None:
    """A conditional program: a depth, then so many decisions; one of them has one choice."""
    if not prefix:
        return _slot("depth", 4)
    depth = prefix[0][1]
    return _slot(f"op_{len(prefix)}", 1 if depth == 3 else 2) if len(prefix) <= depth else None


def _grid(prefix: tuple[Step, ...]) -> Slot | None:
    return _slot(f"x_{len(prefix)}", 3) if len(prefix) < 3 else None


PROGRAMS = {"chain": _chain, "grid": _grid}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@given(data=st.data())
def test_agrees_with_a_multiset(
    program: Callable[[tuple[Step, ...]], Slot | None], data: st.DataObject
) -> None:
    leaves = _leaves(program)
    held: list[tuple[Step, ...]] = []
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
        assert trie.seen({slot.name: (slot, index) for slot, index in leaf}) == (leaf in held)
        cursor = trie.cursor()
        for position, (slot, index) in enumerate(leaf):
            below = {rest[position][1] for rest in unseen if rest[:position] == leaf[:position]}
            expected = sorted(below) or list(range(slot.size))
            assert cursor.open_choices(slot) == expected
            cursor.advance(slot, index)


def test_open_choices_visit_every_leaf_once() -> None:
    for program in PROGRAMS.values():
        trie, visited = DecisionTrie(), set()
        while not trie.exhausted:
            sequence: tuple[Step, ...] = ()
            cursor = trie.cursor()
            while (slot := program(sequence)) is not None:
                index = cursor.open_choices(slot)[-1]
                cursor.advance(slot, index)
                sequence = (*sequence, (slot, index))
            assert sequence not in visited
            visited.add(sequence)
            trie.add(sequence)
        assert visited == set(_leaves(program))


def test_a_grown_range_is_another_branch() -> None:
    short, long = _slot("depth", 2), SLOTS.get("depth", CategoricalDistribution((0, 1, 2)))
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
    slots = [_slot(f"y_{i}", 5) for i in range(1000)]
    for first in range(5):
        trie.add([(slot, first) for slot in slots])
    nodes = list(itertools.islice(trie._root.branches.values(), 2))
    assert len(nodes) == 1
    assert all(not hasattr(child, "branches") for child in nodes[0].values())
