"""Two processes judge the trials of one study together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest

from optuna_nas.objectives import TrainingObjective, optimize_together
from optuna_nas.spaces import NASBench201Space

SEARCH = """
import json, sys
import optuna, torch
from optuna_nas.objectives import TrainingObjective, optimize_together
from optuna_nas.spaces import NASBench201Space
from optuna_nas.training import Recipe, distributed, load_data

torch.set_num_threads(1)
optuna.logging.set_verbosity(optuna.logging.WARNING)
space = NASBench201Space()
conv = space.parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|none~2|")
skip = space.parse("|skip_connect~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")

with distributed() as processes:
    objective = TrainingObjective(
        space,
        load_data("digits", train_size=120, val_size=80),
        epochs=4,
        build={"cells": 1, "channels": 4},
        recipe=Recipe(batch_size=16, schedule="constant"),
        hyperparameters=lambda trial: {"lr": trial.suggest_float("lr", 1e-9, 1e30, log=True)},
        checkpoints=f"{sys.argv[1]}/checkpoints",
        keep_checkpoints=2,
        device="cpu",
    )
    study = None
    if processes.rank == 0:
        pruner = optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=1)
        study = optuna.create_study(direction="maximize", pruner=pruner)
        # learns, is lost, is pruned, is the first one again, which is not trained
        for lr in (0.05, 1e30, 1e-9, 0.05):
            conv.enqueue(study, lr=lr)
        skip.enqueue(study, lr=0.05)
    optimize_together(study, objective, n_trials=5)
    if study is not None:
        with open(f"{sys.argv[1]}/{processes.count}.json", "w") as file:
            keys = [list(t.user_attrs) for t in study.trials]
            values = [t.intermediate_values for t in study.trials]
            states = [t.state.name for t in study.trials]
            json.dump(list(zip(states, values, keys)), file)
"""


@pytest.mark.slow
def test_a_study_is_judged_by_two_processes(tmp_path: Path, torchrun: Any) -> None:
    torchrun(SEARCH, tmp_path)
    found = json.loads((tmp_path / "2.json").read_text())
    states = [state for state, _, _ in found]
    assert states[:4] == ["COMPLETE", "PRUNED", "PRUNED", "COMPLETE"]
    assert states[4] in ("COMPLETE", "PRUNED")
    assert "optuna_nas:infeasible" in found[1][2]
    assert "optuna_nas:copy_of" in found[3][2]
    assert found[3][1] == found[0][1]
    assert [len(values) for _, values, _ in found[:4]] == [4, 0, 1, 4]
    assert found[0][1]["4"] > 0.15
    assert found[4][1]["1"] > 0


def test_without_torchrun_it_is_study_optimize() -> None:
    objective = TrainingObjective(
        NASBench201Space(), "digits", epochs=1, build={"cells": 1, "channels": 2}, device="cpu"
    )
    study = optuna.create_study(direction="maximize")
    optimize_together(study, objective, n_trials=1)
    assert study.best_trial.number == 0
    with pytest.raises(ValueError, match="`study` must be a study in the first process, but got"):
        optimize_together(None, objective, n_trials=1)
    with pytest.raises(ValueError, match="`n_jobs` must be 1, but got n_jobs=2"):
        optimize_together(study, objective, n_trials=1, n_jobs=2)
