"""Settings of a training function: what is checked, what it is known by, and how it pickles."""

from __future__ import annotations

import importlib
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FixedTrial
from own_loops import forecaster, scored, trained

from optuna_nas.objectives import MacsReward, TrialError, training_function
from optuna_nas.spaces import NASBench201Space


def loop(model: Any, trial: Any, report: Any) -> Any:
    return 1.0


SETTINGS: dict[str, Any] = {"space": forecaster, "metric": "score", "direction": "maximize"}


@pytest.mark.parametrize(
    ("metric", "direction"),
    [("MAE", "minimize"), ("rmse", "minimize"), ("accuracy", "maximize"), ("R2", "maximize")],
)
def test_a_known_metric_says_its_direction(metric: str, direction: str) -> None:
    objective = training_function(space=forecaster, metric=metric)(loop)
    assert objective.direction == direction
    assert objective.metric == metric


def test_shares_are_written_as_percentages() -> None:
    objective = training_function(space=forecaster, metric="accuracy")(loop)
    assert objective.format_metric(0.5) == "50.00%"
    assert trained.format_metric(0.5) == "0.5"


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"direction": None}, ValueError, "`direction` must be .* for the metric 'score', which"),
        ({"direction": "up"}, ValueError, "`direction` must be"),
        ({"max_params": 10}, ValueError, "`max_params` needs to know what .*inputs=None: pass"),
        ({"max_latency_ms": 1}, ValueError, "`max_latency_ms` needs to know what networks take"),
        ({"value": MacsReward(target_macs=1)}, ValueError, "`value` needs to know what networks"),
        ({"build": {"width": 3}}, TypeError, r"`build` must name arguments of .*, not \['width'"),
        ({"space": loop}, TypeError, "`space` must be a space .*put @function_space above"),
        ({"inputs": "3 x 4"}, ValueError, "`inputs` must be a size such as"),
        ({"epochs": 3}, TypeError, r"TrainingFunction takes .* not \['epochs'\]"),
        ({"seed": 0.5}, ValueError, "`seed` must be an integer"),
        ({"inputs": (24,), "max_params": 0}, ValueError, "`max_params` must be at least 1"),
    ],
)
def test_wrong_settings(wrong: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        training_function(**{**SETTINGS, **wrong})(loop)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda model, trial, report: 0.0, "plain function with a name, but got .*lambda"),
        (print, "plain function with a name, but got print: write a `def`"),
        (len, "plain function"),
    ],
)
def test_what_is_no_plain_function(function: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        training_function(**SETTINGS)(function)


def test_a_function_of_other_arguments() -> None:
    def two(model: Any, trial: Any) -> float:
        return 0.0

    message = r"must take three arguments \(model, trial, report\), but .*two does not"
    with pytest.raises(TypeError, match=message):
        training_function(**SETTINGS)(two)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "`given` must return its score, or report it after each epoch, but did neither"),
        ("0.5", "the score must be a number, but is '0.5'"),
        ((0.5, 1), r"the score must be a number, but is \(0.5, 1\)"),
    ],
)
def test_a_function_that_returns_no_metric(returned: Any, message: str) -> None:
    def given(model: Any, trial: Any, report: Any) -> Any:
        return returned

    with pytest.raises(TrialError, match=message):
        training_function(**SETTINGS)(given)(FixedTrial({"width": 4}))


def test_a_report_that_is_none() -> None:
    def given(model: Any, trial: Any, report: Any) -> None:
        report(trial.suggest_categorical("value", [None]), 1)

    with pytest.raises(TrialError, match="the score must be a number, but is None in epoch 1"):
        training_function(**SETTINGS)(given)(FixedTrial({"width": 4, "value": None}))


def test_the_build_arguments_are_the_search_size_by_default() -> None:
    space = NASBench201Space()
    assert training_function(space=space, metric="accuracy")(loop).build == space.proxy
    objective = training_function(space=space, metric="accuracy", build={"cells": 1})(loop)
    assert objective.build == {"cells": 1}


def test_it_pickles_by_the_name_of_its_function() -> None:
    copy = pickle.loads(pickle.dumps(trained.with_options(seed=3, max_params=200)))
    assert copy.function is trained.function
    assert copy.identity == trained.identity
    assert (copy.seed, copy.limits.max_params) == (3, 200)
    again = pickle.loads(pickle.dumps(training_function(**SETTINGS)(loop)))
    assert again.function is loop
    assert scored(FixedTrial({"width": 8})) == 8.0


def test_a_function_in_a_function_does_not_pickle() -> None:
    def inner(model: Any, trial: Any, report: Any) -> float:
        return 0.0

    with pytest.raises(pickle.PicklingError, match="inner cannot be pickled, since .*Move it"):
        pickle.dumps(training_function(**SETTINGS)(inner))


SOURCE = """
from optuna_nas.objectives import training_function
from optuna_nas.testing import ToySpace

LR = {lr}

def helper():
    return {value}

@training_function(space=ToySpace(), metric="MAE", {settings})
def objective(model, trial, report):
    return LR * helper()
"""


def test_the_hash_is_that_of_the_code_and_not_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)

    def version(number: int, lr: float = 0.1, value: int = 1, settings: str = "seed=0") -> str:
        name = f"own_loop_{number}"
        (tmp_path / f"{name}.py").write_text(SOURCE.format(lr=lr, value=value, settings=settings))
        importlib.invalidate_caches()
        try:
            return str(importlib.import_module(name).objective.version)
        finally:
            sys.modules.pop(name, None)

    first = version(1)
    assert version(2) == version(3, settings="seed=5,\n    reuse=False") == first
    assert version(4, lr=0.2) != first
    assert version(5, value=2) != first
    assert version(6, settings='version="mine"') == "mine"
