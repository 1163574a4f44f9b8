"""Several processes on one study, and processes that are killed: what the storage must carry."""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

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
from optuna_nas.stores import open_storage
from optuna_nas.testing import ToySpace

SPACE = ToySpace(num_layers=(1, 5), num_ops=5)
MAKERS: dict[str, Callable[[], ArchitectureSampler]] = {
    "random": lambda: RandomSearchSampler(space=SPACE, seed=3),
    "evolution": lambda: RegularizedEvolutionSampler(
        space=SPACE, population_size=10, tournament_size=5, seed=3
    ),
    "local": lambda: LocalSearchSampler(space=SPACE, seed=3),
    "reinforce": lambda: ReinforceSampler(space=SPACE, seed=3),
    "ppo": lambda: PPOSampler(space=SPACE, seed=3),
    "predictor": lambda: PredictorSampler(space=SPACE, seed=3),
    "progressive": lambda: ProgressiveSampler(space=SPACE, beam_size=20, seed=3),
}
pytestmark = pytest.mark.slow  # spawned processes
URLS = {"sqlite": "sqlite:///{}/nas.db", "journal": "journal:{}/nas.log"}
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


def _cases(journal: str) -> list[tuple[str, str]]:
    return [*((name, "sqlite") for name in MAKERS), (journal, "journal")]


def _load(storage: str, sampler: str) -> optuna.Study:
    return optuna.create_study(
        study_name="workers",
        storage=open_storage(storage),
        direction="maximize",
        sampler=MAKERS[sampler](),
        load_if_exists=True,
    )


def _work(folder: Path, url: str, sampler: str, trials: int, pause: float) -> None:
    """One worker: it notes when it works on what, and goes on until there are enough trials."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = _load(url.format(folder), sampler)

    def objective(trial: optuna.Trial) -> float:
        architecture = SPACE.suggest(trial)
        begun = time.monotonic()
        time.sleep(pause * random.random())
        note = [trial.number, architecture.digest, begun, time.monotonic()]
        with (folder / "notes.jsonl").open("a") as file:
            file.write(json.dumps(note) + "\n")
        return SPACE.evaluate(architecture.params)

    stop = optuna.study.MaxTrialsCallback(trials, states=FINISHED)
    study.optimize(objective, callbacks=[stop])


def _start(*arguments: object) -> BaseProcess:
    process = multiprocessing.get_context("spawn").Process(
        target=_work, args=arguments, daemon=True
    )
    process.start()
    return process


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(states=FINISHED)


@pytest.mark.parametrize(("sampler", "storage"), _cases("evolution"))
def test_four_workers_lose_nothing_and_never_do_the_same_at_once(
    sampler: str, storage: str, tmp_path: Path
) -> None:
    url = URLS[storage]
    _load(url.format(tmp_path), sampler)
    workers = [_start(tmp_path, url, sampler, 60, 0.05) for _ in range(4)]
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    trials = _load(url.format(tmp_path), sampler).trials
    notes = [json.loads(line) for line in (tmp_path / "notes.jsonl").read_text().splitlines()]
    assert sorted(number for number, *_ in notes) == [trial.number for trial in trials]
    assert len(trials) >= 60
    for trial in trials:
        assert trial.value == SPACE.evaluate(trial.params)
    notes.sort(key=lambda note: note[2])
    for place, (_, digest, _, end) in enumerate(notes):
        at_once = [other for _, other, begun, _ in notes[place + 1 :] if begun < end]
        assert digest not in at_once
    assert len({digest for _, digest, *_ in notes}) == len(notes), "evaluated twice"


@pytest.mark.parametrize(("sampler", "storage"), _cases("reinforce"))
def test_what_was_learned_is_rebuilt_after_every_kill(
    sampler: str, storage: str, tmp_path: Path
) -> None:
    """A sampler that looks on and one that is made anew propose the same."""
    url = URLS[storage]
    study = _load(url.format(tmp_path), sampler)
    moments = random.Random(0)
    finished = 0
    for round_ in range(10 if sampler in ("reinforce", "ppo") else 3):
        workers = [_start(tmp_path, url, sampler, 10_000, 0.02) for _ in range(2)]
        while len(_finished(study)) < finished + moments.randint(5, 12):
            assert any(worker.is_alive() for worker in workers)
            time.sleep(0.02)
        time.sleep(moments.uniform(0.0, 0.1))
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.join()
        if sampler != "progressive":  # which ends with its last level
            assert len(_finished(study)) > finished
        finished = len(_finished(study))
        anew = _load(url.format(tmp_path), sampler)
        proposals = [
            each.sampler.propose(each, SPACE.suggest, 5, seed=round_) for each in (study, anew)
        ]
        assert proposals[0] == proposals[1]
