"""Objectives, figures and commands go on where a trial's attributes are damaged."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest
from hostile import HOSTILE, told, with_attributes
from optuna.trial import FrozenTrial, TrialState

from optuna_nas.cli._objective import SEARCH_DEFAULTS, make_ready, read_choice
from optuna_nas.cli.commands._best import describe, summary
from optuna_nas.final._candidate import of_trial
from optuna_nas.keys import (
    ACCURACY_KEY,
    CHECKPOINT_KEY,
    CHOICES_KEY,
    COPY_KEY,
    DERIVED_KEY,
    DIGEST_KEY,
    EIGENVALUE_KEY,
    ENTROPY_KEY,
    HYPERPARAMETERS_KEY,
    INFEASIBLE_KEY,
    LATENCY_KEY,
    MACS_KEY,
    MEASURED_KEY,
    PARAMS_KEY,
    PARTS_KEY,
    REPEAT_KEY,
    RESULT_KEY,
    RUN_KEY,
    SEARCH_KEY,
    SECONDS_KEY,
    SKIP_SHARE_KEY,
    STUDY_KEY,
    WORKER_KEY,
)
from optuna_nas.objectives import (
    LatencyReward,
    TrainingObjective,
    best_trials,
    derived_metrics,
    fail_dead_trials,
    read_alphas,
    read_identity,
    recipe_of,
    sampled_hyperparameters,
    warm_start,
)
from optuna_nas.pruners import CollapsePruner
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.scaling import read_results
from optuna_nas.spaces import NASBench201Space
from optuna_nas.training import ImageData, Recipe, load_data
from optuna_nas.visualization import plot_alphas, plot_collapse

SPACE = NASBench201Space()
SKIP = SPACE.parse("|skip_connect~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
CONV = SPACE.parse("|nor_conv_1x1~0|+|none~0|none~1|+|skip_connect~0|nor_conv_1x1~1|none~2|")

OWN_KEYS = (RUN_KEY, COPY_KEY, PARTS_KEY, SECONDS_KEY, PARAMS_KEY, MACS_KEY, LATENCY_KEY)
OWN_KEYS += (MEASURED_KEY, HYPERPARAMETERS_KEY, WORKER_KEY, CHECKPOINT_KEY, DIGEST_KEY)
OWN_KEYS += (ACCURACY_KEY, INFEASIBLE_KEY)
SEARCH_KEYS = (ENTROPY_KEY, EIGENVALUE_KEY, CHOICES_KEY, SKIP_SHARE_KEY)

hostile = pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", train_size=64, val_size=50)


def _objective(data: ImageData, **changes: Any) -> TrainingObjective:
    settings = {"epochs": 2, "build": {"cells": 1, "channels": 2}, "device": "cpu"}
    return TrainingObjective(SPACE, data, **(settings | changes))


def _study(objective: Any, storage: str | None = None, trials: int = 1) -> optuna.Study:
    sampler = RandomSearchSampler(seed=0, avoid_duplicates=False)
    study = optuna.create_study(direction="maximize", sampler=sampler, storage=storage)
    for _ in range(trials):
        SKIP.enqueue(study)
    study.optimize(objective, n_trials=trials)
    return study


def _damaged(keys: tuple[str, ...], value: object, **settings: Any) -> FrozenTrial:
    """A complete trial of the first architecture, of a study of its own."""
    study = optuna.create_study(direction="maximize")
    study.add_trial(
        optuna.create_trial(
            **{"values": [0.5], "user_attrs": dict.fromkeys(keys, value), **settings}
        )
    )
    return study.trials[0]


@pytest.mark.parametrize("in_database", [False, True])
def test_a_search_goes_on_after_damaged_trials(
    in_database: bool, data: ImageData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    storage = f"sqlite:///{tmp_path}/study.db" if in_database else None
    reward = LatencyReward(target_ms=1.0)
    objective = _objective(data, value=reward, checkpoints=tmp_path, keep_checkpoints=1)
    study = _study(objective, storage)
    sound = study.trials[0]
    for value in HOSTILE.values():
        study.add_trial(with_attributes(sound, user_attrs=dict.fromkeys(OWN_KEYS, value)))
    CONV.enqueue(study)
    SKIP.enqueue(study)
    study.optimize(objective, n_trials=2)
    objective.prune_checkpoints(study)
    assert [trial.state for trial in study.trials[-2:]] == [TrialState.COMPLETE] * 2
    assert study.trials[-1].user_attrs[COPY_KEY] == 0
    counts = Counter(told(caplog.records))
    assert set(counts.values()) == {1}
    for key in (RUN_KEY, MEASURED_KEY, CHECKPOINT_KEY):
        assert sum(repr(key) in warning for warning in counts) >= len(HOSTILE) - 1


@hostile
def test_a_trial_that_begins_with_damaged_attributes_is_trained(
    value: object, data: ImageData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As one is that is tried again after a crash."""
    objective = _objective(data, checkpoints=tmp_path, keep_checkpoints=2)
    study = optuna.create_study(direction="maximize")
    study.enqueue_trial(dict(SKIP.params), user_attrs=dict.fromkeys(OWN_KEYS, value))
    waiting = study.trials[0]
    study.optimize(objective, n_trials=1)
    trial = study.trials[0]
    assert trial.state == TrialState.COMPLETE
    assert trial.user_attrs[CHECKPOINT_KEY].startswith("checkpoint-")
    assert {path.name for path in tmp_path.iterdir()} == {trial.user_attrs[CHECKPOINT_KEY]}
    assert waiting.number == 0
    assert sum(repr(CHECKPOINT_KEY) in warning for warning in told(caplog.records)) == 1


