"""The callback prunes as Optuna's own calls do, with all pruners, in all processes together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from optuna.pruners import BasePruner
from optuna.trial import FixedTrial, TrialState
from torch import nn
from torch.nn import functional

from optuna_nas.training import (
    EpochResult,
    ImageData,
    OptunaPruningCallback,
    Recipe,
    fit,
    load_data,
    seeded,
)

EPOCHS = 20

PRUNERS: dict[str, Callable[[], BasePruner]] = {
    "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=4),
    "hyperband": lambda: optuna.pruners.HyperbandPruner(max_resource=EPOCHS),
    "halving": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=4),
    "wilcoxon": lambda: optuna.pruners.WilcoxonPruner(p_threshold=0.05),
    "patient": lambda: optuna.pruners.PatientPruner(
        optuna.pruners.MedianPruner(n_startup_trials=4), patience=2
    ),
}


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", train_size=100, val_size=60)


def _study(pruner: BasePruner, **kwargs: Any) -> optuna.Study:
    sampler = optuna.samplers.RandomSampler(seed=0)
    kwargs = {"direction": "maximize", "study_name": "s", **kwargs}
    return optuna.create_study(sampler=sampler, pruner=pruner, **kwargs)


def _curve(trial: optuna.Trial) -> Iterator[tuple[int, float]]:
    """Accuracies of a network that is worse, and learns less, the larger its lr is."""
    lr = trial.suggest_float("lr", 0.0, 1.0)
    noise = np.random.RandomState(trial.number)
    for epoch in range(1, EPOCHS + 1):
        yield epoch, 0.5 - 0.4 * lr + 0.02 * epoch * (1 - lr) + 0.01 * noise.rand()


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("name", PRUNERS)
def test_it_prunes_as_optunas_own_calls_do(name: str) -> None:
    def with_callback(trial: optuna.Trial) -> float:
        callback = OptunaPruningCallback(trial)
        for epoch, value in _curve(trial):
            callback.report(value, epoch)
        return value

    def plain(trial: optuna.Trial) -> float:
        for epoch, value in _curve(trial):
            trial.report(value, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    studies = _study(PRUNERS[name]()), _study(PRUNERS[name]())
    for study, objective in zip(studies, (with_callback, plain), strict=True):
        study.optimize(objective, n_trials=40)
    ours, theirs = ([(t.state, t.intermediate_values) for t in s.trials] for s in studies)
    assert ours == theirs
    states = [state for state, _ in ours]
    assert TrialState.PRUNED in states
    assert TrialState.COMPLETE in states
    assert studies[0].best_trial.params["lr"] < 0.2


def test_halving_stops_at_the_rungs_of_asha() -> None:
    """Rungs of 1, 4 and 16 epochs, and the best quarter goes on (arXiv 1902.07638)."""

    def objective(trial: optuna.Trial) -> float:
        callback = OptunaPruningCallback(trial)
        for epoch, value in _curve(trial):
            callback.report(value, epoch)
        return value

    study = _study(PRUNERS["halving"]())
    study.optimize(objective, n_trials=60)
    lengths = [len(t.intermediate_values) for t in study.trials]
    assert set(lengths) == {1, 4, 16, EPOCHS}
    assert lengths.count(1) > lengths.count(4) > lengths.count(16)


def _objective(data: ImageData, **options: Any) -> Callable[[optuna.Trial], float]:
    def objective(trial: optuna.Trial) -> float:
        lr = trial.suggest_categorical("lr", [0.05, 1e-9])
        with seeded(0):
            model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        callback = OptunaPruningCallback(trial, **options)
        recipe = Recipe(lr=lr)
        history = fit(model, data, epochs=6, recipe=recipe, device="cpu", on_epoch=callback)
        return history.last.val_metric

    return objective


def test_a_run_of_fit_is_reported_and_pruned(data: ImageData) -> None:
    study = _study(optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=1))
    for lr in (0.05, 1e-9, 0.05):
        study.enqueue_trial({"lr": lr})
    study.optimize(_objective(data), n_trials=3)
    good, bad, again = study.trials
    assert list(good.intermediate_values) == [1, 2, 3, 4, 5, 6]
    assert good.value == good.intermediate_values[6]
    assert (bad.state, list(bad.intermediate_values)) == (TrialState.PRUNED, [1])
    assert again.state == TrialState.COMPLETE


def test_other_metrics_can_be_reported(data: ImageData) -> None:
    study = _study(optuna.pruners.NopPruner(), direction="minimize")
    study.enqueue_trial({"lr": 0.05})
    study.optimize(_objective(data, metric="val_loss"), n_trials=1)
    losses = list(study.trials[0].intermediate_values.values())
    assert losses[0] > losses[-1] > 0
    with pytest.raises(ValueError, match='`metric` must be one of "val_metric", "val_loss"'):
        OptunaPruningCallback(study.ask(), metric="accuracy")


def test_a_run_is_not_pruned_after_its_last_epoch() -> None:
    study = _study(optuna.pruners.ThresholdPruner(lower=0.9, n_warmup_steps=3))
    trial = study.ask()
    callback = OptunaPruningCallback(trial, last_epoch=3)
    for epoch in (1, 2, 3):
        callback.report(0.1, epoch)
    with pytest.raises(optuna.TrialPruned, match=r"validation metric 0\.1 after epoch 3"):
        OptunaPruningCallback(study.ask()).report(0.1, 3)


def test_a_fixed_trial_is_never_pruned() -> None:
    callback = OptunaPruningCallback(FixedTrial({}))
    for epoch in range(1, 4):
        callback.report(0.0, epoch)


def test_several_objectives_cannot_prune_and_the_way_out_is_named() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"], study_name="pareto")
    message = r"'pareto' has 2, for which Optuna takes no reports: leave the callback out, or ret"
    with pytest.raises(ValueError, match=message):
        OptunaPruningCallback(study.ask())
    with pytest.raises(ValueError, match=r"`trial` must be a trial in the first process"):
        OptunaPruningCallback(None).report(0.5, 1)


def test_pruning_by_a_rule_of_ones_own_works_with_several_objectives(data: ImageData) -> None:
    def stop_what_does_not_learn(result: EpochResult) -> None:
        if result.epoch == 2 and result.val_metric < 0.2:
            raise optuna.TrialPruned

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        lr = trial.suggest_categorical("lr", [0.05, 1e-9])
        with seeded(0):
            model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        history = fit(
            model,
            data,
            epochs=3,
            recipe=Recipe(lr=lr),
            device="cpu",
            on_epoch=stop_what_does_not_learn,
        )
        return history.last.val_metric, float(sum(p.numel() for p in model.parameters()))

    study = optuna.create_study(directions=["maximize", "minimize"])
    for lr in (0.05, 1e-9):
        study.enqueue_trial({"lr": lr})
    study.optimize(objective, n_trials=2)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.PRUNED]


def test_a_plain_loop_of_ones_own(data: ImageData) -> None:
    """Nothing but torch and the callback."""
    images = data.train.images.flatten(1).float() / 255

    def objective(trial: optuna.Trial) -> float:
        lr = trial.suggest_categorical("lr", [0.5, 1e-9])
        torch.manual_seed(0)
        model = nn.Linear(64, 10)
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        callback = OptunaPruningCallback(trial)
        for epoch in range(1, 21):
            optimizer.zero_grad()
            functional.cross_entropy(model(images), data.train.labels).backward()
            optimizer.step()
            right = model(images).argmax(1) == data.train.labels
            callback.report(right.float().mean().item(), epoch)
        return right.float().mean().item()

    study = _study(optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=3))
    for lr in (0.5, 1e-9):
        study.enqueue_trial({"lr": lr})
    study.optimize(objective, n_trials=2)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.PRUNED]


PRUNED_TOGETHER = """
import json, sys
import optuna, torch
from torch import nn
from optuna_nas.training import OptunaPruningCallback, Recipe, distributed, fit, load_data, seeded

