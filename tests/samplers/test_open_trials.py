"""Several trials of one process that are open at a time, in every order of their steps."""

from __future__ import annotations

import gc
import itertools
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from optuna_nas.keys import LOG_PROB_KEY
from optuna_nas.samplers import (
    ArchitectureSampler,
    LocalSearchSampler,
    PPOSampler,
    PredictorSampler,
    ProgressiveSampler,
    RandomSearchSampler,
    RegularizedEvolutionSampler,
    ReinforceSampler,
)
from optuna_nas.testing import ToySpace

Make = Callable[..., ArchitectureSampler]
Order = Sequence[int]  # which trial goes on

SPACE = ToySpace(num_layers=(1, 3), num_ops=3)
PARTS = 4  # ask, suggest one parameter, suggest the others, tell
TWO = sorted(set(itertools.permutations([0] * PARTS + [1] * PARTS)))[:35]  # 0 is the first


def _evolution(**kwargs: object) -> ArchitectureSampler:
    return RegularizedEvolutionSampler(
        population_size=4, tournament_size=2, n_startup_trials=2, **kwargs
    )


MAKERS: dict[str, Make] = {
    "random": RandomSearchSampler,
    "evolution": _evolution,
    "local": LocalSearchSampler,
    "predictor": lambda **kwargs: PredictorSampler(n_startup_trials=2, **kwargs),
    "reinforce": ReinforceSampler,
    "ppo": lambda **kwargs: PPOSampler(batch_size=1, inner_steps=2, **kwargs),
}


def _progressive(**_: object) -> ArchitectureSampler:
    return ProgressiveSampler(space=SPACE, beam_size=4, seed=1)


learned = pytest.mark.parametrize("make", [ReinforceSampler, PPOSampler])
every_sampler = pytest.mark.parametrize("name", [*MAKERS, "progressive"])


def _names_come_late(trial: optuna.Trial) -> Iterator[float]:
    """Each trial has a parameter that no earlier one had, after one that all have."""
    kind = trial.suggest_categorical("kind", ["a", "b", "c"])
    yield 0.0
    value = trial.suggest_int(f"late_{trial.number}", 0, 2)
    if kind != "a":
        value += trial.suggest_int(f"width_{kind}", 0, 6)
    value += trial.suggest_categorical("last", [0, 1, 2, 3])
    yield value


def _chain(trial: optuna.Trial) -> Iterator[float]:
    """The names of ``SPACE``, asked for one after the other."""
    depth = trial.suggest_int("num_layers", 1, 3)
    yield 0.0
    for layer in range(1, depth + 1):
        trial.suggest_categorical(f"layer_{layer:02d}_op", SPACE.ops)
    yield SPACE.evaluate(trial.params)


def _whole(trial: optuna.Trial, parts: Callable[[optuna.Trial], Iterator[float]]) -> float:
    *_, value = parts(trial)
    return value


def _make(name: str, **kwargs: object) -> ArchitectureSampler:
    return _progressive() if name == "progressive" else MAKERS[name](seed=1, **kwargs)


def _objective(name: str) -> Callable[[optuna.Trial], Iterator[float]]:
    return _chain if name == "progressive" else _names_come_late


def _run(
    sampler: ArchitectureSampler,
    parts: Callable[[optuna.Trial], Iterator[float]],
    order: Order,
    *,
    at_once: bool = False,
) -> list[dict[str, object]]:
    """The parameters and probabilities of trials that go on in some order, after two others.

    Args:
        sampler: Made for this run.
        parts: What a trial asks for, in two parts.
        order: Each trial is in it ``PARTS`` times.
        at_once: Whether a trial asks for everything as soon as it asks for the first parameter.
    """
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(lambda trial: _whole(trial, parts), n_trials=2)
    numbers: list[int] = []

    def life(trial_of: int) -> Iterator[None]:
        trial = study.ask()
        numbers.append(trial_of)
        yield
        asked = parts(trial)
        value = next(asked)
        if at_once:
            value = next(asked)
        yield
        if not at_once:
            value = next(asked)
        yield
        study.tell(trial, value)
        sampler.propose(study, lambda trial: trial.suggest_int("any", 0, 2), 1)  # it learns
        yield

    lives = {trial: life(trial) for trial in set(order)}
    for trial in order:
        next(lives[trial])
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials)
    return [
        {**trial.params, "log_prob": trial.system_attrs.get(LOG_PROB_KEY)}
        for trial in study.trials
    ]


@every_sampler
def test_two_open_trials_in_every_order(name: str) -> None:
    assert len(TWO) == 35
    assert all(order[0] == 0 for order in TWO)
    for order in TWO:
        _run(_make(name), _objective(name), order)


@every_sampler
def test_a_trial_decides_by_what_was_known_when_it_began(name: str) -> None:
    """What finishes in the middle of a trial changes none of its decisions."""
    for order in TWO:
        drawn = [
            _run(_make(name, avoid_duplicates=False), _objective(name), order, at_once=at_once)
            for at_once in (False, True)
        ]
        assert drawn[0] == drawn[1], order


@every_sampler
@settings(max_examples=15, deadline=None)
@given(
    order=st.sampled_from([3, 4]).flatmap(
        lambda trials: st.permutations([trial for trial in range(trials) for _ in range(PARTS)])
    )
)
def test_more_open_trials_in_some_orders(name: str, order: list[int]) -> None:
    _run(_make(name), _objective(name), order)
    drawn = [
        _run(_make(name, avoid_duplicates=False), _objective(name), order, at_once=at_once)
        for at_once in (False, True)
    ]
    assert drawn[0] == drawn[1]


