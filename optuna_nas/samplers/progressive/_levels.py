"""The levels of a progressive search: the cells that are evaluated at each size.

A level follows from the trials that had finished when the level before it was complete, so that
all workers that see the same trials have the same levels, and a level never changes under way.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from optuna_nas.samplers.predictor._acquisition import random_rows
from optuna_nas.samplers.predictor._activity import Activity
from optuna_nas.samplers.predictor._encoding import Encoding
from optuna_nas.samplers.predictor._evidence import best_and_youngest, targets_of
from optuna_nas.samplers.predictor._shared_features import SharedFeatures

if TYPE_CHECKING:
    from optuna_nas.samplers.base import Assignment, KeyedGenerator, Member
    from optuna_nas.samplers.predictor._encoding import Codes, Floats
    from optuna_nas.samplers.progressive._growth import Growth

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
        index: Number of the size, from 0.
        beam: Number of cells that make the level complete; the others are extra.
        learned_from: The trials from which the level follows.
        ranking: Cells with their keys, the most promising first, equal ones among them.
    """

    index: int
    beam: int
    learned_from: Sequence[Member]
    ranking: Iterator[tuple[Hashable, dict[str, Assignment]]]
    _cells: dict[Hashable, dict[str, Assignment]] = field(default_factory=dict)

    def cells(self) -> Iterator[tuple[Hashable, dict[str, Assignment]]]:
        """Yield all cells with their keys; the ranking is read as far as it is needed."""
        yield from list(self._cells.items())
        for key, cell in self.ranking:
            if key not in self._cells:
                self._cells[key] = cell
                yield key, cell

    def best(self) -> dict[Hashable, dict[str, Assignment]]:
        """Return the cells that make the level complete, by key."""
        return dict(itertools.islice(self.cells(), self.beam))


class Levels:
    """The levels of one study so far.

    Args:
        growth: Growth of the space.
        beam_size: Cells of each level after the first, the paper's K.
        key: Returns what tells architectures apart.
        fit: Fits a predictor.
        rng: Returns the randomness of a level.
    """

    def __init__(
        self,
        growth: Growth,
        *,
        beam_size: int,
        key: Callable[[dict[str, Assignment]], Hashable],
        fit: Fit,
        rng: Callable[[int], KeyedGenerator],
    ) -> None:
        self._growth, self._beam_size, self._key = growth, beam_size, key
        self._fit, self._rng = fit, rng
        self._keys: dict[Member, Hashable] = {}
        self._encoding = Encoding([growth.size, *growth.decisions(growth.size.size - 1)])
        self._features = SharedFeatures(self._encoding, besides=growth.size.name)
        self._levels = [self._level(0, [{}], ())]

    def current(self, finished: Sequence[Member]) -> Level:
        """Return the level to work at.

        Args:
            finished: All trials that have finished, in the order in which they did.
        """
        self._drop_outdated(finished)
        while not self.is_last(level := self._levels[-1]):
            complete_after = self._complete_after(level, finished)
            if complete_after is None:
                break
            parents = list(level.best().values())
            self._levels.append(self._level(level.index + 1, parents, finished[:complete_after]))
        return level

    def larger(self, level: Level) -> dict[str, Assignment]:
        """Return the decision for the next size."""
        return self._growth.size_of(level.index + 1)

    def is_last(self, level: Level) -> bool:
        """Tell whether there is no larger size."""
        return level.index == self._growth.size.size - 1

    def is_complete(self, level: Level, finished: Sequence[Member]) -> bool:
        """Tell whether all cells that the level needs have finished."""
        return self._complete_after(level, finished) is not None

    def key_of(self, member: Member) -> Hashable:
        """Return the key of a trial's architecture."""
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

    def _level(
        self, index: int, parents: Sequence[dict[str, Assignment]], learned_from: Sequence[Member]
    ) -> Level:
        """Rank all cells of a size, each parent with everything that the size adds."""
        random_state = self._rng(index).random_state("level")
        predict = self._predictor(learned_from, random_state)
        bases = self._encoding.encode([parent | self._growth.size_of(index) for parent in parents])
        added = Encoding(self._growth.added(index))
        columns = [self._encoding.names.index(name) for name in added.names]
        choices = _choices(added, len(parents), random_state)
        scores = []
        for base, chosen in zip(bases, choices, strict=True):
            rows = np.repeat(base[None], len(chosen), axis=0)
            rows[:, columns] = chosen
            scores.append(predict(self._features.shares(rows)))
        # Scores of all cells fit into memory, cells as decisions do not: a cell is made of its
        # parent's row and what is added when the ranking is read down to it.
        order = np.argsort(-np.concatenate(scores), kind="stable")
        ends = np.cumsum([len(chosen) for chosen in choices])

        def cells() -> Iterator[tuple[Hashable, dict[str, Assignment]]]:
            for place in order:
                number = int(np.searchsorted(ends, place, side="right"))
                row = bases[number].copy()
                row[columns] = choices[number][place - ends[number]]
                cell = self._encoding.decode(row.tolist())
                yield self._key(cell), cell

        is_all = index == 0 and len(order) <= MAX_FIRST_LEVEL
        return Level(index, len(order) if is_all else self._beam_size, learned_from, cells())

    def _predictor(self, finished: Sequence[Member], rng: np.random.RandomState) -> Predict:
        members = [member for member in finished if not member.failed]
        if len(members) < MIN_TRIALS:
            return lambda shares: rng.random_sample(len(shares))
        chosen = best_and_youngest(members, MAX_TRIALS)
        targets = targets_of([member.outcome for member in chosen])
        rows = self._encoding.encode([member.decisions for member in chosen])
        return self._fit(self._features.shares(rows), targets, int(rng.randint(2**31)))


def _choices(added: Encoding, parents: int, rng: np.random.RandomState) -> list[Codes]:
    """Choose the extensions of each parent: all, or random rows where those are too many."""
    limit = max(MAX_CANDIDATES // parents, 1)
    if added.total <= limit:
        return [added.everything()] * parents
    return [random_rows(added, Activity(()), limit, rng) for _ in range(parents)]
