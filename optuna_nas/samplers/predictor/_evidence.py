"""Evidence for a surrogate model: some hundred finished trials, as rows and targets."""

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
    from optuna_nas.samplers.base import Decision, Member, Outcome
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
        encoding: Encoding of ``codes``.
        codes: One row per architecture, all different, shape (N, D).
        targets: Targets to be maximised; mean 0 and variance 1, shape (N,).
        counts: Number of trials of each architecture, shape (N,).
        members: The trials of each architecture, by age.
        repeats: Scatter of repeated trials of an architecture, which tells the noise.
    """

    encoding: Encoding
    codes: Codes
    targets: Floats
    counts: Floats
    members: list[list[Member]]
    repeats: Repeats


class Archive:
    """A maker of evidence from one study's trials, which remembers the rows that it has seen.

    Its results depend on the arguments alone.

    Args:
        noisy: See :func:`targets_of`.
    """

    def __init__(self, *, noisy: bool = False) -> None:
        self._noisy = noisy
        self._decisions: frozenset[Decision] = frozenset()
        self._encoding = Encoding(())
        self._rows: dict[Member, Codes] = {}

    def evidence(
        self, members: Sequence[Member], limit: int, decisions: Iterable[Decision] | None = None
    ) -> Evidence:
        """Make evidence of finished trials.

        Args:
            members: Trials by age, at least one.
            limit: Most trials to take: two thirds the best ones, the rest the youngest others.
            decisions: All decisions of the trials, if they are known.
        """
        chosen = best_and_youngest(members, limit)
        self._use(_asked(chosen) if decisions is None else frozenset(decisions))
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

    def _use(self, decisions: frozenset[Decision]) -> None:
        if decisions != self._decisions:
            self._decisions, self._encoding, self._rows = decisions, Encoding(decisions), {}

    def _row(self, member: Member) -> Codes:
        if member not in self._rows:
            self._rows[member] = self._encoding.encode([member.decisions])[0]
        return self._rows[member]


def targets_of(outcomes: Sequence[Outcome], *, noisy: bool = False) -> Floats:
    """Turn outcomes into targets to be maximised, with mean 0 and variance 1.

    Complete trials have their values, winsorised and zoomed. All others follow below the worst of
    them, at equal distances over half the span of the complete ones.

    Args:
        outcomes: Outcomes of architectures.
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


def _asked(members: Sequence[Member]) -> frozenset[Decision]:
    return frozenset(decision for member in members for decision, _ in member.decisions.values())


def _mean_outcome(group: Sequence[Member]) -> Outcome:
    """Return the mean of an architecture's complete trials, else its best outcome."""
    if len(group) == 1:
        return group[0].outcome
    complete = _finite_values(group)
    if not complete:
        return min(member.outcome for member in group)
    return (0, float(np.mean(complete)), 0.0)


def _finite_values(group: Sequence[Member]) -> list[float]:
    """Return the finite values of an architecture's complete trials: less is better."""
    values = [member.outcome[1] for member in group if member.outcome[0] == 0]
    return [max(-LARGEST, min(value, LARGEST)) for value in values if math.isfinite(value)]


def _repeats(together: Sequence[Sequence[Member]], targets: Floats) -> Repeats:
    """Measure how far complete trials of equal architectures lie apart, in units of the targets.

    Without the zoom, targets are a straight line in the values, but for winsorised ones. So the
    line is found from two architectures, those that do not lie on it are left out, and the
    scatter of values is scaled by its slope.
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
    """Return members by age; the best and the youngest if there are too many."""
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
