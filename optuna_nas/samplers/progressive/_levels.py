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

from optuna_nas.samplers.predictor._acquisition import random_rows
from optuna_nas.samplers.predictor._activity import Activity
from optuna_nas.samplers.predictor._encoding import Encoding
from optuna_nas.samplers.predictor._evidence import best_and_youngest, targets_of
from optuna_nas.samplers.predictor._shared_features import SharedFeatures

if TYPE_CHECKING:
    from optuna_nas.samplers.base._decisions import Draw
    from optuna_nas.samplers.base._history import Member
    from optuna_nas.samplers.base._trie import Step
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
        self._encoding = Encoding([growth.slot, *growth.program(growth.slot.size - 1)])
        self._features = SharedFeatures(self._encoding, besides=growth.slot.name)
        self._levels = [self._level(0, [{}], ())]

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
            parents = list(level.best().values())
            self._levels.append(self._level(level.index + 1, parents, finished[:complete_after]))
        return level

    def larger(self, level: Level) -> dict[str, Step]:
        """The decision for the next size."""
        return self._growth.size(level.index + 1)

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

    def _level(
        self, index: int, parents: Sequence[dict[str, Step]], learned_from: Sequence[Member]
    ) -> Level:
        """All cells of a size, each parent with everything that the size adds, best first."""
        rng = np.random.RandomState(self._draw(index).indices("level", 2**32, 4))
        predict = self._predictor(learned_from, rng)
        bases = self._encoding.encode([parent | self._growth.size(index) for parent in parents])
        added = Encoding(self._growth.added(index))
        columns = [self._encoding.names.index(name) for name in added.names]
        choices = _choices(added, len(parents), rng)
        scores = []
        for base, chosen in zip(bases, choices, strict=True):
            rows = np.repeat(base[None], len(chosen), axis=0)
            rows[:, columns] = chosen
            scores.append(predict(self._features.shares(rows)))
        order = np.argsort(-np.concatenate(scores), kind="stable")
        ends = np.cumsum([len(chosen) for chosen in choices])

        def cells() -> Iterator[tuple[Hashable, dict[str, Step]]]:
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
    """What each parent is extended by: everything, or random rows if that is too much."""
    limit = max(MAX_CANDIDATES // parents, 1)
    if added.total <= limit:
        return [added.everything()] * parents
    return [random_rows(added, Activity(()), limit, rng) for _ in range(parents)]