def _replaced(trial: FrozenTrial, reports: dict[int, float], value: float) -> FrozenTrial:
    copy = with_attributes(trial)
    copy.intermediate_values, copy.values = reports, [value]
    return copy


@pytest.mark.parametrize(
    ("reports", "value"),
    [
        ({}, 0.5),
        ({1: 0.4, 2: 99.0}, 99.0),
        ({1: -1.0, 2: 0.5}, 0.5),
        ({1: math.nan, 2: 0.5}, 0.5),
        ({1: math.inf, 2: 0.5}, 0.5),
        ({1: 0.4, 2: 0.5}, 0.7),
        ({1: 0.4, 2: 0.5}, math.inf),
        ({2: 0.5}, 0.5),
        ({1: 0.4, 2: 0.4, 3: 0.5}, 0.5),
    ],
)
def test_a_trial_whose_reports_do_not_make_its_value_is_not_reused(
    reports: dict[int, float],
    value: float,
    data: ImageData,
    caplog: pytest.LogCaptureFixture,
) -> None:
    objective = _objective(data)
    sound = _study(objective).trials[0]
    study = optuna.create_study(direction="maximize")
    study.add_trial(_replaced(sound, reports, value))
    for _ in range(2):
        SKIP.enqueue(study)
    study.optimize(objective, n_trials=2)
    _, trained, copied = study.trials
    assert COPY_KEY not in trained.user_attrs
    assert list(trained.intermediate_values) == [1, 2]
    assert copied.user_attrs[COPY_KEY] == 1  # a sound one counts though a damaged one is before it
    (warning,) = told(caplog.records)
    assert f"{RUN_KEY!r} of trial 0 must be of 2 reports in [0, 1] that make" in warning


def test_a_repeat_mark_that_is_damaged_is_none(
    data: ImageData, caplog: pytest.LogCaptureFixture
) -> None:
    objective = _objective(data)
    study = _study(objective)
    study.add_trial(
        optuna.create_trial(
            state=TrialState.WAITING,
            system_attrs={"fixed_params": dict(SKIP.params), REPEAT_KEY: "a/b"},
        )
    )
    study.optimize(objective, n_trials=1)
    assert study.trials[1].user_attrs[COPY_KEY] == 0
    assert f"{REPEAT_KEY!r} of trial 1 must be true or false" in told(caplog.records)[0]


@hostile
def test_a_damaged_worker_is_nobody(value: object) -> None:
    study = optuna.create_study()
    study.add_trial(
        optuna.create_trial(
            state=TrialState.RUNNING,
            user_attrs={WORKER_KEY: value},
            system_attrs={"retry_history": 5, "failed_trial": "x"},
        )
    )
    assert fail_dead_trials(study) == []
    assert fail_dead_trials(study, unmarked_after=0.0) == [0]
    assert [trial.state for trial in study.trials] == [TrialState.FAIL]


def test_a_worker_with_a_process_id_of_no_machine_is_nobody() -> None:
    worker = {"host": "here", "pid": 10**30, "started": 1.0}
    trial = optuna.create_trial(state=TrialState.RUNNING, user_attrs={WORKER_KEY: worker})
    study = optuna.create_study()
    study.add_trial(trial)
    assert fail_dead_trials(study) == []


@hostile
def test_a_study_that_does_not_say_what_it_is_is_refused(value: object, data: ImageData) -> None:
    study = optuna.create_study(direction="maximize", study_name="mine")
    study.set_user_attr(STUDY_KEY, value)
    study.set_user_attr(SEARCH_KEY, [value])
    message = f"The study 'mine' has a damaged attribute '{STUDY_KEY}': it .*Going on would mix"
    for read in (read_identity, _objective(data).prepare):
        with pytest.raises(ValueError, match=message):
            read(study)
    with pytest.raises(ValueError, match=f"damaged attribute '{SEARCH_KEY}': it must be a mapp"):
        read_choice(study, SEARCH_DEFAULTS)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("data", 5, "has 'data', which must be a mapping"),
        ("data", {"name": "digits", "image_size": [8]}, "has 'image_size', which must be a list"),
        ("epochs", "4", "has 'epochs', which must be an integer"),
        ("recipe", [], "has 'recipe', which must be a mapping"),
        ("settings", None, "has 'settings', which must be a mapping"),
    ],
)
def test_parts_of_what_a_study_is_are_checked(
    path: str, value: object, words: str, data: ImageData
) -> None:
    study = optuna.create_study(direction="maximize")
    study.set_user_attr(STUDY_KEY, {**_objective(data).identity.to_json(), path: value})
    with pytest.raises(ValueError, match=words):
        read_identity(study)


