"""All members by outcome, whatever the order in which they come."""

from __future__ import annotations

import random

import optuna
import pytest
from finished_trials import NAMES, alike, finished

from optuna_nas.samplers.base import Member
from optuna_nas.samplers.base._decisions import DecisionTable, as_decides
from optuna_nas.samplers.base._replay import StudyReplay
from optuna_nas.samplers.evolution._population import Population
from optuna_nas.samplers.evolution._ranking import Ranking, Survivors


def _histories(directions: list[str], count: int, seed: int) -> list[list[Member]]:
    """Members of one replay as they become known: one at a time, some of them late."""
    rng = random.Random(seed)
    study = optuna.create_study(directions=directions)
    for _ in range(count):
        params = alike("a") | {rng.choice(NAMES): rng.choice("abcde")}
        gain = rng.randint(0, 6)  # what is good for one objective is bad for the other
        values = [float(gain + rng.randint(0, 2)) for _ in directions]
        study.add_trial(finished(params, *values, age=rng.randint(0, 5)))
    replay = StudyReplay(DecisionTable(as_decides(None)), None)
    replay.refresh(study)
    known: list[Member] = []
    states = []
    for member in sorted(replay.members, key=lambda m: m.number):
        known = sorted([*known, member], key=lambda m: m.age)
        states.append(known)
    return states


@pytest.mark.parametrize(("count", "half"), [(1, 1), (2, 1), (3, 2), (10, 5)])
def test_half_of_a_population_is_rounded_up(count: int, half: int) -> None:
    members = _histories(["minimize"], count, seed=0)[-1]
    better = Population(members, [optuna.study.StudyDirection.MINIMIZE]).better_half
    assert len(better) == half
    worst = max(member.outcome for member in better)
    assert all(worst <= member.outcome for member in members if member not in better)


def test_the_best_come_first_and_of_equals_the_youngest() -> None:
    ranking = Ranking()
    for members in _histories(["minimize"], 60, seed=0):
        news = ranking.catch_up(members)
        assert len(news) == 1
    values = [(m.trial.value, -m.trial.datetime_complete.timestamp()) for m in ranking.members]
    assert values == sorted(values)
    assert len(values) == 60


@pytest.mark.parametrize("directions", [["minimize"], ["maximize", "minimize"]])
@pytest.mark.parametrize("count", [3, 10])
def test_survivors_depend_on_the_set_only(directions: list[str], count: int) -> None:
    states = _histories(directions, 50, seed=1)
    ways = [getattr(optuna.study.StudyDirection, d.upper()) for d in directions]
    one_by_one = Survivors(ways)
    for members in states:
        alive = one_by_one.alive(members, count)
        at_once = Survivors(ways).alive(members, count)
        assert [m.number for m in alive] == [m.number for m in at_once]
        assert len({m.number for m in alive}) == min(count, len(members))


def test_survivors_of_several_objectives_are_the_undominated_and_the_youngest() -> None:
    members = _histories(["maximize", "minimize"], 50, seed=2)[-1]
    ways = [optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE]
    losses = {m.number: (-m.trial.values[0], m.trial.values[1]) for m in members}

    def dominated(number: int) -> bool:
        mine = losses[number]
        return any(o != mine and o[0] <= mine[0] and o[1] <= mine[1] for o in losses.values())

    front = {number for number in losses if not dominated(number)}
    alive = {m.number for m in Survivors(ways).alive(members, 20)}
    assert len(front) < 20
    assert front < alive
    youngest = [m.number for m in reversed(members) if m.number not in front]
    assert alive - front == set(youngest[: 20 - len(front)])
    few = {m.number for m in Survivors(ways).alive(members, 2)}
    assert few < front
    ends = {min(losses.values()), min(losses.values(), key=lambda loss: loss[::-1])}
    assert {losses[number] for number in few} == ends
