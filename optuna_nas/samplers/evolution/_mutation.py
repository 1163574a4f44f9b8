"""What children differ in: mutations by role, crossover, and which mutations look promising."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from optuna_nas.samplers.base._decisions import Draw
    from optuna_nas.samplers.base._history import Member
    from optuna_nas.samplers.base._roles import Roles
    from optuna_nas.samplers.base._trie import Step

__all__ = [
    "OTHER",
    "Decisions",
    "Mutation",
    "cross",
    "favour",
    "mutation_order",
    "mutations",
    "order_by_role",
    "pick",
]

Decisions = Mapping[str, "Step"]

OTHER = "other"
"""Stands for decisions whose name tells no role."""

HALF_A_MEMBER = 0.5


class Mutation(NamedTuple):
    """A child that differs in one decision: its name, and all decisions of the child."""

    name: str
    decisions: dict[str, Step]


def mutation_order(parent: Decisions, draw: Draw, label: str) -> list[str]:
    """The decisions of ``parent`` that can be mutated, in random order."""
    names = [name for name, (slot, _) in parent.items() if slot.size > 1]
    return [names[place] for place in draw.permutation(label, len(names))]


def order_by_role(
    names: Sequence[str], weights: Mapping[str, float], roles: Roles, draw: Draw, label: str
) -> list[str]:
    """Names in an order in which the first one has a role in proportion to the role's weight.

    Args:
        names: In random order; names of one role have equal chances.
        weights: By role; names of roles that are not there come last.
        roles: Tells the role of a name.
        draw: Randomness of the trial.
        label: Of this draw.
    """
    role_of = {name: roles.of(name) or OTHER for name in names}
    sizes = Counter(role_of.values())
    words = draw.indices(f"{label} by role", 2**32, len(names))

    def arrival(place: int) -> float:
        # Of exponential clocks the first rings with probability in proportion to its rate.
        role = role_of[names[place]]
        rate = weights.get(role, 0.0) / sizes[role]
        return -math.log1p(-words[place] / 2**32) / rate if rate > 0.0 else math.inf

    return [names[place] for place in sorted(range(len(names)), key=arrival)]


def mutations(
    parent: Decisions, order: Sequence[str], draw: Draw, label: str
) -> Iterator[Mutation]:
    """All children of ``parent`` that differ in one decision.

    Every decision has its turn with one choice before any has it with the next.
    """
    shifts: dict[str, list[int]] = {}
    for turn in range(max((parent[name][0].size - 1 for name in order), default=0)):
        for name in order:
            slot, old = parent[name]
            if turn == 0:
                shifts[name] = draw.permutation(f"{label} {name}", slot.size - 1)
            if turn < len(shifts[name]):
                index = (old + 1 + shifts[name][turn]) % slot.size
                yield Mutation(name, {**parent, name: (slot, index)})


def pick(children: Sequence[Mutation], score: Callable[[Step], float]) -> dict[str, Step]:
    """The child whose mutated decision scores best; the first of equals."""
    if len(children) == 1:
        return children[0].decisions
    return max(children, key=lambda child: score(child.decisions[child.name])).decisions


def favour(step: Step, good: Sequence[Member], count_of_all: int, total: int) -> float:
    """How much more often good members have a choice than all have; 1 if nothing is known.

    Args:
        step: The decision and its choice.
        good: The better members, not empty.
        count_of_all: How many of all members have the choice.
        total: How many members there are.
    """
    name = step[0].name
    count = sum(member.decisions.get(name) == step for member in good)
    share_of_good = count / len(good) + HALF_A_MEMBER / total
    return share_of_good / ((count_of_all + HALF_A_MEMBER) / total)


def cross(first: Decisions, second: Decisions, draw: Draw) -> dict[str, Step]:
    """A child that has every decision from one of two parents, with equal chances."""
    names = [*first, *(name for name in second if name not in first)]
    child = {}
    for name, side in zip(names, draw.indices("crossover", 2, len(names)), strict=True):
        sources = (first, second) if side == 0 else (second, first)
        child[name] = sources[0][name] if name in sources[0] else sources[1][name]
    return child
