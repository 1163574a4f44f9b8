"""Two processes evaluate the trials of one study together."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from optuna_nas.objectives import (
    DARTSObjective,
    ProxyObjective,
    ScalingStudyObjective,
    SharedWeightsObjective,
    TrainingObjective,
    distributed_optimize,
)
from optuna_nas.scaling import ResNet, ScalingGrid
from optuna_nas.spaces import NASBench201Space

SEARCH = """
import json, sys
import optuna, torch
from optuna_nas.objectives import TrainingObjective, distributed_optimize
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
    distributed_optimize(study, objective, n_trials=5)
    if study is not None:
        with open(f"{sys.argv[1]}/{processes.count}.json", "w") as file:
            keys = [list(t.user_attrs) for t in study.trials]
            values = [t.intermediate_values for t in study.trials]
            states = [t.state.name for t in study.trials]
            json.dump(list(zip(states, values, keys)), file)
"""


@pytest.mark.slow
def test_a_study_is_evaluated_by_two_processes(tmp_path: Path, torchrun: Any) -> None:
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
    distributed_optimize(study, objective, n_trials=1)
    assert study.best_trial.number == 0
    with pytest.raises(ValueError, match="`study` must be a study in the first process, but got"):
        distributed_optimize(None, objective, n_trials=1)
    with pytest.raises(ValueError, match="`n_jobs` must be 1, but got n_jobs=2"):
        distributed_optimize(study, objective, n_trials=1, n_jobs=2)


SPACE = NASBench201Space()


def _alone(trial: optuna.Trial) -> float:
    return trial.suggest_float("x", 0.0, 1.0)


@pytest.mark.parametrize(
    ("objective", "name"),
    [
        (lambda: DARTSObjective(SPACE, "digits", device="cpu"), "DARTSObjective"),
        (lambda: SharedWeightsObjective(SPACE, "digits", device="cpu"), "SharedWeightsObjective"),
        (lambda: ProxyObjective(SPACE, "digits", device="cpu"), "ProxyObjective"),
        (
            lambda: ScalingStudyObjective(
                ResNet(blocks=(1, 1, 1, 1), kind="basic", stem="cifar"),
                "digits",
                grid=ScalingGrid(widths=(0.125,), depths=(1,), resolutions=(8,), regimes=(1,)),
            ),
            "ScalingStudyObjective",
        ),
        (lambda: _alone, "_alone"),
    ],
)
def test_an_objective_that_trains_in_one_process_only_is_refused(
    objective: Callable[[], Any], name: str
) -> None:
    study = optuna.create_study(direction="maximize")
    message = f"`objective` must be able to train in several processes, .* but got {name}, which"
    with pytest.raises(TypeError, match=message):
        distributed_optimize(study, objective(), n_trials=1)
    assert not study.trials
    assert not study.user_attrs


def test_what_the_other_processes_call_is_a_method_of_the_objective() -> None:
    objective = TrainingObjective(SPACE, "digits", epochs=1, build={"cells": 1, "channels": 2})
    assert callable(objective.distributed_worker)


REFUSED = """
import sys
import optuna, torch
from optuna_nas.objectives import (
    DARTSObjective, MacsReward, TrainingObjective, distributed_optimize
)
from optuna_nas.spaces import NASBench201Space
from optuna_nas.training import distributed, load_data

torch.set_num_threads(1)
optuna.logging.set_verbosity(optuna.logging.WARNING)
space = NASBench201Space()
data = load_data("digits", train_size=60, val_size=40)
darts = DARTSObjective(space, data, device="cpu")
training, reward, costs = (
    TrainingObjective(
        space, data, epochs=1, build={"cells": 1, "channels": 2}, device="cpu", value=value
    )
    for value in ("metric", MacsReward(target_macs=1e6), ("metric", "macs"))
)


class Mine:
    def __call__(self, trial):
        return self.objective(trial)

    def distributed_worker(self):
        self.objective.distributed_worker()

    objective = training


with distributed() as processes:
    first = processes.rank == 0
    heard = []
    for objective, with_study, options in (
        (darts, True, {}),
        (training, False, {}),
        (training, True, {"n_jobs": 2}),
    ):
        study = optuna.create_study(direction="maximize") if first and with_study else None
        try:
            distributed_optimize(study, objective, n_trials=1, **options)
        except (TypeError, ValueError) as e:
            heard.append(f"{type(e).__name__}: {e}"[:30])
        assert study is None or not study.trials
    for objective in (reward, costs, Mine()):
        directions = ["maximize", "minimize"] if objective is costs else ["maximize"]
        study = optuna.create_study(directions=directions) if first else None
        distributed_optimize(study, objective, n_trials=1)
        if first:
            heard.append(study.trials[0].state.name)
    with open(f"{sys.argv[1]}/{processes.rank}.txt", "w") as file:
        file.write("\\n".join(heard))
"""


@pytest.mark.slow
def test_all_processes_refuse_the_same_and_go_on(tmp_path: Path, torchrun: Any) -> None:
    torchrun(REFUSED, tmp_path)
    first, second = ((tmp_path / f"{rank}.txt").read_text().split("\n") for rank in (0, 1))
    assert second == [
        "TypeError: `objective` must be",
        "ValueError: `study` must be a ",
        "ValueError: `n_jobs` must be 1",
    ]
    assert first == [*second, "COMPLETE", "COMPLETE", "COMPLETE"]


def test_alone_it_goes_on_after_a_trial_that_was_failed_elsewhere() -> None:
    study = optuna.create_study(direction="maximize")

    class Objective:
        def __call__(self, trial: optuna.Trial) -> float:
            if trial.number == 0:
                study.tell(0, state=optuna.trial.TrialState.FAIL)
            return 0.5

        def distributed_worker(self) -> None:
            raise AssertionError

    with pytest.warns(UserWarning, match="Trial 0 was failed by another process"):
        distributed_optimize(study, Objective(), n_trials=2, n_jobs=1)
    assert [trial.state.name for trial in study.trials] == ["FAIL", "COMPLETE"]
