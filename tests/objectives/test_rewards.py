"""MnasNet's reward, exactly, and rewards of accuracy and cost on real digits."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore
from optuna.trial import FixedTrial, TrialState
from tiny_trainings import CONV, SKIP, Meter, objective_of, study_of

from optuna_nas.keys import ACCURACY_KEY, LATENCY_KEY, MACS_KEY, PARAMS_KEY
from optuna_nas.objectives import (
    LatencyReward,
    MacsReward,
    Reward,
    SizeReward,
    TrainingObjective,
    mnasnet_reward,
    read_identity,
)
from optuna_nas.training import ImageData, load_data


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", train_size=200, val_size=100)


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
        mnasnet_reward(**({"metric": 0.5, "cost": 1.0, "target": 80.0} | changes))  # type: ignore[arg-type]


def test_an_exponent_that_is_not_used_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="`exponent` is not used where hard=True"):
        LatencyReward(target_ms=1.0, exponent=-0.5, hard=True)


@pytest.mark.parametrize("hard", [False, True])
def test_value_and_reports_are_multiplied_alike(data: ImageData, hard: bool) -> None:
    plain = study_of(CONV)
    plain.optimize(objective_of(data), n_trials=1)
    meter = Meter(160.0)
    study = study_of(CONV)
    reward = LatencyReward(target_ms=80, hard=hard)
    objective = objective_of(data, latency=meter, value=reward)
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
    study = study_of(CONV, SKIP, pruner=optuna.pruners.ThresholdPruner(lower=0.01))
    meter = Meter(1.0, 1000.0)
    reward = LatencyReward(target_ms=1.0, hard=True)
    objective = objective_of(data, latency=meter, value=reward)
    study.optimize(objective, n_trials=2)
    fast, slow = study.trials
    assert fast.state == TrialState.COMPLETE
    assert slow.state == TrialState.PRUNED
    assert 0 < slow.intermediate_values[1] < 0.001
    assert slow.user_attrs[LATENCY_KEY] == 1000.0


@pytest.mark.parametrize(
    ("reward", "key"),
    [(MacsReward(target_macs=1e5), MACS_KEY), (SizeReward(target_params=1e4), PARAMS_KEY)],
)
def test_sizes_may_be_the_cost(data: ImageData, reward: Any, key: str) -> None:
    study = study_of(CONV)
    meter = Meter(1.0)
    study.optimize(objective_of(data, latency=meter, epochs=1, value=reward), n_trials=1)
    trial = study.trials[0]
    factor = (trial.user_attrs[key] / reward.target) ** -0.07
    assert trial.value == pytest.approx(factor * trial.user_attrs[ACCURACY_KEY])
    assert not meter.asked


def _latency(data: ImageData, target: float | None) -> TrainingObjective:
    value = "metric" if target is None else LatencyReward(target_ms=target)
    return objective_of(data, latency=Meter(1.0), epochs=1, value=value)


def test_a_study_keeps_to_its_reward(data: ImageData) -> None:
    study = study_of(CONV, SKIP, study_name="s")
    study.optimize(_latency(data, 80), n_trials=1)
    with pytest.raises(ValueError, match=r"reward.target was 80 and is now 70"):
        _latency(data, 70).prepare(study)
    with pytest.raises(ValueError, match=r"reward was .* and is now None"):
        study.optimize(_latency(data, None), n_trials=1)
    _latency(data, 80).prepare(study)


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
    objective = objective_of(data, epochs=1, value=Budget(macs=1))
    study = study_of(CONV)
    study.optimize(objective, n_trials=1)
    assert study.trials[0].value == 0.0
    assert study.trials[0].user_attrs[ACCURACY_KEY] > 0
    identity = read_identity(study)
    assert identity is not None
    with pytest.raises(ValueError, match="must be one of this package, but got .*'budget'"):
        identity.value()
    with pytest.raises(ValueError, match=r"reward.target was 1 and is now 2"):
        objective_of(data, epochs=1, value=Budget(macs=2)).prepare(study)


def test_a_reward_works_without_a_study(data: ImageData) -> None:
    objective = objective_of(data, latency=Meter(1.0), value=LatencyReward(target_ms=80))
    assert objective.identity.to_json()["reward"]["target"] == 80
    assert 0 < objective(FixedTrial(CONV.params)) <= 2  # type: ignore[arg-type,operator]


def test_a_note_tells_reward_and_accuracy(data: ImageData, tmp_path: Path) -> None:
    study = study_of(CONV)
    objective = objective_of(
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