torch.set_num_threads(1)
optuna.logging.set_verbosity(optuna.logging.WARNING)

with distributed() as processes:
    data = load_data("digits", train_size=100, val_size=60)
    first = processes.rank == 0
    study = optuna.create_study(
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=1),
    ) if first else None
    epochs = []
    for lr in (0.05, 1e-9, 0.05):
        trial = study.ask() if first else None
        callback = OptunaPruningCallback(trial)
        seen = []

        def on_epoch(result):
            seen.append(result.val_metric)
            callback(result)

        with seeded(0):
            model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        try:
            fit(model, data, epochs=6, recipe=Recipe(lr=lr), device="cpu", on_epoch=on_epoch)
        except optuna.TrialPruned:
            seen.append("pruned")
            if first:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            if first:
                study.tell(trial, seen[-1])
        epochs.append(seen)

    broken = OptunaPruningCallback(study.ask() if first else None)
    if first:
        def unreachable(*args):
            raise OSError("no storage")
        broken._trial.report = unreachable
    try:
        broken.report(0.5, 1)
    except (OSError, RuntimeError) as e:
        error = str(e)
    with open(f"{sys.argv[1]}/{processes.rank}.json", "w") as file:
        states = [t.state.name for t in study.trials[:3]] if first else None
        json.dump({"epochs": epochs, "states": states, "error": error}, file)
"""


@pytest.mark.slow
def test_two_processes_stop_together_and_one_talks_to_the_study(
    tmp_path: Path, torchrun: Any
) -> None:
    torchrun(PRUNED_TOGETHER, tmp_path)
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert first["epochs"] == second["epochs"]
    assert [seen[-1] == "pruned" for seen in first["epochs"]] == [False, True, False]
    assert [len(seen) for seen in first["epochs"]] == [6, 2, 6]
    assert first["states"] == ["COMPLETE", "PRUNED", "COMPLETE"]
    assert first["error"] == "no storage"
    assert "first process could not report epoch 1" in second["error"]
