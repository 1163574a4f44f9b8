"""The landscape of local search: the best trials, and which of them have untried neighbours."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from optuna_nas.samplers.evolution import parents_of
from optuna_nas.samplers.evolution._mutation import lift
from optuna_nas.samplers.evolution._ranking import Ranking, rank_key

if TYPE_CHECKING:
    from optuna_nas.samplers.base import Assignment, History, Member
    from optuna_nas.samplers.evolution._mutation import Mutation

__all__ = ["Landscape"]

MAX_LEADERS = 50


@dataclass
class Landscape:
    """The finished trials of one study, replayed; a function of their set."""

    _ranking: Ranking = field(default_factory=Ranking)
    _counts: Counter[Assignment] = field(default_factory=Counter)
    _start: Member | None = None
    _best_child: dict[int, Member] = field(default_factory=dict)
    _open: list[Member] = field(default_factory=list)
    _releases: int = 0

    def catch_up(self, history: History) -> None:
        """Take in the trials that have finished since the last call."""
        for member in self._ranking.catch_up(history.members):
            self._counts.update(member.decisions.values())
            self._place_in_chains(member)
            bisect.insort(self._open, member, key=rank_key)
        if self._releases != history.releases:  # something that was tried no longer is
            self._releases = history.releases
            self._open = list(self._ranking.members)

    def top(self) -> Member | None:
        """Return the end of the chain from the youngest start; None if there is no start.

        A start is a trial that was not made from another one.
        """
        at = self._start
        while at is not None and (child := self._best_child.get(at.number)) is not None:
            if child.outcome >= at.outcome:
                break
            at = child
        return at

    def best_open(
        self, untried: Callable[[Member], list[Mutation]]
    ) -> tuple[Member, list[Mutation]] | None:
        """Find the best member that has untried neighbours, the youngest of equals.

        Args:
            untried: Returns some of a member's untried neighbours; none if it has none.

        Returns:
            The member and these neighbours.
        """
        while self._open:
            found = untried(self._open[0])
            if found:
                return self._open[0], found
            del self._open[0]
        return None

    def lift(self, made: Assignment) -> float:
        """Compute how much more often the best quarter of the trials has a choice than all."""
        members = self._ranking.members
        leaders = members[: min((len(members) + 3) // 4, MAX_LEADERS)]
        return lift(made, leaders, self._counts[made], len(members))

    def _place_in_chains(self, member: Member) -> None:
        parents = parents_of(member.trial)
        if not parents and (self._start is None or member.age > self._start.age):
            self._start = member
        for number in parents:
            best = self._best_child.get(number)
            if best is None or rank_key(member) < rank_key(best):
                self._best_child[number] = member
