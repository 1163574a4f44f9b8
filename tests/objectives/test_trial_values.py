"""The value of a trial is a metric, a reward, or a metric and costs; a study keeps to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tiny_trainings import CONV, SKIP, Meter, objective_of, study_of
from torch import nn

from optuna_nas.keys import MACS_KEY, PARAMS_KEY, STUDY_KEY
from optuna_nas.objectives import (
    LatencyReward,
    MacsReward,
    SizeReward,
    StudyIdentity,
    read_identity,
)
from optuna_nas.objectives.trial._value import trial_value
from optuna_nas.training import ImageData, load_data


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", train_size=200, val_size=100)


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
    begun, other = (
        objective_of(data, latency=Meter(1.0), value=VALUES[v]) for v in (first, second)
    )
    study = study_of(direction=None, directions=begun.directions)
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
    objective = objective_of(data, latency=Meter(1.0), value=VALUES[name])
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
    identity = objective_of(data, latency=latency, value=VALUES[name]).identity.to_json()
    assert {k: identity[k] for k in ("reward", "costs", "latency") if k in identity} == kept


@pytest.mark.parametrize("name", VALUES)
def test_every_value_is_that_of_metric_and_costs(data: ImageData, name: str) -> None:
    objective = objective_of(data, latency=Meter(160.0), epochs=1, value=VALUES[name])
    study = study_of(CONV, direction=None, directions=objective.directions)
    study.optimize(objective, n_trials=1)
    plain = study_of(CONV)
    plain.optimize(objective_of(data, epochs=1), n_trials=1)
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
        objective_of(data, value=value)


def test_accuracy_and_costs_for_pareto_studies(data: ImageData) -> None:
    values = ("metric", "latency_ms", "params")
    meter = Meter(3.0, 1.0)
    objective = objective_of(data, latency=meter, epochs=1, max_params=10**6, value=values)
    assert objective.directions == ["maximize", "minimize", "minimize"]
    study = study_of(CONV, SKIP, direction=None, directions=objective.directions)
    study.optimize(objective, n_trials=2)
    for trial, latency in zip(study.trials, (3.0, 1.0), strict=True):
        assert trial.values[1:] == [latency, trial.user_attrs[PARAMS_KEY]]
        assert 0 <= trial.values[0] <= 1
    assert study.metric_names == ["validation accuracy", "latency_ms", "params"]
    identity = read_identity(study)
    assert identity is not None
    assert identity.costs == ["latency_ms", "params"]


def test_several_objectives_need_their_directions(data: ImageData) -> None:
    objective = objective_of(data, value=("metric", "latency_ms"))
    with pytest.raises(ValueError, match=r"create it with directions=\['maximize', 'minimize'\]"):
        objective.prepare(study_of(direction=None, directions=["maximize", "maximize"]))


def test_direction_of_a_study(data: ImageData) -> None:
    assert objective_of(data).direction == "maximize"
    with pytest.raises(ValueError, match="`direction` needs a single value, but trials return 2"):
        _ = objective_of(data, value=("metric", "params")).direction
