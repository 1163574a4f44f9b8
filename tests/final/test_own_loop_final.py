"""Final training by a training function of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from torch import nn

from optuna_nas.final import FinalRun, read_card, retrain_by_function, trained_network
from optuna_nas.objectives import TrainingFunction, training_function
from optuna_nas.spaces import function_space

CALLS: list[tuple[int, float]] = []


@function_space
def line(trial: Any, outputs: int = 1) -> nn.Module:
    width = trial.suggest_categorical("width", [2, 3, 4])
    return nn.Sequential(nn.Linear(5, width), nn.Linear(width, outputs))


@training_function(space=line, inputs=(5,), metric="MAE")
def objective(model: Any, trial: Any, report: Any) -> float:
    """Worse than in the search for the best of the search; lost for width 4 with seed 1."""
    lr = trial.suggest_float("lr", 0.0, 1.0)
    width = model[0].out_features
    CALLS.append((width, lr))
    if width == 4 and torch.initial_seed() == 1:
        return float("nan")
    final = torch.initial_seed() < 10
    return float(width if not final else 10 - width + torch.initial_seed())


def searched() -> optuna.Study:
    study = optuna.create_study(direction="minimize")
    for width in (2, 3, 4):
        study.enqueue_trial({"width": width, "lr": width / 10})
    study.optimize(objective, n_trials=3)
    CALLS.clear()
    return study


def test_the_function_trains_the_best_again_with_every_seed(tmp_path: Path) -> None:
    study = searched()
    told: list[tuple[str, int]] = []

    def tell(name: str, run: FinalRun) -> None:
        told.append((name, run.seed))

    compared = retrain_by_function(study, objective, folder=tmp_path, top=2, seeds=2, on_run=tell)
    assert told == [("trial-0", 0), ("trial-0", 1), ("trial-1", 0), ("trial-1", 1)]
    assert CALLS == [(2, 0.2), (2, 0.2), (3, 0.3), (3, 0.3)]
    assert [finalist.value for finalist in compared.finalists] == [2.0, 3.0]
    assert [finalist.metric.mean for finalist in compared.finalists] == [8.5, 7.5]
    assert compared.chosen is compared.finalists[1]
    table = f"{compared}"
    assert 'trial-1 *  {"width": 3}       3  7.5 ± 0.7071' in table
    assert "MAE (the less the better), mean ± sd of 2 seeds" in table
    assert table in (tmp_path / "README.md").read_text()


def test_what_is_finished_is_kept(tmp_path: Path) -> None:
    study = searched()
    first = retrain_by_function(study, objective, folder=tmp_path, top=1, seeds=1)
    CALLS.clear()
    again = retrain_by_function(study, objective, folder=tmp_path, top=1, seeds=2)
    assert CALLS == [(2, 0.2)]
    assert again.finalists[0].runs[0] == first.finalists[0].runs[0]
    wider = objective.with_options(build={"outputs": 2})
    with pytest.raises(
        ValueError, match="runs with other settings: origin.build.outputs was None"
    ):
        retrain_by_function(study, wider, folder=tmp_path, top=1, seeds=1)
    changed = objective.with_options(version="new")
    with pytest.raises(ValueError, match="function.training_function_version was .* is now 'new'"):
        retrain_by_function(study, changed, folder=tmp_path, top=1, seeds=1)


def test_the_trained_network_is_made_again(tmp_path: Path) -> None:
    retrain_by_function(searched(), objective, folder=tmp_path, top=1, seeds=1)
    card = read_card(tmp_path / "trial-0")
    assert card["metric"] == {"name": "MAE", "direction": "minimize"}
    assert card["origin"]["hyperparameters"] == {"lr": 0.2}
    model = trained_network(tmp_path / "trial-0", space=line)
    torch.manual_seed(0)
    assert torch.equal(model[0].weight, line.architecture({"width": 2}).build()[0].weight)


def test_a_run_that_is_lost_is_told(tmp_path: Path) -> None:
    study = searched()
    compared = retrain_by_function(study, objective, folder=tmp_path, top=3, seeds=(0, 1))
    lost = compared.finalists[2]
    assert lost.metric.count == 1
    assert lost.runs[1].failure == "the MAE must be finite, but is nan."
    assert "trial-2, seed 1, failed: the MAE must be finite, but is nan." in f"{compared}"
    kept = json.loads((tmp_path / "trial-2" / "seed-1.json").read_text())["result"]
    assert kept == {"seed": 1, "failure": "the MAE must be finite, but is nan."}
    CALLS.clear()
    assert retrain_by_function(study, objective, folder=tmp_path, top=3, seeds=(0, 1)) == compared
    assert CALLS == []


def test_a_function_that_stops_itself_is_told(tmp_path: Path) -> None:
    def stops(model: Any, trial: Any, report: Any) -> float:
        if torch.initial_seed() < 10:
            raise optuna.TrialPruned
        return 1.0

    made: TrainingFunction = training_function(space=line, metric="MAE")(stops)
    study = optuna.create_study()
    study.optimize(made, n_trials=1)
    compared = retrain_by_function(study, made, folder=tmp_path, seeds=1)
    assert compared.chosen is None
    assert compared.finalists[0].runs[0].failure == "stopped by the function"
    assert not (tmp_path / "trial-0" / "card.json").exists()  # its inputs are unknown


def test_a_bug_is_raised(tmp_path: Path) -> None:
    study = searched()

    def broken(model: Any, trial: Any, report: Any) -> float:
        raise KeyError("weights")

    made = training_function(space=line, metric="MAE")(broken)
    with pytest.raises(KeyError, match="weights"):
        retrain_by_function(study, made, folder=tmp_path, seeds=1)
    with pytest.raises(ValueError, match="`top` must be at least 1"):
        retrain_by_function(study, objective, folder=tmp_path, top=0)
    with pytest.raises(ValueError, match="must have a complete trial, but has none"):
        retrain_by_function(optuna.create_study(), objective, folder=tmp_path)
