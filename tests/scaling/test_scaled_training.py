"""Scaled networks on real digits: training, checkpoints, latency and limits of a trial."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
import torch
from known_networks import KNOWN, TINY, one_size, run
from optuna.trial import TrialState
from torch import nn

from optuna_nas.keys import INFEASIBLE_KEY, LATENCY_KEY
from optuna_nas.objectives import ScaledTraining, ScalingStudyObjective, TrainingJob, proxies
from optuna_nas.scaling import GrowingRegularisation, ResNet, ScalingGrid, analyse, read_results
from optuna_nas.training import EpochResult, Recipe, load_data


def test_networks_are_trained_for_real_and_pruned() -> None:
    training = ScaledTraining(
        load_data("digits", train_size=600, val_size=128), recipe=Recipe(batch_size=32)
    )
    grid = ScalingGrid(widths=(0.125,), depths=(1,), resolutions=(8, 12), regimes=(2,))
    objective = ScalingStudyObjective(TINY, training, grid=grid, device="cpu")
    study = optuna.create_study(direction="maximize", sampler=objective.sampler(seed=0))
    study.optimize(objective)
    assert all(0.3 < trial.value <= 1 for trial in study.trials)
    assert all(sorted(trial.intermediate_values) == [1, 2] for trial in study.trials)
    pruned = optuna.create_study(
        direction="maximize",
        sampler=objective.sampler(seed=0),
        pruner=optuna.pruners.ThresholdPruner(lower=1.1),
    )
    pruned.optimize(objective)
    assert {trial.state for trial in pruned.trials} == {TrialState.PRUNED}
    pruned.add_trial(study.trials[0])
    assert "2 runs were pruned in training" in analyse(pruned).caveats[-1]


def test_what_a_network_is_trained_with() -> None:
    data = load_data("digits", train_size=64, val_size=64)
    training = ScaledTraining(
        data,
        recipe=Recipe(drop_path=0.5, lr=0.05),
        regularisation=GrowingRegularisation(smallest=1, largest=2, drop_path=(0.0, 0.3)),
    )
    grown = training.regularised(TINY)
    assert (grown.dropout, grown.drop_path) == (0.4, 0.3)
    recipe = training.recipe_of(grown)
    assert (recipe.drop_path, recipe.drop_path_schedule, recipe.lr) == (0.3, "constant", 0.05)
    assert ScaledTraining(data).recipe_of(TINY) == Recipe()


def test_resolution_changes_between_training_and_validation() -> None:
    seen: list[tuple[bool, int]] = []

    class Watched(ResNet):
        def _build(self, num_classes: int, in_channels: int) -> nn.Module:
            model = super()._build(num_classes, in_channels)
            model.register_forward_pre_hook(
                lambda module, inputs: seen.append((module.training, inputs[0].shape[-1]))
            )
            return model

    training = ScaledTraining(
        load_data("digits", train_size=64, val_size=64),
        train_resolution=0.75,
        start=0.5,
        stages=2,
    )
    network = Watched(blocks=(1, 1, 1, 1), kind="basic", stem="cifar", width=0.125, resolution=32)
    training(TrainingJob(network=network, epochs=2, device="cpu"))
    assert [size for trains, size in seen if trains] == [12, 24]
    assert {size for trains, size in seen if not trains} == {32}
    with pytest.raises(ValueError, match=r"`start` must lie in \(0, 1\]"):
        ScaledTraining("digits", start=0.0)


def test_a_trial_that_died_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    def end(phase: str, result: EpochResult) -> None:
        if result.epoch == 1:
            raise KeyboardInterrupt

    whole = run(one_size()).trials[0]
    objective = one_size(checkpoints=tmp_path, on_epoch=end)
    study = optuna.create_study(direction="maximize", sampler=objective.sampler(seed=0))
    with pytest.raises(KeyboardInterrupt):
        study.optimize(objective)
    assert len(list(tmp_path.iterdir())) == 1
    told: list[tuple[str, bool]] = []
    again = one_size(
        checkpoints=tmp_path, on_epoch=lambda *of: told.append((of[0], of[1].restored))
    )
    attributes = study.trials[0].user_attrs
    study.add_trial(optuna.create_trial(
        state=TrialState.WAITING, user_attrs=attributes,
        system_attrs={"fixed_params": study.trials[0].params, "failed_trial": 0},
    ))  # fmt: skip
    study.optimize(again, n_trials=1)
    assert study.trials[1].intermediate_values == whole.intermediate_values
    assert told == [("training", True), ("training", False)]


def test_the_latency_of_equal_networks_is_measured_once(tmp_path: Path) -> None:
    measured: list[tuple[int, ...]] = []

    def meter(model: nn.Module, size: tuple[int, ...]) -> float:
        measured.append(size)
        return 4.0

    objective = one_size(lambda job, **_: 0.5, latency=meter, repetitions=3, **KNOWN)
    study = run(objective)
    assert measured == [(1, 12, 12)]
    assert [trial.user_attrs[LATENCY_KEY] for trial in study.trials] == [4.0] * 3
    run_again = one_size(lambda job, **_: 0.5, latency=meter, repetitions=3, **KNOWN)
    run_again(study.ask())
    assert len(measured) == 1  # another process reads it from the study


def test_a_limit_on_latency_needs_no_meter() -> None:
    study = run(one_size(lambda job, **_: 0.5, max_latency_ms=1e-6, **KNOWN))
    assert (
        "ms of latency against max_latency_ms=1e-06" in study.trials[0].user_attrs[INFEASIBLE_KEY]
    )
    kept = run(one_size(lambda job, **_: 0.5, max_latency_ms=1e9, **KNOWN))
    assert read_results(kept)[0].latency_ms == kept.trials[0].user_attrs[LATENCY_KEY]


def test_a_limit_on_a_proxy_is_computed_at_the_resolution() -> None:
    study = run(one_size(min_proxy={"synflow": 1e300}))
    assert study.trials[0].state == TrialState.PRUNED
    score = study.trials[0].user_attrs["optuna_nas:proxy:synflow"]
    network = one_size().base.at(width=0.125, depth=1, resolution=12)
    torch.manual_seed(0)
    model = network.build(**KNOWN)
    images = torch.ones(2, 1, 12, 12)
    assert score == pytest.approx(proxies.synflow(model, images, torch.zeros(2)), rel=1e-6)
