"""Trials of processes that are killed at any moment go on where they stopped."""

from __future__ import annotations

import json
import multiprocessing
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import FrozenTrial, TrialState

from optuna_nas.keys import CHECKPOINT_KEY, WORKER_KEY
from optuna_nas.objectives import TrainingObjective, fail_dead_trials
from optuna_nas.objectives.trial._runs import run_key
from optuna_nas.objectives.trial._workers import this_worker
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.spaces import NASBench201Space
from optuna_nas.stores import open_storage
from optuna_nas.training import Recipe, fit, load_data, seeded
from optuna_nas.training.loop import _fit as fit_module

SPACE = NASBench201Space()
SIZE = {"cells": 1, "channels": 4}
EPOCHS = 6
RECIPE = Recipe(batch_size=16, crop_padding=1, ema_decay=0.9)
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


def _data() -> Any:
    return load_data("digits", train_size=96, val_size=60)


def _study(folder: Path) -> optuna.Study:
    return optuna.create_study(
        study_name="s",
        storage=open_storage(f"journal:{folder / 'nas.log'}"),
        load_if_exists=True,
        direction="maximize",
        sampler=RandomSearchSampler(seed=0, space=SPACE),
        pruner=optuna.pruners.SuccessiveHalvingPruner(reduction_factor=2),
    )


def _summary(trial: FrozenTrial) -> list[Any]:
    return [trial.number, trial.state.name, list(trial.intermediate_values.values())]


def _work(folder: Path, trials: int) -> None:
    """Bring the study to so many finished trials, and note every epoch that is trained."""
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = _study(folder)
    fail_dead_trials(study, unmarked_after=0.0)
    finished = [_summary(trial) for trial in study.trials if trial.state in FINISHED]
    with (folder / "starts.jsonl").open("a") as file:
        file.write(json.dumps(finished) + "\n")
    train = fit_module._Run.epoch

    def noted(run: Any, epoch: int) -> Any:
        result = train(run, epoch)
        with (folder / "epochs.txt").open("a") as file:
            file.write(f"{run._seed} {epoch}\n")
        return result

    fit_module._Run.epoch = noted  # type: ignore[method-assign]
    objective = TrainingObjective(
        SPACE,
        _data(),
        epochs=EPOCHS,
        build=SIZE,
        recipe=RECIPE,
        device="cpu",
        checkpoints=folder / "checkpoints",
        keep_checkpoints=2,
    )
    stop = optuna.study.MaxTrialsCallback(trials, states=FINISHED)
    study.optimize(objective, callbacks=[stop])


def _seed(number: int) -> int:
    return int(run_key(seed=0, trial=number)[:15], 16)


def _undisturbed(trial: FrozenTrial, first: int) -> list[float]:
    with seeded(_seed(first)):
        model = SPACE.architecture(trial).build(num_classes=10, in_channels=1, **SIZE)
    history = fit(model, _data(), epochs=EPOCHS, recipe=RECIPE, seed=_seed(first), device="cpu")
    return [result.val_metric for result in history.epochs]


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # forks beside threads
@pytest.mark.parametrize(
    ("method", "kills", "trials"),
    [
        pytest.param("fork", 2, 4, id="few"),
        pytest.param("spawn", 20, 45, id="many", marks=pytest.mark.slow),
    ],
)
def test_killed_at_random_moments(method: str, kills: int, trials: int, tmp_path: Path) -> None:
    context = multiprocessing.get_context(method)
    moments = random.Random(kills)
    for _ in range(kills):
        enough = len(_epochs(tmp_path)) + moments.randint(1, 8)
        process = context.Process(target=_work, args=(tmp_path, trials))
        process.start()
        while process.is_alive() and len(_epochs(tmp_path)) < enough:
            time.sleep(0.005)
        process.join(moments.uniform(0, 0.2))
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    process = context.Process(target=_work, args=(tmp_path, trials))
    process.start()
    process.join()
    assert process.exitcode == 0
    _check(tmp_path, kills, trials)


def test_a_trial_without_a_mark_counts_as_dead_only_where_that_is_asked_for() -> None:
    study = optuna.create_study()
    unmarked, ours = study.ask(), study.ask()
    x = unmarked.suggest_int("x", 0, 99)
    ours.set_user_attr(WORKER_KEY, this_worker())
    assert fail_dead_trials(study) == []
    assert fail_dead_trials(study, unmarked_after=60.0) == []
    assert fail_dead_trials(study, unmarked_after=0.0) == [0]
    assert [trial.state for trial in study.trials[:2]] == [TrialState.FAIL, TrialState.RUNNING]
    assert study.ask().suggest_int("x", 0, 99) == x


def _epochs(folder: Path) -> list[str]:
    path = folder / "epochs.txt"
    return path.read_text().splitlines() if path.exists() else []


def _check(folder: Path, killed: int, trials: int) -> None:
    all_trials = _study(folder).trials
    finished = [trial for trial in all_trials if trial.state in FINISHED]
    assert len(finished) == trials
    assert sum(trial.state == TrialState.FAIL for trial in all_trials) <= killed
    assert not any(trial.state == TrialState.RUNNING for trial in all_trials)

    # No finished trial is lost, or changes.
    final = [_summary(trial) for trial in finished]
    for start in (folder / "starts.jsonl").read_text().splitlines():
        assert all(summary in final for summary in json.loads(start))

    # None is trained twice: a kill costs the epoch that it hits, and no more.
    firsts = [trial.system_attrs.get("failed_trial", trial.number) for trial in finished]
    assert len(set(firsts)) == len(firsts)
    assert any(trial.number != first for trial, first in zip(finished, firsts, strict=True))
    counts = Counter(_epochs(folder))
    assert sum(counts.values()) - len(counts) <= killed

    # The curves are those of runs that nothing disturbed.
    for trial, first in zip(finished, firsts, strict=True):
        ours = list(trial.intermediate_values.values())
        assert ours == _undisturbed(trial, first)[: len(ours)]
        assert trial.state == TrialState.PRUNED or len(ours) == EPOCHS

    # What is kept: the best two, and those of the last trials, which no later one has removed.
    files = {path.name for path in (folder / "checkpoints").iterdir()}
    complete = [trial for trial in finished if trial.state == TrialState.COMPLETE]
    best = sorted(complete, key=lambda trial: -trial.value)[:2]
    assert {trial.user_attrs[CHECKPOINT_KEY] for trial in best} <= files
    given_up = sum(trial.state == TrialState.FAIL for trial in all_trials)
    assert len(files) <= 2 + 1 + given_up
