"""Training functions over a tiny space, and what they were called with."""

from __future__ import annotations

from typing import Any

import optuna
import torch
from torch import nn

from optuna_nas.objectives import TrainingFunction, training_function
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.spaces import function_space

SERIES = torch.linspace(0, 1, 48).reshape(2, 24)
WIDTHS = (4, 8, 16)
CALLS: list[tuple[int, int]] = []  # trial and width


@function_space
def forecaster(trial: Any, steps: int = 24) -> nn.Module:
    width = trial.suggest_categorical("width", WIDTHS)
    return nn.Sequential(nn.Linear(steps, width), nn.ReLU(), nn.Linear(width, 1))


def width_of(model: Any) -> int:
    width = model[0].out_features
    assert isinstance(width, int)
    return width


@training_function(space=forecaster, inputs=(24,), metric="MAE", max_params=300)
def trained(model: Any, trial: Any, report: Any) -> None:
    """Train for three epochs, and report each."""
    CALLS.append((trial.number, width_of(model)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for epoch in (1, 2, 3):
        loss = (model(SERIES) - SERIES.mean(1, keepdim=True)).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        report(loss, epoch)


@training_function(space=forecaster, metric="score", direction="maximize")
def scored(model: Any, trial: Any, report: Any) -> float:
    """Return the width, without a report."""
    CALLS.append((trial.number, width_of(model)))
    return float(width_of(model))


@training_function(space=forecaster, metric="score", direction="maximize")
def tuned(model: Any, trial: Any, report: Any) -> float:
    """Sample a hyperparameter of its own."""
    CALLS.append((trial.number, width_of(model)))
    return width_of(model) * float(trial.suggest_float("lr", 0.1, 1.0))


def study_of(
    objective: TrainingFunction, *widths: int, pruner: Any = None, **fixed: Any
) -> optuna.Study:
    """Evaluate networks of these widths in a new study."""
    study = optuna.create_study(
        directions=objective.directions, sampler=RandomSearchSampler(seed=0), pruner=pruner
    )
    for width in widths:
        study.enqueue_trial({"width": width, **fixed})
    CALLS.clear()
    study.optimize(objective, n_trials=len(widths))
    return study
