"""Several processes carry out a training function together, on one trial."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FixedTrial
from own_loops import trained

from optuna_nas.objectives import distributed_optimize
from optuna_nas.objectives.own_loop import _shared_trial
from optuna_nas.objectives.own_loop._shared_trial import SharedTrial


def test_it_suggests_what_the_trial_does() -> None:
    trial = FixedTrial({"lr": 0.5, "depth": 3, "op": "a"}, number=4)
    shared = SharedTrial(trial)
    assert shared.number == 4
    assert shared.suggest_float("lr", 0.1, 1.0, log=True) == 0.5
    assert shared.suggest_int("depth", 1, 5) == 3
    assert shared.suggest_categorical("op", ["a", "b"]) == "a"
    assert shared.params == {"lr": 0.5, "depth": 3, "op": "a"}
    shared.set_user_attr("note", 1)
    assert trial.user_attrs == shared.user_attrs == {"note": 1}
    with pytest.raises(ValueError, match="missing"):
        shared.suggest_float("missing", 0.0, 1.0)


def test_reports_of_one_process_are_refused() -> None:
    shared = SharedTrial(FixedTrial({}))
    with pytest.raises(RuntimeError, match=r"`trial.report` must not be called .*report\(value, "):
        shared.report(1.0, 1)
    with pytest.raises(RuntimeError, match=r"`trial.should_prune` must not be called where"):
        shared.should_prune()


def test_a_process_without_an_answer_says_where_the_error_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_shared_trial, "share", lambda value: (0, {}, {}))
    other = SharedTrial(None)
    monkeypatch.setattr(_shared_trial, "share", lambda value: None)
    with pytest.raises(RuntimeError, match="first process could not suggest 'lr', so that"):
        other.suggest_float("lr", 0.0, 1.0)


def test_without_torchrun_it_is_study_optimize() -> None:
    study = optuna.create_study(direction=trained.direction)
    distributed_optimize(study, trained, n_trials=2)
    assert len(study.trials) == 2


SEARCH = """
import json, sys
import optuna, torch
from optuna_nas.objectives import distributed_optimize, training_function
from optuna_nas.spaces import function_space
from optuna_nas.training import NonFiniteLossError, distributed
from torch import nn

torch.set_num_threads(1)
optuna.logging.set_verbosity(optuna.logging.ERROR)

@function_space
def net(trial):
    return nn.Linear(3, trial.suggest_categorical("width", [1, 2, 3, 4, 5]))

@training_function(space=net, inputs=(3,), metric="MAE", max_params=19)
def objective(model, trial, report):
    width, lr = model.out_features, trial.suggest_float("lr", 0.0, 1.0)
    log.append((trial.number, width, lr, float(model.weight.detach().sum())))
    if width == 3:
        raise NonFiniteLossError(1, 1, 0.1, float("nan"), "training")
    report(width + processes.rank, 1)
    report(float("nan") if width == 2 else width + processes.rank, 2)
    if processes.rank == 0:
        return 1.0 * width

log = []
with distributed() as processes:
    study = None
    if processes.rank == 0:
        study = optuna.create_study(pruner=optuna.pruners.ThresholdPruner(upper=3.5))
        for width in (1, 2, 3, 4, 5, 1):
            study.enqueue_trial({"width": width})
    distributed_optimize(study, objective, n_trials=6)
    with open(f"{sys.argv[1]}/{processes.rank}.json", "w") as file:
        json.dump(log, file)
    if study is not None:
        with open(f"{sys.argv[1]}/study.json", "w") as file:
            json.dump([(t.state.name, t.value, t.intermediate_values) for t in study.trials], file)
"""


@pytest.mark.slow
def test_two_processes_carry_out_a_training_function(tmp_path: Path, torchrun: Any) -> None:
    torchrun(SEARCH, tmp_path)
    first, second, trials = (
        json.loads((tmp_path / f"{name}.json").read_text()) for name in ("0", "1", "study")
    )
    assert first == second
    assert [(number, width) for number, width, _, _ in first] == [
        *((0, 1), (1, 2), (2, 3), (3, 4)),  # the fifth network has too many parameters
        (5, 1),
    ]
    states = [state for state, _, _ in trials]
    assert states == ["COMPLETE", "PRUNED", "PRUNED", "PRUNED", "PRUNED", "COMPLETE"]
    assert trials[0][1:] == [1.0, {"1": 1.0, "2": 1.0}]
    assert trials[1][2] == {"1": 2.0}
    assert trials[3][2] == {"1": 4.0}
