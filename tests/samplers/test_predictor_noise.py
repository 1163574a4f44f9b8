"""The predictor where equal architectures get different results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
import pytest
from sampler_examples import architecture

from optuna_nas.keys import REPEAT_KEY
from optuna_nas.samplers import PredictorSampler
from optuna_nas.testing import conditional_objective


def _grid(trial: optuna.Trial) -> float:
    """48 architectures; the best is a = 2, b = 3, c = 1."""
    a = trial.suggest_categorical("a", ["0", "1", "2", "3"])
    b = trial.suggest_int("b", 0, 3)
    c = trial.suggest_categorical("c", [0, 1, 2])
    return 5.0 * (a == "2") + b + 2.0 * (c == 1) * (a == "2")


def _study(sampler: PredictorSampler, direction: str = "maximize") -> optuna.Study:
    return optuna.create_study(direction=direction, sampler=sampler)


def _noisy_grid(trial: optuna.Trial) -> float:
    return _grid(trial) + float(np.random.RandomState(trial.number).normal(scale=1.5))


def test_noise_brings_leaders_back(tmp_path: Path) -> None:
    """Repeats are marked when the objective runs, and are about the best architectures."""
    marked = []

    def objective(trial: optuna.Trial) -> float:
        value = _noisy_grid(trial)
        marked.append(study.trials[-1].system_attrs.get(REPEAT_KEY, False))
        return value

    study = _study(PredictorSampler(seed=0, noisy=True))
    study.optimize(objective, n_trials=40)
    seen: set[tuple[tuple[str, object], ...]] = set()
    for trial, mark in zip(study.trials, marked, strict=True):
        assert mark == (architecture(trial) in seen)
        seen.add(architecture(trial))
    assert 5 <= sum(marked) <= 28
    clean = {architecture(t): _grid(optuna.trial.FixedTrial(t.params)) for t in study.trials}
    repeated = [clean[architecture(t)] for t, m in zip(study.trials, marked, strict=True) if m]
    assert np.mean(repeated) > 1.5 * np.mean(list(clean.values()))


@pytest.mark.parametrize("objective", [_grid, conditional_objective])
def test_without_noise_in_the_results_it_hardly_repeats(objective) -> None:  # type: ignore[no-untyped-def]
    study = _study(PredictorSampler(seed=0, noisy=True))
    study.optimize(objective, n_trials=24)
    assert len({architecture(trial) for trial in study.trials}) >= 20


def test_running_trials_are_not_repeated() -> None:
    study = _study(PredictorSampler(seed=0, noisy=True))
    study.optimize(_noisy_grid, n_trials=30)
    running = [study.ask() for _ in range(12)]
    for trial in running:
        _grid(trial)
    assert any(trial.system_attrs.get(REPEAT_KEY) for trial in study.trials[30:])
    assert len({architecture(trial) for trial in study.trials[30:]}) == 12


def test_two_workers_do_not_repeat_the_same_at_once(tmp_path: Path) -> None:
    """Both have read the study before either wrote its claim."""
    storage = f"sqlite:///{tmp_path / 'nas.db'}"
    study = optuna.create_study(
        storage=storage, direction="maximize", sampler=PredictorSampler(seed=0, noisy=True)
    )
    study.optimize(_noisy_grid, n_trials=30)
    repeats = 0
    for _ in range(4):
        workers = [
            optuna.load_study(
                storage=storage,
                study_name=study.study_name,
                sampler=PredictorSampler(seed=0, noisy=True),
            )
            for _ in range(2)
        ]
        trials = [worker.ask() for worker in workers]
        for worker, number in zip(workers, (-2, -1), strict=True):
            worker.sampler.infer_relative_search_space(worker, worker.trials[number])
        for trial in reversed(trials):
            _grid(trial)
        assert trials[0].params != trials[1].params
        for trial, worker in zip(trials, workers, strict=True):
            repeats += bool(worker.trials[trial.number].system_attrs.get(REPEAT_KEY))
            worker.tell(trial, _noisy_grid(optuna.trial.FixedTrial(trial.params, trial.number)))
    assert repeats > 0