@learned
def test_a_name_that_others_have_brought_is_new_to_a_trial_that_began_before(make: Make) -> None:
    study = optuna.create_study(sampler=make(seed=0))
    a, b = study.ask(), study.ask()
    a.suggest_int("x", 0, 2)
    study.tell(b, b.suggest_int("x", 0, 2) + b.suggest_int("y", 0, 2))
    study.ask().suggest_int("x", 0, 2)  # here the policy learns of y
    assert a.suggest_int("y", 0, 2) in (0, 1, 2)


def _paused(
    parts: Callable[[optuna.Trial], Iterator[float]],
) -> Callable[[optuna.Trial], float]:
    def objective(trial: optuna.Trial) -> float:
        asked = parts(trial)
        next(asked)
        time.sleep(0.001 * (trial.number % 3))  # the other threads go on
        return next(asked)

    return objective


@every_sampler
def test_four_threads(name: str) -> None:
    for _ in range(3):
        study = optuna.create_study(direction="maximize", sampler=_make(name))
        study.optimize(_paused(_objective(name)), n_trials=60, n_jobs=4)
        assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
        assert len(study.trials) >= (11 if name == "progressive" else 60)


@pytest.mark.slow
@every_sampler
def test_four_threads_on_a_database(name: str, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path}/nas.db"
    study = optuna.create_study(storage=storage, direction="maximize", sampler=_make(name))
    study.optimize(_paused(_objective(name)), n_trials=40, n_jobs=4)
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}


@pytest.mark.parametrize("workers", [1, 2])
def test_an_open_trial_claims_all_that_it_is_going_to_ask_for(
    workers: int, tmp_path: Path
) -> None:
    """Though all trials that have finished so far asked for less."""
    storage = f"sqlite:///{tmp_path}/nas.db" if workers > 1 else optuna.storages.InMemoryStorage()
    optuna.create_study(study_name="s", storage=storage).enqueue_trial({"num_layers": 1})
    samplers = [RandomSearchSampler(space=SPACE, seed=0) for _ in range(workers)]
    studies = [
        optuna.load_study(study_name="s", storage=storage, sampler=sampler) for sampler in samplers
    ]
    studies[0].optimize(lambda trial: _whole(trial, _chain), n_trials=1)
    for study in studies * 4:
        study.enqueue_trial({"num_layers": 3})
        trial = study.ask()
        trial.suggest_int("num_layers", 1, 3)
        trial.suggest_categorical("layer_01_op", SPACE.ops)
    whole = {"num_layers", "layer_01_op", "layer_02_op", "layer_03_op"}
    for study, sampler in zip(studies, samplers, strict=True):
        claims = [{*decisions} for decisions in sampler._state_of(study).replay.pending]
        assert len(claims) >= 4
        assert all(claim == whole for claim in claims)


@learned
def test_nothing_is_kept_of_a_trial_that_ended_elsewhere(make: Make, tmp_path: Path) -> None:
    """Such as one that was told by another process, or failed for want of heartbeats."""
    storage = f"sqlite:///{tmp_path}/nas.db"
    sampler = make(seed=0)
    study = optuna.create_study(study_name="s", storage=storage, sampler=sampler)
    other = optuna.load_study(study_name="s", storage=storage)
    study.optimize(lambda trial: trial.suggest_int("x", 0, 9), n_trials=2)
    lost, kept = study.ask(), study.ask()
    for trial in (lost, kept):
        trial.suggest_int("x", 0, 9)
    plans = sampler._state_of(study).plans
    proposal = weakref.ref(plans[lost.number].proposal)
    other.tell(lost.number, 0.0)
    study.ask().suggest_int("x", 0, 9)
    assert list(plans) == [3, 4]
    gc.collect()
    assert proposal() is None
    with pytest.raises(optuna.exceptions.UpdateFinishedTrialError):
        lost.suggest_int("y", 0, 2)
    assert kept.suggest_int("y", 0, 2) in (0, 1, 2)


@every_sampler
@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.FAIL])
def test_trials_that_others_end_leave_nothing_behind(
    name: str, state: TrialState, tmp_path: Path
) -> None:
    """Asked for here, told or failed elsewhere, so that `after_trial` is called elsewhere."""
    storage = f"sqlite:///{tmp_path}/nas.db"
    sampler = _make(name)
    study = optuna.create_study(study_name="s", storage=storage, sampler=sampler)
    elsewhere = optuna.load_study(study_name="s", storage=storage)
    study.optimize(lambda trial: _whole(trial, _chain), n_trials=2)
    for _ in range(8):
        trial = study.ask()
        value = _whole(trial, _chain)
        elsewhere.tell(trial.number, value if state == TrialState.COMPLETE else None, state=state)
    last = study.ask()
    _whole(last, _chain)
    kept = sampler._state_of(study)
    assert list(kept.plans) == [last.number]
    assert len(kept.replay.pending) <= 1
    assert set(kept.replay._pending_digests) <= {last.number}
    study.tell(last, 0.0)
    assert not kept.plans


def test_a_sampler_keeps_nothing_of_a_study_that_is_gone() -> None:
    sampler = RandomSearchSampler(seed=0)
    for _ in range(3):
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda trial: _whole(trial, _chain), n_trials=2)
        kept = weakref.ref(sampler._state_of(study).replay)
    del study
    gc.collect()
    assert kept() is None
    assert not sampler._states
