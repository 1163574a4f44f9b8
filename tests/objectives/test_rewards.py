"""MnasNet's reward, exactly, and objectives of accuracy and cost on real digits."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore
from optuna.trial import FixedTrial, TrialState
from torch import nn

from optuna_nas.objectives import (
    ACCURACY_KEY,
    COPY_KEY,
    LATENCY_KEY,
    MACS_KEY,
    PARAMS_KEY,
    LatencyReward,
    MacsReward,
    ProxyObjective,
    SizeReward,
    TrainingObjective,
    mnasnet_reward,
    multi_objective,
    read_identity,
)
from optuna_nas.objectives._costs import MEASURED_KEY
from optuna_nas.objectives._failures import INFEASIBLE_KEY
from optuna_nas.profiling import LatencyMeter
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.spaces import NASBench201Space
from optuna_nas.training import ImageData, Recipe, load_data

SPACE = NASBench201Space()
TINY = {"cells": 1, "channels": 4}
SKIP = SPACE.parse("|skip_connect~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
CONV = SPACE.parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|none~2|")
# CONV as another string: node 1 is copied to node 2.
TWIN = SPACE.parse("|none~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|")


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


def test_an_exponent_that_is_not_used_is_warned_of(data: ImageData) -> None:
    with pytest.warns(UserWarning, match="`exponent` is not used where hard=True"):
        LatencyReward(_objective(data), target_ms=1.0, exponent=-0.5, hard=True)


@pytest.mark.parametrize("hard", [False, True])
def test_value_and_reports_are_multiplied_alike(data: ImageData, hard: bool) -> None:
    plain = _study(CONV)
    plain.optimize(_objective(data), n_trials=1)
    meter = Meter(160.0)
    study = _study(CONV)
    objective = LatencyReward(_objective(data, latency=meter), target_ms=80, hard=hard)
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
    objective = LatencyReward(_objective(data, latency=meter), target_ms=1.0, hard=True)
    study.optimize(objective, n_trials=2)
    fast, slow = study.trials
    assert fast.state == TrialState.COMPLETE
    assert slow.state == TrialState.PRUNED
    assert 0 < slow.intermediate_values[1] < 0.001
    assert slow.user_attrs[LATENCY_KEY] == 1000.0


def test_a_latency_is_measured_once_per_network(data: ImageData) -> None:
    meter = Meter(2.0, 3.0)
    study = _study(CONV, TWIN, SKIP)
    objective = LatencyReward(_objective(data, latency=meter, reuse=False), target_ms=1.0)
    study.optimize(objective, n_trials=3)
    assert [trial.user_attrs[LATENCY_KEY] for trial in study.trials] == [2.0, 2.0, 3.0]
    assert len(meter.asked) == 2

    later = Meter(99.0)  # another process reads it in the study
    again = LatencyReward(_objective(data, latency=later, reuse=False), target_ms=1.0)
    CONV.enqueue(study)
    study.optimize(again, n_trials=1)
    assert study.trials[3].user_attrs[LATENCY_KEY] == 2.0
    assert not later.asked


def test_other_ways_to_measure_are_other_figures(data: ImageData) -> None:
    keys = set()
    for options in ({}, {"batch_size": 2}, {"threads": 2}, {"min_run_time": 0.02}):
        meter = LatencyMeter(**({"device": "cpu", "min_run_time": 0.01} | options))
        study = _study(CONV)
        objective = LatencyReward(_objective(data, latency=meter, epochs=1), target_ms=1.0)
        study.optimize(objective, n_trials=1)
        measured = study.trials[0].user_attrs[MEASURED_KEY]
        keys.add(measured["key"])
        assert measured["median_ms"] == study.trials[0].user_attrs[LATENCY_KEY] > 0
        assert measured["folded"] == "11 of 12"
        identity = read_identity(study)
        assert identity is not None
        assert identity["reward"]["latency"] == meter.identity
    assert len(keys) == 3  # a longer measurement measures the same


def test_a_copy_of_an_equal_run_has_its_reward(data: ImageData) -> None:
    study = _study(CONV, TWIN)
    objective = LatencyReward(_objective(data, latency=Meter(7.0)), target_ms=1.0)
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
    ("reward", "options", "key"),
    [
        (MacsReward, {"target_macs": 1e5}, MACS_KEY),
        (SizeReward, {"target_params": 1e4}, PARAMS_KEY),
    ],
)
def test_sizes_may_be_the_cost(
    data: ImageData, reward: Any, options: dict[str, float], key: str
) -> None:
    study = _study(CONV)
    meter = Meter(1.0)
    study.optimize(reward(_objective(data, latency=meter, epochs=1), **options), n_trials=1)
    trial = study.trials[0]
    (target,) = options.values()
    factor = (trial.user_attrs[key] / target) ** -0.07
    assert trial.value == pytest.approx(factor * trial.user_attrs[ACCURACY_KEY])
    assert not meter.asked


def test_a_study_keeps_to_its_reward(data: ImageData) -> None:
    study = _study(CONV, SKIP, study_name="s")
    training = _objective(data, latency=Meter(1.0), epochs=1)
    study.optimize(LatencyReward(training, target_ms=80), n_trials=1)
    with pytest.raises(ValueError, match=r"reward.target was 80 and is now 70"):
        LatencyReward(training, target_ms=70).prepare(study)
    with pytest.raises(ValueError, match=r"reward was .* and is now None"):
        study.optimize(training, n_trials=1)
    LatencyReward(training, target_ms=80).prepare(study)


def test_another_objective_is_told_of_the_function() -> None:
    with pytest.raises(TypeError, match=r"but got function: .* report mnasnet_reward\(accuracy"):
        LatencyReward(lambda trial: 0.5, target_ms=80)  # type: ignore[arg-type]


@pytest.mark.parametrize("inner", ["reward", "costs"])
@pytest.mark.parametrize("outer", ["latency", "macs", "size", "costs"])
def test_rewards_and_costs_do_not_wrap_each_other(data: ImageData, inner: str, outer: str) -> None:
    """The inner one would be lost: value / accuracy was 2.198 for two rewards of macs."""
    plain = _objective(data, latency=Meter(1.0))
    once: Any = {
        "reward": lambda: MacsReward(plain, target_macs=1e4),
        "costs": lambda: multi_objective(plain, costs=("params",)),
    }[inner]()
    outers: dict[str, Any] = {
        "latency": lambda: LatencyReward(once, target_ms=1.0),
        "macs": lambda: MacsReward(once, target_macs=1e9),
        "size": lambda: SizeReward(once, target_params=1e9),
        "costs": lambda: multi_objective(once, costs=("macs",)),
    }
    returns = {"reward": "reward", "costs": "validation accuracy, params"}[inner]
    with pytest.raises(TypeError, match=f"it already returns {returns}: a reward or costs around"):
        outers[outer]()


def test_costs_of_another_objective_are_refused() -> None:
    with pytest.raises(TypeError, match="must be a TrainingObjective, but got function"):
        multi_objective(lambda trial: 0.0)  # type: ignore[arg-type]


def test_a_reward_offers_what_its_objective_does(data: ImageData) -> None:
    objective = LatencyReward(_objective(data, latency=Meter(1.0)), target_ms=80)
    assert objective.space is SPACE
    assert objective.identity["reward"]["target"] == 80
    assert objective.epochs == 2
    with pytest.raises(AttributeError):
        objective.nothing  # noqa: B018
    assert 0 < objective(FixedTrial(CONV.params)) <= 2  # type: ignore[arg-type]


def test_a_note_tells_reward_and_accuracy(data: ImageData, tmp_path: Path) -> None:
    study = _study(CONV)
    training = _objective(
        data, latency=Meter(1000.0), epochs=1, artifact_store=FileSystemArtifactStore(tmp_path)
    )
    study.optimize(LatencyReward(training, target_ms=1), n_trials=1)
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
    training = _objective(data, latency=Meter(3.0, 1.0), epochs=1, max_params=10**6)
    objective = multi_objective(training, costs=("latency_ms", "params"))
    assert objective.directions == ["maximize", "minimize", "minimize"]
    study = _study(CONV, SKIP, direction=None, directions=objective.directions)
    study.optimize(objective, n_trials=2)
    for trial, latency in zip(study.trials, (3.0, 1.0), strict=True):
        assert trial.values[1:] == [latency, trial.user_attrs[PARAMS_KEY]]
        assert 0 <= trial.values[0] <= 1
    assert study.metric_names == ["validation accuracy", "latency_ms", "params"]
    identity = read_identity(study)
    assert identity is not None
    assert identity["costs"] == ["latency_ms", "params"]


def test_what_is_known_of_a_network_is_written_once_per_trial(
    data: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    write = optuna.Trial.set_user_attr

    def noted(trial: optuna.Trial, key: str, value: Any) -> None:
        written.append(key)
        write(trial, key, value)

    monkeypatch.setattr(optuna.Trial, "set_user_attr", noted)
    training = _objective(data, latency=Meter(1.0), epochs=1, max_latency_ms=2.0)
    objective = multi_objective(training, costs=("latency_ms", "macs", "params"))
    study = _study(CONV, direction=None, directions=objective.directions)
    study.optimize(objective, n_trials=1)
    assert {PARAMS_KEY, MACS_KEY, LATENCY_KEY, MEASURED_KEY} <= set(written)
    assert len(set(written)) == len(written)


def test_multi_objective_refuses_other_directions_and_costs(data: ImageData) -> None:
    training = _objective(data)
    objective = multi_objective(training)
    with pytest.raises(ValueError, match=r"create it with directions=\['maximize', 'minimize'\]"):
        objective.prepare(_study(direction=None, directions=["maximize", "maximize"]))
    for costs in ((), ("watts",), ("macs", "macs")):
        with pytest.raises(ValueError, match="`costs` must be different ones of"):
            multi_objective(training, costs=costs)


def test_costs_need_an_objective_that_counts_them() -> None:
    with pytest.raises(TypeError, match="`objective` must be a TrainingObjective, but got Proxy"):
        multi_objective(ProxyObjective(SPACE, "digits", device="cpu"))


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
