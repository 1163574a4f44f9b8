"""Which decision sequences a study has seen, as a trie in which a choice knows when it is used up.

A choice is *closed* when every sequence below it has been seen: a sampler that avoids closed
choices never repeats an architecture, also where later decisions depend on earlier ones, and
needs no list of all architectures for it. Sequences that share no further prefix with another
one are kept as one tail, so memory grows with the number of sequences, not of decisions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from optuna_nas.samplers.base._decisions import Slot

__all__ = ["Cursor", "DecisionTrie", "Step"]

Step = tuple[Slot, int]


@dataclass
class _Tail:
    """A sequence that nobody shares from here on, with how often it was added."""

    rest: tuple[Step, ...]
    count: int
    closed: bool

    @classmethod
    def of(cls, rest: tuple[Step, ...], count: int) -> _Tail:
        return cls(rest, count, all(slot.size == 1 for slot, _ in rest))


@dataclass
class _Node:
    """A place where sequences part. ``branches`` has one entry unless ranges grow in a study."""

    branches: dict[Slot, dict[int, _Node | _Tail]] = field(default_factory=dict)
    ends: int = 0
    closed: bool = False

    def update(self) -> None:
        self.closed = self.ends > 0 or (
            bool(self.branches)
            and all(
                len(children) == slot.size and all(child.closed for child in children.values())
                for slot, children in self.branches.items()
            )
        )


class DecisionTrie:
    """A multiset of decision sequences.

    Example::

        trie = DecisionTrie()
        trie.add([(slot_a, 0), (slot_b, 2)])
        cursor = trie.cursor()
        cursor.open_choices(slot_a)  # the choices of slot_a below which something is unseen
    """

    def __init__(self) -> None:
        self._root = _Node()

    @property
    def exhausted(self) -> bool:
        """Whether every sequence has been seen."""
        return self._root.closed

    def add(self, sequence: Sequence[Step]) -> None:
        """Add a sequence of (slot, choice)."""
        steps = tuple(sequence)
        path = [self._root]
        for position, (slot, index) in enumerate(steps):
            children = path[-1].branches.setdefault(slot, {})
            child = children.get(index)
            rest = steps[position + 1 :]
            if child is None:
                children[index] = _Tail.of(rest, 1)
                break
            if isinstance(child, _Tail):
                if child.rest == rest:
                    child.count += 1
                    break
                child = children[index] = _split(child)
            path.append(child)
        else:
            path[-1].ends += 1
        _update(path)

    def remove(self, sequence: Sequence[Step]) -> None:
        """Take back one earlier :meth:`add` of the same sequence."""
        steps = tuple(sequence)
        path = [self._root]
        for position, (slot, index) in enumerate(steps):
            children = path[-1].branches[slot]
            child = children[index]
            if isinstance(child, _Tail):
                assert child.rest == steps[position + 1 :]
                child.count -= 1
                if child.count == 0:
                    del children[index]
                break
            path.append(child)
        else:
            path[-1].ends -= 1
        _update(path)
        _prune(path, steps)

    def cursor(self) -> Cursor:
        """A reader that stands before the first decision."""
        return Cursor(self._root)

    def seen(self, choices: Mapping[str, Step]) -> bool:
        """Whether nothing unseen can come of these choices, made wherever they are asked for.

        Where the trie meets a decision that ``choices`` does not name, anything unseen below it
        counts.
        """
        node: _Node | _Tail = self._root
        while isinstance(node, _Node):
            if node.closed or not node.branches:
                return node.closed
            following = [
                (children, step[1])
                for slot, children in node.branches.items()
                if (step := choices.get(slot.name)) is not None and step[0] is slot
            ]
            if len(following) != 1 or len(node.branches) != 1:
                return False
            children, index = following[0]
            child = children.get(index)
            if child is None:
                return False
            node = child
        return node.closed or all(
            slot.size == 1 or choices.get(slot.name) == (slot, index) for slot, index in node.rest
        )


class Cursor:
    """Where a trial stands in the trie while its decisions are made one by one."""

    def __init__(self, root: _Node) -> None:
        self._at: _Node | _Tail | None = root
        self._offset = 0

    @property
    def exhausted(self) -> bool:
        """Whether everything below this place has been seen."""
        if isinstance(self._at, _Node):
            return self._at.closed
        if isinstance(self._at, _Tail):
            return all(slot.size == 1 for slot, _ in self._at.rest[self._offset :])
        return False

    def open_choices(self, slot: Slot) -> list[int]:
        """Choices of ``slot`` below which a sequence is unseen; all of them if none is."""
        closed: Iterable[int] = ()
        if isinstance(self._at, _Node):
            children = self._at.branches.get(slot, {})
            closed = {index for index, child in children.items() if child.closed}
        elif isinstance(self._at, _Tail) and self._offset < len(self._at.rest):
            here, index = self._at.rest[self._offset]
            after = self._at.rest[self._offset + 1 :]
            if here is slot and all(later.size == 1 for later, _ in after):
                closed = {index}
        if not closed:
            return list(range(slot.size))
        still_open = [index for index in range(slot.size) if index not in closed]
        return still_open or list(range(slot.size))

    def advance(self, slot: Slot, index: int) -> None:
        """Take one decision."""
        if isinstance(self._at, _Node):
            self._at = self._at.branches.get(slot, {}).get(index)
            self._offset = 0
        elif isinstance(self._at, _Tail):
            rest = self._at.rest
            follows = self._offset < len(rest) and rest[self._offset] == (slot, index)
            self._at = self._at if follows else None
            self._offset += 1


def _split(tail: _Tail) -> _Node:
    """The node that stands for a tail once another sequence comes along."""
    node = _Node()
    if tail.rest:
        (slot, index), rest = tail.rest[0], tail.rest[1:]
        node.branches[slot] = {index: _Tail.of(rest, tail.count)}
    else:
        node.ends = tail.count
    node.update()
    return node


def _update(path: Sequence[_Node]) -> None:
    for node in reversed(path):
        node.update()


def _prune(path: Sequence[_Node], steps: Sequence[Step]) -> None:
    """Drop nodes that hold no sequence any more."""
    for depth in range(len(path) - 1, -1, -1):
        node = path[depth]
        node.branches = {slot: children for slot, children in node.branches.items() if children}
        if depth and not node.branches and not node.ends:
            slot, index = steps[depth - 1]
            del path[depth - 1].branches[slot][index]
    _update(path)
