"""What a surrogate model learns from: some hundred finished trials, as rows and targets."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from optuna_nas.samplers.predictor._encoding import Encoding
from optuna_nas.samplers.predictor._gaussian_process import Repeats

if TYPE_CHECKING:
    from optuna_nas.samplers.base._decisions import Slot
    from optuna_nas.samplers.base._history import Member
    from optuna_nas.samplers.base._outcomes import Outcome
    from optuna_nas.samplers.predictor._encoding import Codes, Floats

__all__ = ["Archive", "Evidence", "best_and_youngest", "targets_of"]

WINSOR = 2.0
"""Complete trials count as no worse than median - WINSOR (best - median): some architectures fail
outright, and how badly says nothing about the good ones."""
ZOOM = 0.3
"""Without noise, targets are -log(ZOOM + (best - value) / (best - median)): what matters is to
tell the best apart."""
LARGEST = 1e100
"""Finite values beyond it count as it, so that differences and squares of values are finite."""


@dataclass(frozen=True)
class Evidence:
    """Finished trials of one study, grouped by architecture.

    Args:
        encoding: Of ``codes``.
        codes: One row per architecture, all different, shape (N, D).
        targets: To be maximised; mean 0 and variance 1, shape (N,).
        counts: How many trials each architecture had, shape (N,).
        members: The trials of each architecture, by age.
        repeats: What repeated trials of an architecture tell of the noise.
    """

    encoding: Encoding
    codes: Codes
    targets: Floats
    counts: Floats
    members: list[list[Member]]
    repeats: Repeats


class Archive:
    """Makes evidence of one study's trials, and remembers the rows of those that it has seen.

    What it returns depends on its arguments alone.

    Args:
        noisy: See :func:`targets_of`.
    """

    def __init__(self, *, noisy: bool = False) -> None:
        self._noisy = noisy
        self._slots: frozenset[Slot] = frozenset()
        self._encoding = Encoding(())
        self._rows: dict[Member, Codes] = {}

    def evidence(
        self, members: Sequence[Member], limit: int, slots: Iterable[Slot] | None = None
    ) -> Evidence:
        """Gather what is known.

        Args:
            members: By age, at least one.
            limit: Most trials to take: two thirds the best ones, the rest the youngest others.
            slots: All that the trials were asked, if that is known.
        """
        chosen = best_and_youngest(members, limit)
        self._use(_asked(chosen) if slots is None else frozenset(slots))
        rows = [self._row(member) for member in chosen]
        groups: dict[bytes, list[int]] = {}
        for position, row in enumerate(rows):
            groups.setdefault(row.tobytes(), []).append(position)
        together = [[chosen[position] for position in group] for group in groups.values()]
        targets = targets_of([_mean_outcome(group) for group in together], noisy=self._noisy)
        return Evidence(
            self._encoding,
            np.stack([rows[group[0]] for group in groups.values()]),
            targets,
            np.array([len(group) for group in together], dtype=np.float64),
            together,
            _repeats(together, targets) if self._noisy else Repeats(),
        )

    def _use(self, slots: frozenset[Slot]) -> None:
        if slots != self._slots:
            self._slots, self._encoding, self._rows = slots, Encoding(slots), {}

    def _row(self, member: Member) -> Codes:
        if member not in self._rows:
            self._rows[member] = self._encoding.encode([member.decisions])[0]
        return self._rows[member]


def targets_of(outcomes: Sequence[Outcome], *, noisy: bool = False) -> Floats:
    """Targets to be maximised, in the order of the outcomes, with mean 0 and variance 1.

    Complete trials have their values, winsorised and zoomed. All others follow below the worst of
    them, at equal distances over half the span of the complete ones.

    Args:
        outcomes: Of architectures.
        noisy: Leaves out the zoom, which would make the noise of the best larger.
    """
    states = np.array([outcome[0] for outcome in outcomes])
    values = -np.array([outcome[1] for outcome in outcomes])
    values = np.where(np.isfinite(values), np.clip(values, -LARGEST, LARGEST), values)
    complete = states == 0
    targets = np.zeros(len(outcomes))
    span, worst = 1.0, 0.0
    if complete.any():
        targets[complete] = kept = _scaled(values[complete], zoom=not noisy)
        span, worst = (float(np.ptp(kept)) or 1.0), float(kept.min())
    others = sorted({outcome for outcome in outcomes if outcome[0] > 0})
    below = 0.5 * span / max(len(others), 1)
    places = {outcome: place for place, outcome in enumerate(others, 1)}
    for position, outcome in enumerate(outcomes):
        if outcome in places:
            targets[position] = worst - below * places[outcome]
    targets -= targets.mean()
    return targets / (targets.std() or 1.0)


def _scaled(values: Floats, *, zoom: bool) -> Floats:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.nan_to_num(values, posinf=1.0, neginf=-1.0)
    values = np.clip(values, finite.min(), finite.max())
    best = values.max()
    distances: Floats = (best - values) / (best - np.median(values) or 1.0)
    distances = np.minimum(distances, 1.0 + WINSOR)
    return -np.log(ZOOM + distances) if zoom else -distances


def _asked(members: Sequence[Member]) -> frozenset[Slot]:
    return frozenset(slot for member in members for slot, _ in member.decisions.values())


def _mean_outcome(group: Sequence[Member]) -> Outcome:
    """An architecture counts by the mean of its complete trials, if it has any."""
    if len(group) == 1:
        return group[0].outcome
    complete = _finite_values(group)
    if not complete:
        return min(member.outcome for member in group)
    return (0, float(np.mean(complete)), 0.0)


def _finite_values(group: Sequence[Member]) -> list[float]:
    """Values of the complete trials of an architecture, but for infinite ones: less is better."""
    values = [member.outcome[1] for member in group if member.outcome[0] == 0]
    return [max(-LARGEST, min(value, LARGEST)) for value in values if math.isfinite(value)]


def _repeats(together: Sequence[Sequence[Member]], targets: Floats) -> Repeats:
    """How far complete trials of equal architectures lie apart, in units of the targets.

    Targets are a straight line in the values, but for winsorised ones, which tell nothing.
    """
    values = [_finite_values(group) for group in together]
    means = np.array([np.mean(each) if each else np.nan for each in values])
    line = np.flatnonzero(np.isfinite(means) & (targets > np.nanmin(targets)))
    if len(line) < 2:
        return Repeats()
    first, last = line[np.argmin(means[line])], line[np.argsort(means[line])[len(line) // 2]]
    if means[first] == means[last]:
        return Repeats()
    slope = (targets[last] - targets[first]) / (means[last] - means[first])
    on_line = np.abs(targets - targets[first] - slope * (means - means[first])) < 1e-6
    groups = [np.array(each) for each, kept in zip(values, on_line, strict=True) if kept]
    scatter = sum(float(np.square(each - each.mean()).sum()) for each in groups)
    return Repeats(slope**2 * scatter, sum(len(each) - 1 for each in groups))


def best_and_youngest(members: Sequence[Member], limit: int) -> Sequence[Member]:
    """By age; the best and the youngest if there are too many."""
    if len(members) <= limit:
        return members
    by_age = range(len(members))
    best = heapq.nsmallest(2 * limit // 3, by_age, key=lambda i: (members[i].outcome, -i))
    taken = set(best)
    for position in reversed(by_age):
        if len(taken) == limit:
            break
        taken.add(position)
    return [members[position] for position in sorted(taken)]
