"""Search a network for a table, diabetes, by evolution and DARTS (20 s; ridge: MAE 46)."""

import click
import optuna
from torch import nn

from optuna_nas.final import retrain
from optuna_nas.nn.networks import TargetUnit
from optuna_nas.objectives import DARTSObjective, TrainingObjective
from optuna_nas.samplers import RegularizedEvolutionSampler
from optuna_nas.spaces import choice, function_space
from optuna_nas.training import Task, recipes

WIDTH = 32
OPS = {
    "skip_connect": nn.Identity,
    "relu": lambda: nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU()),
    "gelu": lambda: nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.Dropout(0.2)),
    "tanh": lambda: nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh()),
}


@function_space
def network(trial, in_features=10, out_features=1, target_mean=None, target_std=None):
    ops = [choice(trial, f"layer_{layer}_op", OPS) for layer in range(3)]
    head = nn.Linear(WIDTH, out_features)
    unit = TargetUnit(target_mean, target_std, out_features)  # else it had to learn the unit
    return nn.Sequential(nn.Linear(in_features, WIDTH), *ops, head, unit)


@click.command(help=__doc__)
@click.option("--trials", default=20, show_default=True)
@click.option("--epochs", default=20, show_default=True)
@click.option("--folder", default="runs/tabular_regression", show_default=True)
def main(trials, epochs, folder):
    task = Task.regression(metric="mae")
    options = {"epochs": epochs, "recipe": recipes.TABLE}
    training = TrainingObjective(network, "diabetes", task=task, **options)
    darts = DARTSObjective(network, "diabetes", task=task, eval_epochs=epochs, **options)
    for name, objective, n_trials in (("training", training, trials), ("DARTS", darts, 1)):
        sampler = RegularizedEvolutionSampler(population_size=8, seed=0)
        study = optuna.create_study(direction=objective.direction, sampler=sampler)
        study.optimize(objective, n_trials=n_trials)
        print(f"{name}: {objective.metric} {study.best_value:.1f}")
        print(retrain(study, objective, folder=f"{folder}/{name}", random_study=False, **options))


if __name__ == "__main__":
    main()
