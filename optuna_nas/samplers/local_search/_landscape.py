"""What local search knows of the finished trials: who is best, who has untried neighbours."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from optuna_nas.samplers.evolution._lineage import parents_of
from optuna_nas.samplers.evolution._mutation import favour
from optuna_nas.samplers.evolution._ranking import Ranking, rank_key

if TYPE_CHECKING:
    from optuna_nas.samplers.base._history import History, Member
    from optuna_nas.samplers.base._trie import Step
    from optuna_nas.samplers.evolution._mutation import Mutation

__all__ = ["Landscape"]

MAX_LEADERS = 50


@dataclass
class Landscape:
    """A fold over the finished trials of one study, a function of their set."""

    _ranking: Ranking = field(default_factory=Ranking)
    _counts: Counter[Step] = field(default_factory=Counter)
    _start: Member | None = None
    _best_child: dict[int, Member] = field(default_factory=dict)
    _open: list[Member] = field(default_factory=list)
    _released: int = 0

    def catch_up(self, history: History) -> None:
        """Take in the trials that have finished since the last call."""
        for member in self._ranking.catch_up(history.members):
            self._counts.update(member.decisions.values())
            self._place_in_chains(member)
            bisect.insort(self._open, member, key=rank_key)
        if self._released != history.released:  # something that was tried no longer is
            self._released = history.released
            self._open = list(self._ranking.members)

    def top(self) -> Member | None:
        """Where the chain from the youngest start has come to; None if there is no start.

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
        """The best member that has untried neighbours, the youngest of equals, and those.

        Args:
            untried: Some of a member's untried neighbours; empty if it has none.
        """
        while self._open:
            found = untried(self._open[0])
            if found:
                return self._open[0], found
            del self._open[0]
        return None

    def favour(self, step: Step) -> float:
        """How much more often the best quarter of the trials has a choice than all have."""
        members = self._ranking.members
        leaders = members[: min((len(members) + 3) // 4, MAX_LEADERS)]
        return favour(step, leaders, self._counts[step], len(members))

    def _place_in_chains(self, member: Member) -> None:
        parents = parents_of(member.trial)
        if not parents and (self._start is None or member.age > self._start.age):
            self._start = member
        for number in parents:
            best = self._best_child.get(number)
            if best is None or rank_key(member) < rank_key(best):
                self._best_child[number] = member
