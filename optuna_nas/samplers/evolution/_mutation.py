"""Variation of architectures: mutations by role, crossover, and the lift of a choice."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from optuna_nas.samplers.base import Assignment

if TYPE_CHECKING:
    from optuna_nas.samplers.base import KeyedGenerator, Member, Roles

__all__ = [
    "OTHER",
    "Decisions",
    "Mutation",
    "cross",
    "lift",
    "mutation_order",
    "mutations",
    "order_by_role",
    "pick",
]

Decisions = Mapping[str, Assignment]

OTHER = "other"
"""Role of the decisions whose name tells none."""

HALF_A_MEMBER = 0.5


class Mutation(NamedTuple):
    """A child that differs from its parent in one decision.

    Args:
        name: Name of the mutated decision.
        decisions: All decisions of the child.
    """

    name: str
    decisions: dict[str, Assignment]


def mutation_order(parent: Decisions, rng: KeyedGenerator, key: str) -> list[str]:
    """Shuffle the names of the decisions of ``parent`` that can be mutated."""
    names = [name for name, (decision, _) in parent.items() if decision.size > 1]
    return [names[place] for place in rng.permutation(key, len(names))]


def order_by_role(
    names: Sequence[str], weights: Mapping[str, float], roles: Roles, rng: KeyedGenerator, key: str
) -> list[str]:
    """Order names such that the first has each role in proportion to the role's weight.

    Args:
        names: In random order; names of one role have equal chances.
        weights: Weights by role; names of roles that are not there come last.
        roles: Tells the role of a name.
        rng: Randomness of the trial.
        key: Key of the random numbers.
    """
    role_of = {name: roles.of(name) or OTHER for name in names}
    sizes = Counter(role_of.values())
    words = rng.indices(f"{key} by role", 2**32, len(names))

    def arrival(place: int) -> float:
        # Of independent exponential clocks, each rings first with probability rate / sum of rates.
        # A role's rate is shared among its names, so that many names do not make a role likelier.
        role = role_of[names[place]]
        rate = weights.get(role, 0.0) / sizes[role]
        return -math.log1p(-words[place] / 2**32) / rate if rate > 0.0 else math.inf

    return [names[place] for place in sorted(range(len(names)), key=arrival)]


def mutations(
    parent: Decisions, order: Sequence[str], rng: KeyedGenerator, key: str
) -> Iterator[Mutation]:
    """Yield all children of ``parent`` that differ in one decision.

    Every decision has its turn with one choice before any has it with the next, so that the first
    few children differ in different decisions.
    """
    shifts: dict[str, list[int]] = {}
    for turn in range(max((parent[name][0].size - 1 for name in order), default=0)):
        for name in order:
            decision, old = parent[name]
            if turn == 0:
                shifts[name] = rng.permutation(f"{key} {name}", decision.size - 1)
            if turn < len(shifts[name]):
                index = (old + 1 + shifts[name][turn]) % decision.size
                yield Mutation(name, {**parent, name: decision.assignment(index)})


def pick(
    children: Sequence[Mutation], score: Callable[[Assignment], float]
) -> dict[str, Assignment]:
    """Return the child whose mutated decision scores best; the first of equals."""
    if len(children) == 1:
        return children[0].decisions
    return max(children, key=lambda child: score(child.decisions[child.name])).decisions


def lift(made: Assignment, good: Sequence[Member], count_of_all: int, total: int) -> float:
    """Compute how much more often good members have a choice than all have.

    The ratio of P(choice | good) to P(choice), as rule mining has it; 1 if nothing is known.

    Args:
        made: The decision and its choice.
        good: The better members, not empty.
        count_of_all: How many of all members have the choice.
        total: How many members there are.
    """
    name = made.decision.name
    count = sum(member.decisions.get(name) == made for member in good)
    # Half a member is added to both shares: a choice that no member has counts as average.
    share_of_good = count / len(good) + HALF_A_MEMBER / total
    return share_of_good / ((count_of_all + HALF_A_MEMBER) / total)


def cross(first: Decisions, second: Decisions, rng: KeyedGenerator) -> dict[str, Assignment]:
    """Make a child that has every decision from one of two parents, with equal chances."""
    names = [*first, *(name for name in second if name not in first)]
    child = {}
    for name, side in zip(names, rng.indices("crossover", 2, len(names)), strict=True):
        sources = (first, second) if side == 0 else (second, first)
        child[name] = sources[0][name] if name in sources[0] else sources[1][name]
    return child
