"""What surrogates learn from: targets in the order of outcomes, repeats averaged, a cap."""

from __future__ import annotations

import datetime
import itertools
import math

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from optuna_nas.samplers.base import Member
from optuna_nas.samplers.base._decisions import DecisionTable, as_decides
from optuna_nas.samplers.base._outcomes import Outcome
from optuna_nas.samplers.base._replay import StudyReplay
from optuna_nas.samplers.predictor._evidence import Archive, targets_of

DISTRIBUTIONS = {"a": CategoricalDistribution("abcde"), "b": IntDistribution(0, 59)}


def _trial(a: str, b: int, value: float, second: int, **kwargs: object) -> FrozenTrial:
    trial = optuna.create_trial(
        params={"a": a, "b": b}, distributions=DISTRIBUTIONS, value=value, **kwargs
    )
    trial.datetime_complete = datetime.datetime(2026, 1, 1) + datetime.timedelta(seconds=second)
    return trial


def _members(*trials: FrozenTrial) -> list[Member]:
    study = optuna.create_study(direction="maximize")
    study.add_trials(trials)
    replay = StudyReplay(DecisionTable(as_decides(None)), None)
    replay.refresh(study)
    return replay.members


def test_targets_keep_the_order_of_outcomes() -> None:
    """Complete by value, pruned by step and value, infeasible by violation."""
    outcomes: list[Outcome] = [
        (0, -3.0, 0.0),
        (0, -1.0, 0.0),
        (1, -9.0, 0.5),
        (1, -9.0, 0.7),
        (1, -2.0, 0.1),
        (1, math.inf, math.inf),
        (2, 0.5, 0.0),
        (2, 7.0, 0.0),
    ]
    for order in itertools.islice(itertools.permutations(range(8)), 0, None, 4001):
        targets = targets_of([outcomes[i] for i in order])
        by_outcome = targets[np.argsort(order)]
        assert (np.diff(by_outcome) < 0).all()
        assert targets.mean() == pytest.approx(0.0)
        assert targets.std() == pytest.approx(1.0)
        # The span of the complete ones is 2; all others share a half of it below them.
        gaps = np.diff(by_outcome) / (by_outcome[1] - by_outcome[0])
        assert gaps == pytest.approx([1.0, *[0.5 / 6] * 6])


def test_equal_outcomes_have_equal_targets() -> None:
    targets = targets_of([(0, 1.0, 0.0), (2, 5.0, 0.0), (2, 5.0, 0.0), (1, -1.0, 0.0)])
    assert targets[1] == targets[2] < targets[3] < targets[0]
    assert targets_of([(1, -1.0, 0.0)] * 3).tolist() == [0.0] * 3


def test_outright_failures_are_winsorised() -> None:
    """The median is 2, the best 5: nothing counts below 2 - 2 (5 - 2) = -4."""
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 4.5, -1000.0, -math.inf, 1.5]
    outcomes: list[Outcome] = [(0, -value, 0.0) for value in values]
    winsorised = np.maximum(values, -4.0)
    expected = (winsorised - winsorised.mean()) / winsorised.std()
    np.testing.assert_allclose(targets_of(outcomes, noisy=True), expected)
    zoomed = -np.log(0.3 + (5.0 - winsorised) / (5.0 - 2.0))
    expected = (zoomed - zoomed.mean()) / zoomed.std()
    np.testing.assert_allclose(targets_of(outcomes), expected)
    infinite = targets_of([(0, -value, 0.0) for value in (math.inf, 1.0, 2.0, -math.inf)])
    assert np.isfinite(infinite).all()


def test_repeats_are_one_row_with_their_mean() -> None:
    members = _members(
        _trial("a", 1, 3.0, 0), _trial("b", 2, 1.0, 1), _trial("a", 1, 5.0, 2),
        _trial("a", 1, 0.0, 3, state=TrialState.PRUNED, intermediate_values={1: 0.0}),
        _trial("c", 3, 4.0, 4),
    )  # fmt: skip
    evidence = Archive().evidence(members, 100)
    assert evidence.counts.tolist() == [3.0, 1.0, 1.0]
    assert [[m.number for m in group] for group in evidence.members] == [[0, 2, 3], [1], [4]]
    np.testing.assert_allclose(evidence.targets, targets_of([(0, -v, 0.0) for v in (4, 1, 4)]))


def test_the_best_and_the_youngest_are_kept() -> None:
    """Values fall with age; 8 of 12 places go to the best (the oldest), 4 to the youngest."""
    members = _members(*(_trial("a", i, float(-i), i) for i in range(50)))
    evidence = Archive().evidence(members, 12)
    kept = [m.number for group in evidence.members for m in group]
    assert kept == [*range(8), *range(46, 50)]


def test_an_archive_remembers_no_more_than_its_arguments_say() -> None:
    """Evidence after others is what a new archive gathers; the choices are those that were met."""
    members = _members(*(_trial("abcde"[i % 5], i, float(i), i) for i in range(20)))
    archive = Archive()
    archive.evidence(members[:3], 100)
    archive.evidence(members, 5)
    again, fresh = archive.evidence(members, 100), Archive().evidence(members, 100)
    assert (again.codes == fresh.codes).all()
    assert (again.targets == fresh.targets).all()
    assert again.encoding.names == fresh.encoding.names


def test_repeats_tell_of_the_noise_in_units_of_the_targets() -> None:
    """Architectures a and b were evaluated twice, c once, d failed outright, twice."""
    results = [("a", 4.0), ("a", 5.0), ("b", 1.0), ("b", 3.0), ("c", 3.0), ("e", 2.5)]
    results += [("d", -900.0), ("d", -300.0)]
    members = _members(*(_trial(a, 0, value, second) for second, (a, value) in enumerate(results)))
    evidence = Archive(noisy=True).evidence(members, 100)
    slope = (evidence.targets[0] - evidence.targets[1]) / (4.5 - 2.0)
    assert evidence.repeats.scatter == pytest.approx(slope**2 * (0.5 + 2.0))
    assert evidence.repeats.degrees == 2
    assert Archive().evidence(members, 100).repeats == (0.0, 0)
