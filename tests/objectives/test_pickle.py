"""Objectives go to other processes: with their settings, without locks, caches and studies."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from darts_searches import DATA, SIZE, SPACE
from darts_searches import objective as darts

from optuna_nas.objectives import (
    LatencyReward,
    NetworkTraining,
    ProxyObjective,
    ScalingStudyObjective,
    SharedWeightsObjective,
    TrainingObjective,
)
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.scaling import ResNet, ScalingGrid

CELL = "|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"
GRID = ScalingGrid(widths=(0.125,), depths=(1,), resolutions=(8,), regimes=(1,))
BASE = ResNet(blocks=(1, 1, 1, 1), kind="basic", stem="cifar")


def latency(model: object, input_size: tuple[int, ...]) -> float:
    return 2.0


def training(folder: Path, **options: Any) -> TrainingObjective:
    settings = {"epochs": 2, "build": SIZE, "device": "cpu", "checkpoints": folder}
    return TrainingObjective(SPACE, DATA, **(settings | options))


@pytest.mark.parametrize(
    "make",
    [
        training,
        lambda folder: training(folder, score="max_last_5"),
        lambda folder: training(folder, value=LatencyReward(target_ms=1.0), latency=latency),
        lambda folder: training(folder, evaluator=NetworkTraining(channels_last=True)),
        lambda folder: darts(checkpoints=folder, epochs=2),
        lambda folder: SharedWeightsObjective(
            SPACE, DATA, epochs=1, children_per_epoch=2, supernet=SIZE, device="cpu"
        ),
        lambda folder: ProxyObjective(SPACE, DATA, build=SIZE, device="cpu"),
        lambda folder: ScalingStudyObjective(BASE, DATA, grid=GRID, checkpoints=folder),
    ],
)
def test_a_copy_goes_on_as_the_original_would(
    make: Callable[[Path], Any], tmp_path: Path, one_thread: None
) -> None:
    values = []
    for copies in (False, True):
        objective = make(tmp_path / f"{copies}")
        sampler = RandomSearchSampler(seed=0)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(objective, n_trials=1)
        if copies:
            objective = pickle.loads(pickle.dumps(objective))
            study.sampler = pickle.loads(pickle.dumps(sampler))
        study.optimize(objective, n_trials=1)
        values.append([trial.values for trial in study.trials])
    assert values[0] == values[1]


def test_a_copy_knows_no_studies(tmp_path: Path) -> None:
    objective = training(tmp_path)
    study = optuna.create_study(direction="maximize")
    study.set_user_attr("optuna_nas:study", objective.identity.to_json())
    objective.prepare(study)
    study.set_user_attr("optuna_nas:study", None)
    objective.prepare(study)  # it has been asked already
    with pytest.raises(ValueError, match="damaged attribute"):
        pickle.loads(pickle.dumps(objective)).prepare(study)


def test_a_copy_of_an_evaluator_leaves_its_caches_behind() -> None:
    evaluator = NetworkTraining(channels_last=True)
    training(Path("unused"), evaluator=evaluator, checkpoints=None)(
        optuna.trial.FixedTrial(SPACE.parse(CELL).params)
    )
    assert vars(evaluator)["_placed"][0] is DATA
    copy = pickle.loads(pickle.dumps(evaluator))
    assert vars(copy) == {"channels_last": True, "compile": False, "_placed": None}