def test_what_the_command_line_chose_is_read_again(data: ImageData) -> None:
    """As soon as the study has settings: what a command chose that only failed is of no use."""
    study, objective = optuna.create_study(direction="maximize"), _objective(data)
    make_ready(study, objective, {**SEARCH_DEFAULTS, "max_params": None, "seed": 3})
    assert read_choice(study, SEARCH_DEFAULTS, pruner="none")["seed"] == 0
    study.set_user_attr(STUDY_KEY, objective.identity.to_json())
    assert read_choice(study, SEARCH_DEFAULTS, pruner="none")["seed"] == 3


@hostile
def test_a_studys_derived_children_are_passed_over_if_damaged(
    value: object, caplog: pytest.LogCaptureFixture
) -> None:
    study = optuna.create_study(direction="maximize")
    study.add_trial(_damaged((DIGEST_KEY,), value))
    study.set_user_attr(DERIVED_KEY, [[0, 99.0]] if value == [] else value)
    assert derived_metrics(study) == {}
    assert [trial.number for trial in best_trials(study, 3)] == [0]
    assert any(f"{DERIVED_KEY!r} of study" in warning for warning in told(caplog.records))


@hostile
def test_commands_tell_of_a_damaged_trial(value: object, data: ImageData) -> None:
    study = optuna.create_study(direction="minimize")
    trial = _damaged(
        OWN_KEYS, value, params=dict(SKIP.params), distributions=SPACE.distributions()
    )
    study.add_trial(trial)
    study.set_user_attr(DERIVED_KEY, value)
    assert "1 complete" in summary(study) or "1 infeasible" in summary(study)
    assert "value                 0.5 (minimised)" in describe(study, SPACE, study.trials[0])
    candidate = of_trial(study, study.trials[0], SPACE, data, name="a")
    assert "hyperparameters" not in candidate.origin
    assert warm_start(study, SPACE, data, samples=2, top=1, build={"cells": 1, "channels": 2})


@hostile
def test_damaged_hyperparameters_leave_the_recipe(value: object) -> None:
    recipe = Recipe(lr=0.05)
    trial = _damaged((HYPERPARAMETERS_KEY,), value)
    assert recipe_of(trial, recipe) == recipe
    study = optuna.create_study()
    study.add_trial(trial)
    assert sampled_hyperparameters(study) in ([], [{}])


def test_hyperparameters_out_of_range_are_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    trial = _damaged((HYPERPARAMETERS_KEY,), {"lr": -1.0})
    assert recipe_of(trial, Recipe()) == Recipe()
    assert "must fit the recipe, but does not (`lr` must be" in told(caplog.records)[0]


@hostile
def test_damaged_readings_show_nothing_and_prune_nothing(value: object) -> None:
    trial = _damaged((*SEARCH_KEYS, "optuna_nas:darts:alphas:1"), value)
    study = optuna.create_study(direction="maximize")
    study.add_trial(trial)
    assert not CollapsePruner(patience=1).prune(study, study.trials[0]) or value == [1.0]
    assert read_alphas(trial) == []
    with pytest.raises(ValueError, match="must be one of DARTSObjective"):
        plot_alphas(trial)
    with pytest.raises(ValueError, match="must have trials of DARTSObjective"):
        plot_collapse(study)


def test_epochs_from_a_damaged_one_on_are_left_out() -> None:
    alphas = [{"a": [0.5, 0.5]}, {"a": [0.4, 0.6]}, {"a": [0.4]}, {"a": [0.4, 0.6]}]
    keys = {f"optuna_nas:darts:alphas:{epoch}": row for epoch, row in enumerate(alphas, 1)}
    trial = _damaged((), None, user_attrs={ENTROPY_KEY: [0.1] * 4, CHOICES_KEY: 5, **keys})
    assert read_alphas(trial) == alphas[:2]
    assert plot_alphas(trial).data


@hostile
def test_damaged_results_of_scaling_are_left_out(value: object) -> None:
    study = optuna.create_study(direction="maximize")
    facts = {"network": "a", "width": 1.0, "depth": 1, "resolution": 8, "epochs": 1, "macs": 9}
    facts |= {"params": 3}
    study.add_trial(_damaged((RESULT_KEY,), value))
    with pytest.raises(ValueError, match="must have complete trials of scaled networks"):
        read_results(study)
    study.add_trial(_damaged((RESULT_KEY,), facts))
    study.add_trial(_damaged((RESULT_KEY,), facts, values=[math.inf]))
    study.add_trial(_damaged((RESULT_KEY,), {**facts, "macs": value}))
    numbers = [result.trial for result in read_results(study)]
    assert numbers == ([1, 3] if value == 5 and value is not True else [1])
