"""What all objectives have in common, because one base class does it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from darts_searches import DATA, SIZE, SPACE
from darts_searches import objective as darts
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta
from optuna.trial import TrialState

from optuna_nas.keys import DIGEST_KEY, WORKER_KEY
from optuna_nas.objectives import (
    Objective,
    ProxyObjective,
    SharedWeightsObjective,
    StudyIdentity,
    TrainingObjective,
    TrialRun,
)
from optuna_nas.objectives.trial._workers import this_worker
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.spaces import Architecture


def training(**options: Any) -> TrainingObjective:
    return TrainingObjective(
        SPACE, DATA, **{"epochs": 1, "build": SIZE, "device": "cpu"} | options
    )


def shared(**options: Any) -> SharedWeightsObjective:
    settings = {"epochs": 1, "children_per_epoch": 2, "supernet": SIZE, "device": "cpu"}
    return SharedWeightsObjective(SPACE, DATA, **settings | options)


def proxy(**options: Any) -> ProxyObjective:
    return ProxyObjective(SPACE, DATA, **{"build": SIZE, "device": "cpu"} | options)


every_objective = pytest.mark.parametrize(
    ("make", "told"),
    [
        (training, r"validation accuracy \*\*\d+\.\d\d%\*\*; [\d,]+ parameters, "),
        (darts, r"validation accuracy of the derived network \*\*\d+\.\d\d%\*\*"),
        (shared, r"shared-weights accuracy \*\*\d+\.\d\d%\*\*"),
        (proxy, r"naswot score \*\*[\d.]+\*\*; [\d,]+ parameters, "),
    ],
)


def study() -> optuna.Study:
    return optuna.create_study(direction="maximize", sampler=RandomSearchSampler(seed=0))


def notes(of: optuna.Study) -> list[str]:
    attributes = of._storage.get_study_system_attrs(of._study_id)
    return [value for key, value in attributes.items() if "note" in key and "ver" not in key]


@every_objective
def test_every_trial_has_a_picture_and_a_note(
    make: Callable[..., Objective[Any]], told: str, tmp_path: Path, one_thread: None
) -> None:
    made = study()
    made.optimize(make(artifact_store=FileSystemArtifactStore(tmp_path)), n_trials=1)
    trial = made.trials[0]
    (artifact,) = get_all_artifact_meta(trial, storage=made._storage)
    (note,) = notes(made)
    assert artifact.artifact_id in note
    assert re.search(told, note), note
    assert trial.user_attrs[WORKER_KEY] == this_worker()
    assert trial.user_attrs[DIGEST_KEY] == SPACE.architecture(trial).digest


@every_objective
def test_a_study_of_other_settings_is_refused_before_anything_is_suggested(
    make: Callable[..., Objective[Any]], told: str
) -> None:
    made = study()
    made.set_user_attr("optuna_nas:study", {**SPACE.identity, "data": {"name": "other"}})
    with pytest.raises(ValueError, match="data"):
        made.optimize(make(), n_trials=1)
    assert made.trials[0].state == TrialState.FAIL
    assert not made.trials[0].params


class Mine(Objective[Architecture]):
    """An objective of one's own: three methods."""

    identity = StudyIdentity.of(SPACE, DATA, more={"mine": 1})

    def __init__(self, **options: Any) -> None:
        super().__init__(metric="convolutions", **options)

    def suggest(self, run: TrialRun) -> Architecture:
        architecture = SPACE.suggest(run.trial)
        run.record(architecture)
        return architecture

    def evaluate(self, run: TrialRun, plan: Architecture) -> float:
        run.admit(plan)
        if run.trial.number == 1:
            raise optuna.TrialPruned("too *many*")
        if run.trial.number == 2:
            raise OSError("gone")
        return float(str(plan).count("conv"))

    def format_metric(self, metric: float) -> str:
        return f"{metric:g}"


def test_a_note_says_how_a_trial_ended(tmp_path: Path) -> None:
    made = study()
    objective = Mine(artifact_store=FileSystemArtifactStore(tmp_path))
    made.optimize(objective, n_trials=3, catch=(OSError,))
    complete, pruned, failed = notes(made)
    assert complete.endswith(f"convolutions **{made.trials[0].value:g}**")
    assert pruned.endswith(r"pruned: too \*many\*")
    assert failed.endswith("failed")
    assert made.metric_names == ["convolutions"]


def test_an_unknown_option_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(
        TypeError, match=r"TrainingObjective takes \['artifact_store', .*'max_mac'"
    ):
        training(max_mac=3)


def test_limits_need_costs() -> None:
    with pytest.raises(ValueError, match=r"Limits need .*max_params=3.* without `costs`: set"):
        study().optimize(Mine(max_params=3), n_trials=1)


def test_every_epoch_is_told_with_its_phase(one_thread: None) -> None:
    told: list[tuple[str, int]] = []
    objective = training(
        epochs=2, on_epoch=lambda phase, result: told.append((phase, result.epoch))
    )
    pruning = optuna.pruners.ThresholdPruner(lower=1.1)
    optuna.create_study(direction="maximize", pruner=pruning).optimize(objective, n_trials=1)
    assert told == [("training", 1)]
    study().optimize(objective, n_trials=1)
    assert told[1:] == [("training", 1), ("training", 2)]
