"""A user's searches, with everything typed: what most programs write, in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
from own_objective import CountedLayers, CountingEvaluator, Tempered
from own_sampler import HillClimbing
from own_space import ConvSpace, OpSpace, choosing_net
from torch import nn

from optuna_nas import keys
from optuna_nas.drawing import to_svg
from optuna_nas.objectives import (
    AlphaRecipe,
    DARTSObjective,
    DARTSVariant,
    MacsReward,
    SharedWeightsObjective,
    TrainingObjective,
    best_trials,
    objective_from_study,
    read_identity,
)
from optuna_nas.profiling import profile
from optuna_nas.pruners import CollapsePruner
from optuna_nas.samplers import (
    PPOSampler,
    RegularizedEvolutionSampler,
    ReinforceSampler,
    best_architecture,
)
from optuna_nas.spaces import Architecture, NASBench201Space, published
from optuna_nas.training import EpochResult, ImageData, Recipe, fit
from optuna_nas.visualization import plot_alphas

SMALL = {"cells": 1, "channels": 4}


def search(space: ConvSpace, data: ImageData, n_trials: int) -> Architecture:
    """Train, prune, and go on with what the study keeps."""
    seen: list[tuple[str, float]] = []

    def on_epoch(phase: str, result: EpochResult) -> None:
        seen.append((phase, result.train_loss))

    def hyperparameters(trial: optuna.Trial) -> dict[str, Any]:
        return {"lr": trial.suggest_float("lr", 1e-3, 0.1, log=True)}

    evaluator = CountingEvaluator()
    objective = TrainingObjective(
        space,
        data,
        epochs=1,
        recipe=Recipe(batch_size=256),
        hyperparameters=hyperparameters,
        value=MacsReward(target_macs=1e6),
        max_params=10**6,
        evaluator=evaluator,
        on_epoch=on_epoch,
        device="cpu",
    )
    study = optuna.create_study(direction="maximize", sampler=HillClimbing(seed=0, space=space))
    study.optimize(objective, n_trials=n_trials)
    assert evaluator.jobs == len(seen) == n_trials
    identity = read_identity(study)
    assert identity is not None
    assert identity.epochs == 1
    again = objective_from_study(
        study, space=space, data=data, hyperparameters=hyperparameters, device="cpu"
    )
    study.optimize(again, n_trials=1)
    architecture = space.architecture(best_trials(study, 1)[0])
    assert study.best_trial.user_attrs[keys.PARAMS_KEY] > 0
    history = fit(architecture.build(in_channels=data.in_channels), data, epochs=1)
    assert 0.0 <= history.last.val_metric <= 1.0
    best: optuna.trial.FrozenTrial = best_architecture(study)
    assert space.architecture(best).digest
    return architecture


def search_by_costs(data: ImageData) -> list[optuna.trial.FrozenTrial]:
    """Several objectives at once."""
    space = NASBench201Space()
    objective = TrainingObjective(
        space, data, epochs=1, build=SMALL, value=("metric", "macs"), device="cpu"
    )
    study = optuna.create_study(
        directions=objective.directions,
        sampler=RegularizedEvolutionSampler(population_size=4, tournament_size=2, seed=0),
    )
    published.NASBENCH201_RESNET.enqueue(study)
    study.optimize(objective, n_trials=2)
    return study.best_trials


def one_shot(data: ImageData) -> list[Architecture]:
    """Weights are shared: by DARTS, one of its variants, one's own, and a controller."""
    space, alpha = NASBench201Space(), AlphaRecipe(lr=1e-3, warmup_epochs=0)
    variants = [
        DARTSObjective(
            OpSpace(),
            data,
            variant=DARTSVariant(mixing=Tempered(temperature=2.0)),
            epochs=1,
            eval_epochs=1,
            alpha=alpha,
            device="cpu",
        ),
        DARTSObjective.drnas(
            space, data, epochs=1, eval_epochs=1, supernet=SMALL, build=SMALL, alpha=alpha
        ),
        DARTSObjective(choosing_net, data, epochs=1, eval_epochs=1, alpha=alpha),
    ]
    found = []
    for objective in variants:
        pruner = CollapsePruner() if objective.space == space else None  # others have no skips
        study = optuna.create_study(direction="maximize", pruner=pruner)
        study.optimize(objective, n_trials=1)
        found.append(objective.space.architecture(study.best_trial))
        plot_alphas(study.best_trial)
    shared = SharedWeightsObjective(
        space,
        data,
        epochs=1,
        supernet=SMALL,
        device="cpu",
    )
    study = optuna.create_study(direction="maximize", sampler=ReinforceSampler(seed=0))
    study.optimize(shared, n_trials=1)
    return [*found, space.architecture(study.best_trial)]


def count(space: OpSpace, data: ImageData, folder: Path) -> str:
    """An objective of one's own, under a controller, and a picture."""
    study = optuna.create_study(direction="maximize", sampler=PPOSampler(seed=0, space=space))
    study.optimize(CountedLayers(space, data, word="sep_conv", max_params=10**6), n_trials=5)
    architecture = space.architecture(study.best_trial)
    svg = to_svg(architecture.graph())
    (folder / "best.svg").write_text(svg)
    model: nn.Module = architecture.build(num_classes=5)
    costs = profile(model, input_size=(3, 16, 16))
    return f"{architecture}: {costs.params} parameters, {costs.macs} multiply-adds"
