"""MnasNet's reward, exactly, and objectives of accuracy and cost on real digits."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore
from optuna.trial import FixedTrial, TrialState
from torch import nn

from optuna_nas.keys import (
    ACCURACY_KEY,
    COPY_KEY,
    INFEASIBLE_KEY,
    LATENCY_KEY,
    MACS_KEY,
    MEASURED_KEY,
    PARAMS_KEY,
    SETTINGS_KEY,
    STUDY_KEY,
)
from optuna_nas.objectives import (
    LatencyReward,
    MacsReward,
    Reward,
    SizeReward,
    StudyIdentity,
    TrainingObjective,
    mnasnet_reward,
    read_identity,
)
from optuna_nas.objectives.trial._value import trial_value
from optuna_nas.profiling import LatencyMeter
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.spaces import NASBench201Space
from optuna_nas.training import ImageData, Recipe, load_data

SPACE = NASBench201Space()
TINY = {"cells": 1, "channels": 4}
SKIP = SPACE.parse("|skip_connect~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
CONV = SPACE.parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|none~2|")
# CONV as another string: node 1 is copied to node 2.
SAME = SPACE.parse("|none~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|")


class Meter:
    """Milliseconds as they are told, and how often it was asked."""

    def __init__(self, *answers: float) -> None:
        self.answers = answers
        self.asked: list[tuple[int, ...]] = []

    def __call__(self, model: nn.Module, input_size: tuple[int, ...]) -> float:
        self.asked.append(input_size)
        return self.answers[(len(self.asked) - 1) % len(self.answers)]


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", train_size=200, val_size=100)


def _objective(data: ImageData, **changes: Any) -> TrainingObjective:
    settings = {"epochs": 2, "build": TINY, "device": "cpu", "recipe": Recipe(batch_size=32)}
    return TrainingObjective(SPACE, data, **(settings | changes))


def _study(*architectures: Any, **kwargs: Any) -> optuna.Study:
    kwargs = {"direction": "maximize"} | kwargs
    study = optuna.create_study(sampler=RandomSearchSampler(seed=0), **kwargs)
    for architecture in architectures:
        architecture.enqueue(study)
    return study


# Facts 5 and 6 of the MnasNet paper's settings: accuracy 0.5, target 80 ms.
@pytest.mark.parametrize(
    ("latency", "soft", "hard"), [(80, 0.5, 0.5), (160, 0.47632, 0.25), (40, 0.52486, 0.5)]
)
def test_the_reward_is_mnasnets(latency: float, soft: float, hard: float) -> None:
    assert round(mnasnet_reward(0.5, latency, target=80), 5) == soft
    assert mnasnet_reward(0.5, latency, target=80, hard=True) == hard


def test_the_exponent_makes_twice_the_latency_worth_five_percent() -> None:
    exact = -math.log2(1.05)
    assert round(exact, 6) == -0.070389
    assert mnasnet_reward(1.05, 160, target=80, exponent=exact) == pytest.approx(
        mnasnet_reward(1.0, 80, target=80, exponent=exact)
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": 0.0}, "`target` must be a number above 0, but got 0.0"),
        ({"target": math.inf}, "`target` must be a number above 0"),
        ({"exponent": 0.07}, r"`exponent` must be at most 0, but got exponent=0.07"),
        ({"exponent": math.nan}, r"`exponent` must be at most 0"),
        ({"cost": 0.0}, "`cost` must be above 0, but got 0.0"),
    ],
)
def test_numbers_out_of_range(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mnasnet_reward(**({"accuracy": 0.5, "cost": 1.0, "target": 80.0} | changes))  # type: ignore[arg-type]


def test_an_exponent_that_is_not_used_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="`exponent` is not used where hard=True"):
        LatencyReward(target_ms=1.0, exponent=-0.5, hard=True)


@pytest.mark.parametrize("hard", [False, True])
def test_value_and_reports_are_multiplied_alike(data: ImageData, hard: bool) -> None:
    plain = _study(CONV)
    plain.optimize(_objective(data), n_trials=1)
    meter = Meter(160.0)
    study = _study(CONV)
    reward = LatencyReward(target_ms=80, hard=hard)
    objective = _objective(data, latency=meter, value=reward)
    study.optimize(objective, n_trials=1)

    trial, accuracies = study.trials[0], plain.trials[0].intermediate_values
    factor = 0.5 if hard else 2**-0.07
    assert trial.intermediate_values == {
        epoch: pytest.approx(factor * accuracy) for epoch, accuracy in accuracies.items()
    }
    assert trial.value == trial.intermediate_values[2]
    assert trial.user_attrs[ACCURACY_KEY] == plain.trials[0].value
    assert trial.user_attrs[LATENCY_KEY] == 160.0
    assert meter.asked == [(1, 8, 8)]
    assert study.metric_names == ["reward"]


def test_a_pruner_sees_rewards_and_latency_is_measured_before_training(data: ImageData) -> None:
    """Both reach some 30 % in an epoch; only one is a thousand times too slow."""
    study = _study(CONV, SKIP, pruner=optuna.pruners.ThresholdPruner(lower=0.01))
    meter = Meter(1.0, 1000.0)
    reward = LatencyReward(target_ms=1.0, hard=True)
    objective = _objective(data, latency=meter, value=reward)
    study.optimize(objective, n_trials=2)
    fast, slow = study.trials
    assert fast.state == TrialState.COMPLETE
    assert slow.state == TrialState.PRUNED
    assert 0 < slow.intermediate_values[1] < 0.001
    assert slow.user_attrs[LATENCY_KEY] == 1000.0


def test_a_latency_is_measured_once_per_network(data: ImageData) -> None:
    meter = Meter(2.0, 3.0)
    study = _study(CONV, SAME, SKIP)
    reward = LatencyReward(target_ms=1.0)
    objective = _objective(data, latency=meter, reuse=False, value=reward)
    study.optimize(objective, n_trials=3)
    assert [trial.user_attrs[LATENCY_KEY] for trial in study.trials] == [2.0, 2.0, 3.0]
    assert len(meter.asked) == 2

    later = Meter(99.0)  # another process reads it in the study
    again = _objective(data, latency=later, reuse=False, value=reward)
    CONV.enqueue(study)
    study.optimize(again, n_trials=1)
    assert study.trials[3].user_attrs[LATENCY_KEY] == 2.0
    assert not later.asked


def test_other_ways_to_measure_are_other_figures(data: ImageData) -> None:
    keys = set()
    for options in ({}, {"batch_size": 2}, {"threads": 2}, {"min_run_time": 0.02}):
        meter = LatencyMeter(**({"device": "cpu", "min_run_time": 0.01} | options))
        study = _study(CONV)
        reward = LatencyReward(target_ms=1.0)
        objective = _objective(data, latency=meter, epochs=1, value=reward)
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
    study = _study(CONV, SAME)
    objective = _objective(data, latency=Meter(7.0), value=LatencyReward(target_ms=1.0))
    study.optimize(objective, n_trials=2)
    original, copied = study.trials
    assert copied.user_attrs[COPY_KEY] == 0
    assert (copied.value, copied.intermediate_values) == (
        original.value,
        original.intermediate_values,
    )
    for key in (ACCURACY_KEY, LATENCY_KEY, MEASURED_KEY):
        assert copied.user_attrs[key] == original.user_attrs[key]


@pytest.mark.parametrize(
    ("reward", "key"),
    [(MacsReward(target_macs=1e5), MACS_KEY), (SizeReward(target_params=1e4), PARAMS_KEY)],
)
def test_sizes_may_be_the_cost(data: ImageData, reward: Any, key: str) -> None:
    study = _study(CONV)
    meter = Meter(1.0)
    study.optimize(_objective(data, latency=meter, epochs=1, value=reward), n_trials=1)
    trial = study.trials[0]
    factor = (trial.user_attrs[key] / reward.target) ** -0.07
    assert trial.value == pytest.approx(factor * trial.user_attrs[ACCURACY_KEY])
    assert not meter.asked


def _latency(data: ImageData, target: float | None) -> TrainingObjective:
    value = "metric" if target is None else LatencyReward(target_ms=target)
    return _objective(data, latency=Meter(1.0), epochs=1, value=value)


def test_a_study_keeps_to_its_reward(data: ImageData) -> None:
    study = _study(CONV, SKIP, study_name="s")
    study.optimize(_latency(data, 80), n_trials=1)
    with pytest.raises(ValueError, match=r"reward.target was 80 and is now 70"):
        _latency(data, 70).prepare(study)
    with pytest.raises(ValueError, match=r"reward was .* and is now None"):
        study.optimize(_latency(data, None), n_trials=1)
    _latency(data, 80).prepare(study)


VALUES: dict[str, Any] = {
    "metric": "metric",
    "latency": LatencyReward(target_ms=80),
    "hard": LatencyReward(target_ms=80, hard=True),
    "macs": MacsReward(target_macs=1e4),
    "size": SizeReward(target_params=1e4),
    "beside latency": ("metric", "latency_ms"),
    "beside both": ("metric", "params", "macs"),
}


@pytest.mark.parametrize("first", VALUES)
@pytest.mark.parametrize("second", VALUES)
def test_a_study_of_one_value_takes_no_other(data: ImageData, first: str, second: str) -> None:
    """Costs around a reward dropped it from the study, which then took plain accuracies too."""
    begun, other = (_objective(data, latency=Meter(1.0), value=VALUES[v]) for v in (first, second))
    study = _study(direction=None, directions=begun.directions)
    study.set_user_attr(STUDY_KEY, begun.identity.to_json())
    if first == second:
        other.prepare(study)
    elif second == "metric" and len(begun.directions) > 1:  # a function of the user's may add them
        with pytest.raises(ValueError, match="costs was"):
            other.prepare(study)
    else:
        with pytest.raises(ValueError, match="other settings: |create it with direction"):
            other.prepare(study)


@pytest.mark.parametrize("name", VALUES)
def test_a_value_comes_back_from_what_a_study_keeps(data: ImageData, name: str) -> None:
    objective = _objective(data, latency=Meter(1.0), value=VALUES[name])
    kept = json.loads(json.dumps(objective.identity.to_json()))
    assert trial_value(StudyIdentity.from_json(kept).value()) == objective.value


def latency(model: nn.Module, input_size: tuple[int, ...]) -> float:
    return 1.0


SOFT = {"exponent": -0.07, "hard": False}
BY_LATENCY = {"cost": "latency_ms", "target": 80, "latency": f"{latency.__module__}.latency"}


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("metric", {}),
        ("latency", {"reward": BY_LATENCY | SOFT}),
        ("hard", {"reward": BY_LATENCY | {"hard": True}}),
        ("macs", {"reward": {"cost": "macs", "target": 1e4} | SOFT}),
        ("size", {"reward": {"cost": "params", "target": 1e4} | SOFT}),
        ("beside latency", {"costs": ["latency_ms"], "latency": BY_LATENCY["latency"]}),
        ("beside both", {"costs": ["params", "macs"]}),
    ],
)
def test_what_a_study_keeps_of_a_value_is_pinned(
    data: ImageData, name: str, kept: dict[str, Any]
) -> None:
    """Studies of earlier versions go on with the same value: a key more or less is a refusal."""
    identity = _objective(data, latency=latency, value=VALUES[name]).identity.to_json()
    assert {k: identity[k] for k in ("reward", "costs", "latency") if k in identity} == kept


@dataclasses.dataclass(frozen=True)
class Budget(Reward):
    macs: int

    cost = "macs"

    @property
    def identity(self) -> dict[str, Any]:
        return {"cost": "macs", "kind": "budget", "target": self.macs}

    def factor(self, cost: float) -> float:
        return 1.0 if cost <= self.macs else 0.0


def test_a_reward_of_ones_own(data: ImageData) -> None:
    objective = _objective(data, epochs=1, value=Budget(macs=1))
    study = _study(CONV)
    study.optimize(objective, n_trials=1)
    assert study.trials[0].value == 0.0
    assert study.trials[0].user_attrs[ACCURACY_KEY] > 0
    identity = read_identity(study)
    assert identity is not None
    with pytest.raises(ValueError, match="must be one of this package, but got .*'budget'"):
        identity.value()
    with pytest.raises(ValueError, match=r"reward.target was 1 and is now 2"):
        _objective(data, epochs=1, value=Budget(macs=2)).prepare(study)


@pytest.mark.parametrize("name", VALUES)
def test_every_value_is_that_of_metric_and_costs(data: ImageData, name: str) -> None:
    objective = _objective(data, latency=Meter(160.0), epochs=1, value=VALUES[name])
    study = _study(CONV, direction=None, directions=objective.directions)
    study.optimize(objective, n_trials=1)
    plain = _study(CONV)
    plain.optimize(_objective(data, epochs=1), n_trials=1)
    trial, accuracy = study.trials[0], plain.trials[0].value
    params, macs = (trial.user_attrs[key] for key in (PARAMS_KEY, MACS_KEY))
    assert trial.values == pytest.approx(
        {
            "metric": [accuracy],
            "latency": [accuracy * 2**-0.07],
            "hard": [accuracy / 2],
            "macs": [accuracy * (macs / 1e4) ** -0.07],
            "size": [accuracy * (params / 1e4) ** -0.07],
            "beside latency": [accuracy, 160.0],
            "beside both": [accuracy, params, macs],
        }[name]
    )


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("accuracy", ValueError),
        ("", ValueError),
        ((), ValueError),
        (("metric",), ValueError),
        (("latency_ms", "metric"), ValueError),
        (("metric", "watts"), ValueError),
        (("metric", "macs", "macs"), ValueError),
        (("metric", LatencyReward(target_ms=1.0)), ValueError),
        (("metric", ["macs"]), ValueError),
        (LatencyReward, TypeError),
        (None, TypeError),
        (0.5, TypeError),
        (lambda trial: 0.5, TypeError),
    ],
)
def test_what_is_no_value_is_refused(data: ImageData, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r'`value` must be "metric", a reward such as LatencyReward'):
        _objective(data, value=value)


def test_a_reward_works_without_a_study(data: ImageData) -> None:
    objective = _objective(data, latency=Meter(1.0), value=LatencyReward(target_ms=80))
    assert objective.identity.to_json()["reward"]["target"] == 80
    assert 0 < objective(FixedTrial(CONV.params)) <= 2  # type: ignore[arg-type,operator]


def test_a_note_tells_reward_and_accuracy(data: ImageData, tmp_path: Path) -> None:
    study = _study(CONV)
    objective = _objective(
        data,
        latency=Meter(1000.0),
        epochs=1,
        value=LatencyReward(target_ms=1),
        artifact_store=FileSystemArtifactStore(tmp_path),
    )
    study.optimize(objective, n_trials=1)
    trial = study.trials[0]
    (note,) = [v for k, v in _system_attributes(study).items() if "note" in k and "ver" not in k]
    assert f"**{trial.user_attrs[ACCURACY_KEY]:.2%}**, reward {trial.value:.4g}" in note
    assert f"\n\n`{CONV}`\n\n" in note.encode().decode("unicode_escape")


def _system_attributes(study: optuna.Study) -> dict[str, Any]:
    return study._storage.get_study_system_attrs(study._study_id)


def test_a_latency_limit_is_a_constraint_and_costs_no_training(data: ImageData) -> None:
    study = _study(CONV, SKIP)
    meter = Meter(3.0, 1.0)
    study.optimize(_objective(data, latency=meter, max_latency_ms=2.0, epochs=1), n_trials=2)
    slow, fast = study.trials
    assert slow.state == TrialState.PRUNED
    assert slow.constraints == {"max_latency_ms": pytest.approx(0.5)}
    assert "has 3 ms of latency against max_latency_ms=2.0" in slow.user_attrs[INFEASIBLE_KEY]
    assert not slow.intermediate_values
    assert fast.constraints == {"max_latency_ms": -0.5}
    assert fast.value == fast.intermediate_values[1]


def test_what_is_too_large_is_not_measured(data: ImageData) -> None:
    study = _study(CONV)
    meter = Meter(1.0)
    study.optimize(_objective(data, latency=meter, max_latency_ms=2.0, max_params=10), n_trials=1)
    assert study.trials[0].state == TrialState.PRUNED
    assert not meter.asked


def test_accuracy_and_costs_for_pareto_studies(data: ImageData) -> None:
    values = ("metric", "latency_ms", "params")
    meter = Meter(3.0, 1.0)
    objective = _objective(data, latency=meter, epochs=1, max_params=10**6, value=values)
    assert objective.directions == ["maximize", "minimize", "minimize"]
    study = _study(CONV, SKIP, direction=None, directions=objective.directions)
    study.optimize(objective, n_trials=2)
    for trial, latency in zip(study.trials, (3.0, 1.0), strict=True):
        assert trial.values[1:] == [latency, trial.user_attrs[PARAMS_KEY]]
        assert 0 <= trial.values[0] <= 1
    assert study.metric_names == ["validation accuracy", "latency_ms", "params"]
    identity = read_identity(study)
    assert identity is not None
    assert identity.costs == ["latency_ms", "params"]


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
    objective = _objective(data, latency=meter, epochs=1, max_latency_ms=2.0, value=values)
    study = _study(CONV, direction=None, directions=objective.directions)
    study.optimize(objective, n_trials=1)
    assert {PARAMS_KEY, MACS_KEY, LATENCY_KEY, MEASURED_KEY} <= set(written)
    written.remove(SETTINGS_KEY)  # of the first trial of a study: as it begins, and as it ends
    assert len(set(written)) == len(written)


def test_several_objectives_need_their_directions(data: ImageData) -> None:
    objective = _objective(data, value=("metric", "latency_ms"))
    with pytest.raises(ValueError, match=r"create it with directions=\['maximize', 'minimize'\]"):
        objective.prepare(_study(direction=None, directions=["maximize", "maximize"]))


@pytest.mark.parametrize("limit", [0.0, -1.0, math.nan])
def test_a_latency_limit_is_above_zero(data: ImageData, limit: float) -> None:
    with pytest.raises(ValueError, match="`max_latency_ms` must be above 0 or None"):
        _objective(data, max_latency_ms=limit)


def test_keys_are_pinned() -> None:
    assert [ACCURACY_KEY, LATENCY_KEY, MEASURED_KEY] == [
        "optuna_nas:accuracy",
        "optuna_nas:latency_ms",
        "optuna_nas:latency",
    ]


def test_direction_of_a_study(data: ImageData) -> None:
    assert _objective(data).direction == "maximize"
    with pytest.raises(ValueError, match="`direction` needs a single value, but trials return 2"):
        _ = _objective(data, value=("metric", "params")).direction
