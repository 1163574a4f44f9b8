"""A trie of the decision sequences that a study has seen, in which used up choices are closed.

A choice is *closed* when every sequence below it has been seen: a sampler that avoids closed
choices never repeats an architecture, also where later decisions depend on earlier ones, and
needs no list of all architectures for it. Drawing and rejecting would do as well in a large space,
but a policy that has nearly converged, or a space that is nearly used up, would reject for ever.

It is compressed as a radix tree is: a sequence that shares no further prefix with another one is
kept as one tail. Most sequences part within the first few decisions, so memory and time grow with
the number of sequences, not of their decisions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from optuna_nas.samplers.base._decisions import Assignment, Decision

__all__ = ["Cursor", "DecisionTrie"]


@dataclass
class _Tail:
    """The rest of a sequence that no other one shares, with how often it was added."""

    rest: tuple[Assignment, ...]
    count: int
    closed: bool

    @classmethod
    def of(cls, rest: tuple[Assignment, ...], count: int) -> _Tail:
        return cls(rest, count, all(decision.size == 1 for decision, _ in rest))


@dataclass
class _Node:
    """A place where sequences part.

    Args:
        branches: Children by decision and choice. All sequences that come to a place ask for the
            same decision there, unless its range grows in the study or the objective is random.
        ends: How many sequences end here.
        closed: Whether everything below has been seen.
    """

    branches: dict[Decision, dict[int, _Node | _Tail]] = field(default_factory=dict)
    ends: int = 0
    closed: bool = False

    def update(self) -> None:
        # A child that is missing is unseen. A sequence that ends here is all that there is: what
        # follows the same decisions is the same, so nothing else can be below.
        self.closed = self.ends > 0 or (
            bool(self.branches)
            and all(
                len(children) == decision.size and all(child.closed for child in children.values())
                for decision, children in self.branches.items()
            )
        )


class DecisionTrie:
    """A multiset of decision sequences.

    Example::

        trie = DecisionTrie()
        trie.add([(decision_a, 0), (decision_b, 2)])
        cursor = trie.cursor()
        cursor.open_choices(decision_a)  # choices of decision_a below which one is unseen
    """

    def __init__(self) -> None:
        self._root = _Node()

    @property
    def exhausted(self) -> bool:
        """Tell whether every sequence has been seen."""
        return self._root.closed

    def add(self, sequence: Sequence[Assignment]) -> None:
        """Add a sequence of (decision, choice)."""
        steps = tuple(sequence)
        path = [self._root]
        for position, (decision, index) in enumerate(steps):
            children = path[-1].branches.setdefault(decision, {})
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

    def remove(self, sequence: Sequence[Assignment]) -> None:
        """Take back one earlier :meth:`add` of the same sequence."""
        steps = tuple(sequence)
        path = [self._root]
        for position, (decision, index) in enumerate(steps):
            children = path[-1].branches[decision]
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
        """Return a reader that stands before the first decision."""
        return Cursor(self._root)

    def seen(self, choices: Mapping[str, Assignment]) -> bool:
        """Tell whether only seen sequences can come of choices, made wherever they are asked for.

        Where the trie meets a decision that ``choices`` does not name, anything unseen below it
        counts.
        """
        node: _Node | _Tail = self._root
        while isinstance(node, _Node):
            if node.closed or not node.branches:
                return node.closed
            following = [
                (children, step[1])
                for decision, children in node.branches.items()
                if (step := choices.get(decision.name)) is not None and step[0] is decision
            ]
            if len(following) != 1 or len(node.branches) != 1:
                return False
            children, index = following[0]
            child = children.get(index)
            if child is None:
                return False
            node = child
        return node.closed or all(
            decision.size == 1 or choices.get(decision.name) == (decision, index)
            for decision, index in node.rest
        )


class Cursor:
    """The position of a trial in the trie while its decisions are made one by one."""

    def __init__(self, root: _Node) -> None:
        self._at: _Node | _Tail | None = root
        self._offset = 0

    @property
    def exhausted(self) -> bool:
        """Tell whether everything below this place has been seen."""
        if isinstance(self._at, _Node):
            return self._at.closed
        if isinstance(self._at, _Tail):
            return all(decision.size == 1 for decision, _ in self._at.rest[self._offset :])
        return False

    def open_choices(self, decision: Decision) -> list[int]:
        """Return the choices below which a sequence is unseen; all of them if none is."""
        closed: Iterable[int] = ()
        if isinstance(self._at, _Node):
            children = self._at.branches.get(decision, {})
            closed = {index for index, child in children.items() if child.closed}
        elif isinstance(self._at, _Tail) and self._offset < len(self._at.rest):
            # A tail closes a choice only if that was the last one with an alternative.
            here, index = self._at.rest[self._offset]
            after = self._at.rest[self._offset + 1 :]
            if here is decision and all(later.size == 1 for later, _ in after):
                closed = {index}
        if not closed:
            return list(range(decision.size))
        still_open = [index for index in range(decision.size) if index not in closed]
        return still_open or list(range(decision.size))

    def advance(self, decision: Decision, index: int) -> None:
        """Take one decision."""
        if isinstance(self._at, _Node):
            self._at = self._at.branches.get(decision, {}).get(index)
            self._offset = 0
        elif isinstance(self._at, _Tail):
            rest = self._at.rest
            follows = self._offset < len(rest) and rest[self._offset] == (decision, index)
            self._at = self._at if follows else None
            self._offset += 1


def _split(tail: _Tail) -> _Node:
    """Make the node that stands for a tail once another sequence comes along."""
    node = _Node()
    if tail.rest:
        (decision, index), rest = tail.rest[0], tail.rest[1:]
        node.branches[decision] = {index: _Tail.of(rest, tail.count)}
    else:
        node.ends = tail.count
    node.update()
    return node


def _update(path: Sequence[_Node]) -> None:
    for node in reversed(path):
        node.update()


def _prune(path: Sequence[_Node], steps: Sequence[Assignment]) -> None:
    """Drop nodes that hold no sequence any more."""
    for depth in range(len(path) - 1, -1, -1):
        node = path[depth]
        node.branches = {
            decision: children for decision, children in node.branches.items() if children
        }
        if depth and not node.branches and not node.ends:
            decision, index = steps[depth - 1]
            del path[depth - 1].branches[decision][index]
    _update(path)
