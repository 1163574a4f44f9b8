"""Latency and sizes of a trial: measured once, limited, and written with their settings."""

from __future__ import annotations

import math
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from tiny_trainings import CONV, SAME, SKIP, Meter, objective_of, study_of

from optuna_nas.keys import (
    ACCURACY_KEY,
    COPY_KEY,
    INFEASIBLE_KEY,
    LATENCY_KEY,
    MACS_KEY,
    MEASURED_KEY,
    PARAMS_KEY,
    SETTINGS_KEY,
)
from optuna_nas.objectives import LatencyReward, read_identity
from optuna_nas.profiling import LatencyMeter
from optuna_nas.training import ImageData, load_data


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", train_size=200, val_size=100)


def test_a_latency_is_measured_once_per_network(data: ImageData) -> None:
    meter = Meter(2.0, 3.0)
    study = study_of(CONV, SAME, SKIP)
    reward = LatencyReward(target_ms=1.0)
    objective = objective_of(data, latency=meter, reuse=False, value=reward)
    study.optimize(objective, n_trials=3)
    assert [trial.user_attrs[LATENCY_KEY] for trial in study.trials] == [2.0, 2.0, 3.0]
    assert len(meter.asked) == 2

    later = Meter(99.0)  # another process reads it in the study
    again = objective_of(data, latency=later, reuse=False, value=reward)
    CONV.enqueue(study)
    study.optimize(again, n_trials=1)
    assert study.trials[3].user_attrs[LATENCY_KEY] == 2.0
    assert not later.asked


def test_other_ways_to_measure_are_other_figures(data: ImageData) -> None:
    keys = set()
    for options in ({}, {"batch_size": 2}, {"threads": 2}, {"min_run_time": 0.02}):
        meter = LatencyMeter(**({"device": "cpu", "min_run_time": 0.01} | options))
        study = study_of(CONV)
        reward = LatencyReward(target_ms=1.0)
        objective = objective_of(data, latency=meter, epochs=1, value=reward)
        study.optimize(objective, n_trials=1)
        measured = study.trials[0].user_attrs[MEASURED_KEY]
        keys.add(measured["key"])
        assert measured["median_ms"] == study.trials[0].user_attrs[LATENCY_KEY] > 0
        assert measured["folded"] == "11 of 12"
        identity = read_identity(study)
        assert identity is not None
        assert identity.reward is not None
        assert identity.reward.latency == meter.identity
    assert len(keys) == 3  # a longer measurement measures the same


def test_a_copy_of_an_equal_run_has_its_reward(data: ImageData) -> None:
    study = study_of(CONV, SAME)
    objective = objective_of(data, latency=Meter(7.0), value=LatencyReward(target_ms=1.0))
    study.optimize(objective, n_trials=2)
    original, copied = study.trials
    assert copied.user_attrs[COPY_KEY] == 0
    assert (copied.value, copied.intermediate_values) == (
        original.value,
        original.intermediate_values,
    )
    for key in (ACCURACY_KEY, LATENCY_KEY, MEASURED_KEY):
        assert copied.user_attrs[key] == original.user_attrs[key]


def test_a_latency_limit_is_a_constraint_and_costs_no_training(data: ImageData) -> None:
    study = study_of(CONV, SKIP)
    meter = Meter(3.0, 1.0)
    study.optimize(objective_of(data, latency=meter, max_latency_ms=2.0, epochs=1), n_trials=2)
    slow, fast = study.trials
    assert slow.state == TrialState.PRUNED
    assert slow.constraints == {"max_latency_ms": pytest.approx(0.5)}
    assert "has 3 ms of latency against max_latency_ms=2.0" in slow.user_attrs[INFEASIBLE_KEY]
    assert not slow.intermediate_values
    assert fast.constraints == {"max_latency_ms": -0.5}
    assert fast.value == fast.intermediate_values[1]


def test_what_is_too_large_is_not_measured(data: ImageData) -> None:
    study = study_of(CONV)
    meter = Meter(1.0)
    study.optimize(
        objective_of(data, latency=meter, max_latency_ms=2.0, max_params=10), n_trials=1
    )
    assert study.trials[0].state == TrialState.PRUNED
    assert not meter.asked


def test_what_is_known_of_a_network_is_written_once_per_trial(
    data: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    write = optuna.Trial.set_user_attr

    def noted(trial: optuna.Trial, key: str, value: Any) -> None:
        written.append(key)
        write(trial, key, value)

    monkeypatch.setattr(optuna.Trial, "set_user_attr", noted)
    values = ("metric", "latency_ms", "macs", "params")
    meter = Meter(1.0)
    objective = objective_of(data, latency=meter, epochs=1, max_latency_ms=2.0, value=values)
    study = study_of(CONV, direction=None, directions=objective.directions)
    study.optimize(objective, n_trials=1)
    assert {PARAMS_KEY, MACS_KEY, LATENCY_KEY, MEASURED_KEY} <= set(written)
    written.remove(SETTINGS_KEY)  # of the first trial of a study: as it begins, and as it ends
    assert len(set(written)) == len(written)


@pytest.mark.parametrize("limit", [0.0, -1.0, math.nan])
def test_a_latency_limit_is_above_zero(data: ImageData, limit: float) -> None:
    with pytest.raises(ValueError, match="`max_latency_ms` must be above 0 or None"):
        objective_of(data, max_latency_ms=limit)


def test_keys_are_pinned() -> None:
    assert [ACCURACY_KEY, LATENCY_KEY, MEASURED_KEY] == [
        "optuna_nas:accuracy",
        "optuna_nas:latency_ms",
        "optuna_nas:latency",
    ]
