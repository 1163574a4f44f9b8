"""A network's fault makes its trial infeasible, and a bug is raised with what was being done."""

from __future__ import annotations

import optuna
import pytest
import torch
from optuna.trial import TrialState
from tiny_trainings import CONV, SKIP, objective_of, study_of
from torch import nn

from optuna_nas.keys import INFEASIBLE_KEY, MACS_KEY, PARAMS_KEY
from optuna_nas.objectives import TrialError
from optuna_nas.objectives.trial._failures import FAILURE_CONSTRAINT
from optuna_nas.samplers import RegularizedEvolutionSampler
from optuna_nas.spaces import function_space
from optuna_nas.training import ImageData, Recipe, load_data


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", train_size=200, val_size=100)


@pytest.mark.parametrize("limit", ["max_params", "max_macs"])
def test_a_network_over_a_limit_is_infeasible_and_not_trained(data: ImageData, limit: str) -> None:
    study = study_of()
    CONV.enqueue(study)
    SKIP.enqueue(study)
    sizes = {"max_params": 7000, "max_macs": 60_000}
    study.optimize(objective_of(data, **{limit: sizes[limit]}), n_trials=2)
    over, under = study.trials
    assert over.state == TrialState.PRUNED
    assert not over.intermediate_values
    size = over.user_attrs[PARAMS_KEY if limit == "max_params" else MACS_KEY]
    assert over.constraints == {limit: pytest.approx(size / sizes[limit] - 1)}
    assert f"against {limit}={sizes[limit]:,}" in over.user_attrs[INFEASIBLE_KEY]
    assert under.state == TrialState.COMPLETE
    assert under.constraints[limit] < 0
    assert study.best_trial.number == 1


def test_evolution_moves_away_from_infeasible_networks(data: ImageData) -> None:
    sampler = RegularizedEvolutionSampler(population_size=6, tournament_size=5, seed=0)
    study = study_of(sampler=sampler)
    study.optimize(objective_of(data, epochs=1, max_params=9000), n_trials=30)
    feasible = [INFEASIBLE_KEY not in trial.user_attrs for trial in study.trials]
    assert sum(feasible[-12:]) > sum(feasible[:12])


def test_a_lost_network_is_infeasible(data: ImageData) -> None:
    study = study_of()
    CONV.enqueue(study)
    recipe = Recipe(lr=1e30, schedule="constant", batch_size=16)
    study.optimize(objective_of(data, recipe=recipe), n_trials=1)
    trial = study.trials[0]
    assert trial.state == TrialState.PRUNED
    assert trial.constraints == {FAILURE_CONSTRAINT: 1.0}
    message = trial.user_attrs[INFEASIBLE_KEY]
    assert message.startswith(
        f"Trial 0: training {CONV} on inputs of shape (1, 8, 8) is impossible"
    )
    assert "loss must be finite" in message


def test_too_small_an_image_is_infeasible() -> None:
    images = torch.randint(0, 256, (60, 3, 2, 2), dtype=torch.uint8)
    dataset = torch.utils.data.TensorDataset(images, torch.arange(60) % 2)
    study = study_of()
    study.optimize(objective_of(ImageData.from_datasets("tiny", dataset)), n_trials=1)
    trial = study.trials[0]
    assert trial.state == TrialState.PRUNED
    assert "the smallest size that works" in trial.user_attrs[INFEASIBLE_KEY]


class _Hungry(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not x.is_meta:
            torch.empty(2**60)
        return x.mean((2, 3))[:, :1].expand(-1, 10)


@function_space
def hungry(trial: optuna.Trial, in_channels: int = 3, num_classes: int = 10) -> nn.Module:
    width = trial.suggest_categorical("width", [1, 2])
    return nn.Sequential(nn.Conv2d(in_channels, width, 1), _Hungry())


@function_space
def broken(trial: optuna.Trial, in_channels: int = 3, num_classes: int = 10) -> nn.Module:
    width = trial.suggest_categorical("width", [3, 4])
    return nn.Sequential(nn.Conv2d(in_channels, width, 1), nn.Conv2d(5, num_classes, 1))


def test_out_of_memory_is_infeasible(data: ImageData) -> None:
    study = study_of()
    study.optimize(objective_of(data, space=hungry, build={}), n_trials=1)
    trial = study.trials[0]
    assert trial.state == TrialState.PRUNED
    assert trial.constraints == {FAILURE_CONSTRAINT: 1.0}
    assert "is impossible: out of memory. A smaller batch_size" in trial.user_attrs[INFEASIBLE_KEY]


def test_a_bug_is_raised_with_what_was_being_done(data: ImageData) -> None:
    study = study_of()
    message = r"Trial 0: building \{.width.: [34]\} on inputs of shape \(1, 8, 8\) failed: "
    with pytest.raises(TrialError, match=message.replace("'", '"').replace(".width.", '"width"')):
        study.optimize(objective_of(data, space=broken, build={}), n_trials=1)
    assert study.trials[0].state == TrialState.FAIL
