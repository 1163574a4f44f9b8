"""The population: the trials that may become parents, and the tournaments among them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from optuna_nas.samplers.evolution._dominance import crowding_distances, front_ranks, losses
from optuna_nas.samplers.evolution._mutation import lift

if TYPE_CHECKING:
    from optuna.study import StudyDirection

    from optuna_nas.samplers.base import Assignment, KeyedGenerator, Member, Outcome
    from optuna_nas.samplers.evolution._dominance import Floats

__all__ = ["Population"]


class Population:
    """Members that compete by outcome; with several objectives, by front and crowding.

    Args:
        members: At least one.
        directions: Directions of the study.
    """

    def __init__(self, members: Sequence[Member], directions: Sequence[StudyDirection]) -> None:
        self.members = members
        self._directions = directions

    def winner(self, rng: KeyedGenerator, key: str, size: int) -> Member:
        """Return the best of ``size`` members drawn with replacement; the first drawn of equals.

        With several objectives the best is the less crowded of two that are drawn from the
        foremost front in the sample.
        """
        drawn = rng.indices(key, len(self.members), size)
        best = min(drawn, key=self._places.__getitem__)
        if len(self._directions) == 1:
            return self.members[best]
        front = sorted({place for place in drawn if self._places[place] == self._places[best]})
        pair = [front[i] for i in rng.indices(f"{key} crowding", len(front), 2)]
        return self.members[max(pair, key=self._room(self._places[best]).__getitem__)]

    @cached_property
    def better_half(self) -> list[Member]:
        """The better half of the members, rounded up."""
        order = sorted(range(len(self.members)), key=self._places.__getitem__)
        return [self.members[place] for place in order[: (len(order) + 1) // 2]]

    def lift(self, made: Assignment) -> float:
        """Compute how much more often the better half has a choice than all have."""
        name = made.decision.name
        count = sum(member.decisions.get(name) == made for member in self.members)
        return lift(made, self.better_half, count, len(self.members))

    @cached_property
    def _places(self) -> list[tuple[Outcome, int]]:
        """Outcome and front of each member; smaller is better."""
        fronts = [0] * len(self.members)
        if len(self._directions) > 1:
            compared = [i for i, member in enumerate(self.members) if member.outcome[0] == 0]
            for place, rank in zip(compared, front_ranks(self._losses(compared)), strict=True):
                fronts[place] = rank
        return [(m.outcome, front) for m, front in zip(self.members, fronts, strict=True)]

    def _room(self, place: tuple[Outcome, int]) -> dict[int, float]:
        """Compute crowding distances in one front; 0 for all where they are not complete."""
        front = [i for i, other in enumerate(self._places) if other == place]
        if place[0][0] != 0:
            return dict.fromkeys(front, 0.0)
        return dict(zip(front, crowding_distances(self._losses(front)), strict=True))

    def _losses(self, places: Sequence[int]) -> Floats:
        return losses([self.members[i].trial.values for i in places], self._directions)
