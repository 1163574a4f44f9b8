"""The levels of a progressive search: which cells are evaluated at each size.

A level is settled by the trials that had finished when the level before it was complete, so that
everybody who sees the same trials has the same levels, and a level never changes under way.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from optuna_nas.samplers._evidence import best_and_youngest, targets_of
from optuna_nas.samplers._growth import combinations
from optuna_nas.samplers._shared_features import SharedFeatures

if TYPE_CHECKING:
    from optuna_nas.samplers._decisions import Draw
    from optuna_nas.samplers._encoding import Floats
    from optuna_nas.samplers._growth import Growth
    from optuna_nas.samplers._history import Member
    from optuna_nas.samplers._trie import Step

__all__ = ["Fit", "Level", "Levels"]

Predict = Callable[["Floats"], "Floats"]
Fit = Callable[["Floats", "Floats", int], Predict]
"""Learns targets (N,), to be maximised, from features (N, F), with a seed."""

MAX_TRIALS = 500  # that a predictor is fitted to
MIN_TRIALS = 5
MAX_FIRST_LEVEL = 1_000  # combinations of the smallest size that are all evaluated
MAX_CANDIDATES = 2**20  # of one level, all parents together


@dataclass(eq=False)
class Level:
    """The cells of one size, the most promising first, each different from all before it.

    Args:
        index: Of the size, from 0.
        beam: How many of its cells make it complete; the others are extra.
        learned_from: The trials that decided it.
        ranking: Cells with their keys, equal ones among them.
    """

    index: int
    beam: int
    learned_from: Sequence[Member]
    ranking: Iterator[tuple[Hashable, dict[str, Step]]]
    _cells: dict[Hashable, dict[str, Step]] = field(default_factory=dict)

    def cells(self) -> Iterator[tuple[Hashable, dict[str, Step]]]:
        """All cells with their keys, looked for as far as they are asked for."""
        yield from list(self._cells.items())
        for key, cell in self.ranking:
            if key not in self._cells:
                self._cells[key] = cell
                yield key, cell

    def best(self) -> dict[Hashable, dict[str, Step]]:
        """Those that make the level complete, by key."""
        return dict(itertools.islice(self.cells(), self.beam))


class Levels:
    """The levels of one study so far.

    Args:
        growth: Of the space.
        beam_size: Cells of each level after the first, K.
        key: Tells architectures apart.
        fit: Makes a predictor.
        draw: Randomness of a level.
    """

    def __init__(
        self,
        growth: Growth,
        *,
        beam_size: int,
        key: Callable[[dict[str, Step]], Hashable],
        fit: Fit,
        draw: Callable[[int], Draw],
    ) -> None:
        self._growth, self._beam_size, self._key = growth, beam_size, key
        self._fit, self._draw = fit, draw
        self._keys: dict[Member, Hashable] = {}
        self._levels = [self._first()]

    def current(self, finished: Sequence[Member]) -> Level:
        """The level to work at.

        Args:
            finished: All trials that have finished, in the order in which they did.
        """
        self._drop_outdated(finished)
        while not self.is_last(level := self._levels[-1]):
            complete_after = self._complete_after(level, finished)
            if complete_after is None:
                break
            self._levels.append(self._grown(level, finished[:complete_after]))
        return level

    def larger(self, level: Level) -> dict[str, Step]:
        """The decision for the next size."""
        step = self._growth.step(level.index + 1)
        return {step[0].name: step}

    def is_last(self, level: Level) -> bool:
        """Whether there is no larger size."""
        return level.index == self._growth.slot.size - 1

    def is_complete(self, level: Level, finished: Sequence[Member]) -> bool:
        """Whether all that the level needs has finished."""
        return self._complete_after(level, finished) is not None

    def key_of(self, member: Member) -> Hashable:
        """What tells its architecture apart."""
        if member not in self._keys:
            self._keys[member] = self._key(member.decisions)
        return self._keys[member]

    def _drop_outdated(self, finished: Sequence[Member]) -> None:
        """Forget levels that a trial that came late would have changed."""
        kept = itertools.takewhile(
            lambda level: list(finished[: len(level.learned_from)]) == list(level.learned_from),
            self._levels,
        )
        self._levels = list(kept)

    def _complete_after(self, level: Level, finished: Sequence[Member]) -> int | None:
        missing = set(level.best())
        for count, member in enumerate(finished, 1):
            missing.discard(self.key_of(member))
            if not missing:
                return count
        return None

    def _first(self) -> Level:
        slots = self._growth.program(0)
        draw = self._draw(0)
        rng = _rng(draw)
        choices = combinations(slots, MAX_FIRST_LEVEL + 1, rng)
        beam = len(choices)
        if beam > MAX_FIRST_LEVEL:  # too many for all
            beam = self._beam_size
        else:
            choices = choices[rng.permutation(beam)]
        size = self._growth.step(0)
        cells = (
            {size[0].name: size} | {s.name: (s, i) for s, i in zip(slots, row, strict=True)}
            for row in choices.tolist()
        )
        return Level(0, beam, (), self._with_keys(cells))

    def _grown(self, level: Level, learned_from: Sequence[Member]) -> Level:
        """All cells of a level, each with everything that the next size adds, best first."""
        index = level.index + 1
        parents = list(level.best().values())
        added = self._growth.added(index)
        features = SharedFeatures(self._growth.program(self._growth.slot.size - 1))
        rng = _rng(self._draw(index))
        predict = self._predictor(features, learned_from, rng)
        limit = max(MAX_CANDIDATES // len(parents), 1)
        offered, scores = [], []
        for parent in parents:
            choices = combinations(added, limit, rng)
            shares = features.shares(
                features.count(parent.values()) + features.counts(added, choices)
            )
            offered.append(choices)
            scores.append(predict(shares))
        order = np.argsort(-np.concatenate(scores), kind="stable")
        ends = np.cumsum([len(choices) for choices in offered])
        size = self._growth.step(index)

        def cells() -> Iterator[dict[str, Step]]:
            for place in order:
                number = int(np.searchsorted(ends, place, side="right"))
                row = offered[number][place - ends[number]]
                new = {s.name: (s, int(i)) for s, i in zip(added, row, strict=True)}
                yield {**parents[number], size[0].name: size, **new}

        return Level(index, self._beam_size, learned_from, self._with_keys(cells()))

    def _predictor(
        self, features: SharedFeatures, finished: Sequence[Member], rng: np.random.RandomState
    ) -> Predict:
        members = [member for member in finished if not member.failed]
        if len(members) < MIN_TRIALS:
            return lambda shares: rng.random_sample(len(shares))
        chosen = best_and_youngest(members, MAX_TRIALS)
        targets = targets_of([member.outcome for member in chosen])
        shares = features.of([member.decisions for member in chosen])
        return self._fit(shares, targets, int(rng.randint(2**31)))

    def _with_keys(
        self, cells: Iterator[dict[str, Step]]
    ) -> Iterator[tuple[Hashable, dict[str, Step]]]:
        return ((self._key(cell), cell) for cell in cells)


def _rng(draw: Draw) -> np.random.RandomState:
    return np.random.RandomState(draw.indices("level", 2**32, 4))
