"""All finished trials of a study by outcome, kept up to date trial by trial."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from optuna_nas.samplers.evolution._dominance import crowding_distances, dominates, losses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna.study import StudyDirection

    from optuna_nas.samplers.base import Member, Outcome
    from optuna_nas.samplers.evolution._dominance import Floats

__all__ = ["Ranking", "Survivors", "rank_key"]


def rank_key(member: Member) -> tuple[Outcome, float, int]:
    """Return a sort key by outcome, in which the youngest of equals comes first."""
    assert member.trial.datetime_complete is not None
    return member.outcome, -member.trial.datetime_complete.timestamp(), -member.number


@dataclass
class Ranking:
    """Members by outcome, the best first: a function of their set, in whatever order they come.

    Attributes:
        members: All members, by :func:`rank_key`.
    """

    members: list[Member] = field(default_factory=list)
    _known: set[int] = field(default_factory=set)

    def catch_up(self, members: Sequence[Member]) -> list[Member]:
        """Take in the members of a history that are new; returns those.

        Args:
            members: All members of the history, by age. New ones are among the youngest, so that
                this costs in proportion to their number.
        """
        news: list[Member] = []
        missing = len(members) - len(self._known)
        for member in reversed(members):
            if len(news) == missing:
                break
            if member.number not in self._known:
                news.append(member)
        for member in news:
            self._known.add(member.number)
            bisect.insort(self.members, member, key=rank_key)
        return news


@dataclass
class Survivors:
    """The population without aging: the best; with several objectives, the undominated.

    Args:
        directions: Directions of the study.
    """

    directions: Sequence[StudyDirection]
    _ranking: Ranking = field(default_factory=Ranking)
    _front: list[Member] = field(default_factory=list)

    def alive(self, members: Sequence[Member], count: int) -> list[Member]:
        """Return at most ``count`` members, a function of the set of all members.

        Args:
            members: All members of the history, by age.
            count: Size of the population. With several objectives, if so many are undominated,
                the least crowded of them live; if fewer, they and the youngest of the others.
        """
        news = self._ranking.catch_up(members)
        if len(self.directions) == 1:
            return self._ranking.members[:count]
        for member in news:
            self._add_to_front(member)
        if len(self._front) >= count:
            return self._least_crowded(count)
        numbers = {member.number for member in self._front}
        others = (m for m in self._ranking.members if m.number not in numbers)
        return [*self._front, *islice(others, count - len(numbers))]

    def _add_to_front(self, member: Member) -> None:
        if member.outcome[0] != 0:
            return
        rows = self._losses(self._front)
        row = self._losses([member])[0]
        if dominates(rows, row).any():
            return
        beaten = dominates(row, rows)
        self._front = [m for m, out in zip(self._front, beaten, strict=True) if not out]
        bisect.insort(self._front, member, key=rank_key)

    def _least_crowded(self, count: int) -> list[Member]:
        room = crowding_distances(self._losses(self._front))
        order = sorted(range(len(room)), key=lambda place: -room[place])
        return [self._front[place] for place in order[:count]]

    def _losses(self, members: Sequence[Member]) -> Floats:
        return losses([member.trial.values for member in members], self.directions)
