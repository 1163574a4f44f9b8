"""A user's project: own sampler, objective, evaluator, variant and function space, fully typed.

A strict type checker must take it as it stands, and it must run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import optuna
import torch
from torch import nn

from optuna_nas import keys, pruners, samplers, spaces, visualization
from optuna_nas.objectives import (
    AlphaRecipe,
    Costs,
    DARTSObjective,
    DARTSVariant,
    MacsReward,
    Mixing,
    NetworkTraining,
    Objective,
    StudyIdentity,
    TrainingJob,
    TrainingObjective,
    TrialRun,
    best_trials,
    objective_from_study,
    read_identity,
)
from optuna_nas.samplers.base import ArchitectureSampler, History, KeyedGenerator
from optuna_nas.spaces import Architecture, NASBench201Space, SearchSpace, function_space
from optuna_nas.testing import SamplerTestCase, SpaceTestCase
from optuna_nas.training import (
    CheckpointSlot,
    EpochResult,
    ImageData,
    Recipe,
    fit,
    load_data,
)
from optuna_nas.training import History as TrainingHistory


class HillClimbing(ArchitectureSampler):
    needs_single_objective = True

    def propose_next(self, history: History, rng: KeyedGenerator) -> Mapping[str, Any]:
        if not history.members:
            return {}
        best = max(history.members, key=lambda member: member.number)
        name = rng.choice("which", sorted(best.params))
        return {key: value for key, value in best.params.items() if key != name}


class Size(Objective[Architecture]):
    """Fewer parameters are better; nothing is trained."""

    def __init__(self, space: SearchSpace, data: ImageData) -> None:
        super().__init__()
        self.space, self.data = space, data
        self.costs: Costs = self.network_costs(
            {"cells": 1, "channels": 4, "num_classes": 10, "in_channels": 1}, data
        )

    @property
    def identity(self) -> StudyIdentity:
        return StudyIdentity.of(self.space, self.data, objective="size")

    def suggest(self, run: TrialRun) -> Architecture:
        return self.space.suggest(run.trial)

    def evaluate(self, run: TrialRun, plan: Architecture) -> float:
        run.record(plan)
        run.admit(plan)
        return 1.0 / float(self.costs.of("params", run.trial, plan))


class Counted:
    """Trains as ever, and counts how often."""

    identity = None

    def __init__(self) -> None:
        self.jobs = 0
        self._training = NetworkTraining()

    def __call__(
        self,
        job: TrainingJob,
        /,
        *,
        on_epoch: Callable[[EpochResult], None] | None = None,
        checkpoint: CheckpointSlot | None = None,
    ) -> TrainingHistory | float:
        self.jobs += 1
        return self._training(job, on_epoch=on_epoch, checkpoint=checkpoint)


@dataclass(frozen=True, kw_only=True)
class Sharp(Mixing):
    name: ClassVar[str] = "Sharp"
    temperature: float = 0.5

    def mean(self, alpha: torch.Tensor) -> torch.Tensor:
        return (alpha / self.temperature).softmax(-1)


@function_space
def mlp(trial: optuna.Trial) -> nn.Module:
    width = trial.suggest_int("width", 4, 8)
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(width), nn.ReLU(), nn.LazyLinear(10))


class TestHillClimbing(SamplerTestCase):
    pass


class TestSpace(SpaceTestCase):
    pass


def main() -> None:
    data = load_data("digits", train_size=60, val_size=40)
    space, size = NASBench201Space(), {"cells": 1, "channels": 4}
    evaluator = Counted()
    objective = TrainingObjective(
        space,
        data,
        epochs=1,
        build=size,
        recipe=Recipe(lr=0.05),
        value=MacsReward(target_macs=100_000),
        hyperparameters=lambda trial: {"weight_decay": trial.suggest_float("decay", 0.0, 1e-3)},
        evaluator=evaluator,
        max_params=1_000_000,
    )
    study = optuna.create_study(
        directions=objective.directions,
        sampler=HillClimbing(seed=0, space=space),
        pruner=pruners.CollapsePruner(),
    )
    study.optimize(objective, n_trials=2)
    assert evaluator.jobs == 2
    identity = read_identity(study)
    assert identity is not None
    again = objective_from_study(study, data=data, hyperparameters=None)
    assert again.identity.data == identity.data
    best = space.architecture(best_trials(study, 1)[0])
    history = fit(best.build(**size, in_channels=1), data, epochs=1)
    assert 0.0 <= history.last.val_accuracy <= 1.0
    assert study.best_trial.user_attrs[keys.PARAMS_KEY] > 0

    sizes = optuna.create_study(direction="maximize", sampler=samplers.RandomSearchSampler(seed=0))
    sizes.optimize(Size(space, data), n_trials=2)
    functions = optuna.create_study(direction="maximize")
    functions.optimize(TrainingObjective(mlp, data, epochs=1), n_trials=1)

    darts = DARTSObjective(
        space,
        data,
        variant=DARTSVariant(mixing=Sharp(temperature=0.7)),
        alpha=AlphaRecipe(lr=1e-3),
        epochs=1,
        eval_epochs=1,
        supernet=size,
        build=size,
        recipe=Recipe(batch_size=30),
    )
    searches = optuna.create_study(direction="maximize")
    searches.optimize(darts, n_trials=1)
    visualization.plot_alphas(searches.best_trial)
    assert spaces.published.NASBENCH201_RESNET.space == space


if __name__ == "__main__":
    main()
