"""Diabetes as a regression: a searched network for a table, by evolution and by DARTS."""

from __future__ import annotations

import click
import optuna
from torch import nn

from optuna_nas.objectives import DARTSObjective, TrainingObjective
from optuna_nas.samplers import RegularizedEvolutionSampler
from optuna_nas.spaces import choice, function_space
from optuna_nas.training import Recipe, Task, evaluate, fit, load_data, seeded

WIDTH = 32
OPS = {
    "skip_connect": nn.Identity,
    "relu": lambda: nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU()),
    "gelu": lambda: nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Dropout(0.2)),
    "tanh": lambda: nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh()),
}
RECIPE = Recipe(optimizer="adamw", lr=0.01, nesterov=False, weight_decay=0.1, batch_size=32)


class InUnits(nn.Linear):
    """The last layer, which begins at the mean of the targets."""

    def __init__(self, out_features, mean, std):
        super().__init__(WIDTH, out_features)
        self.mean, self.std = mean[0], std[0]

    def forward(self, x):
        return super().forward(x) * self.std + self.mean


@function_space
def network(trial, in_features=10, out_features=1, target_mean=(0.0,), target_std=(1.0,)):
    ops = [choice(trial, f"layer_{layer}_op", OPS) for layer in range(3)]
    head = InUnits(out_features, target_mean, target_std)
    return nn.Sequential(nn.Linear(in_features, WIDTH), *ops, head)


@click.command()
@click.option("--trials", default=20)
@click.option("--epochs", default=30)
def main(trials, epochs):
    data, task = load_data("diabetes"), Task.regression(metric="mae")
    options = {"task": task, "epochs": epochs, "recipe": RECIPE}
    evolution = TrainingObjective(network, data, score="best", **options)
    for objective in (evolution, DARTSObjective(network, data, eval_epochs=epochs, **options)):
        sampler = RegularizedEvolutionSampler(population_size=10, seed=0)
        study = optuna.create_study(direction=objective.direction, sampler=sampler)
        study.optimize(objective, n_trials=trials if objective is evolution else 1)
        with seeded(0):
            model = network.architecture(study.best_trial).build(**objective.build)
        fit(model, data, **options)
        mae = evaluate(model, data.test, data, task=task).metric
        name = type(objective).__name__
        print(f"{name}: {objective.metric} {study.best_value:.1f}, on test {mae:.1f}")


if __name__ == "__main__":
    main()
