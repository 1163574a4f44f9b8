"""A picture and a row of a table, by name: half a digit, and how much ink its other half has."""

from __future__ import annotations

import click
import optuna
import torch
from sklearn.datasets import load_digits
from torch import nn

from optuna_nas.objectives import SharedWeightsObjective, TrainingObjective
from optuna_nas.samplers import RegularizedEvolutionSampler
from optuna_nas.spaces import choice, function_space
from optuna_nas.training import Recipe, Task, TensorData

WIDTH = 16
RECIPE = Recipe(optimizer="adamw", lr=0.01, nesterov=False)


class TwoInputs(nn.Module):
    def __init__(self, see, read, head):
        super().__init__()
        self.see, self.read, self.head = see, read, head

    def forward(self, image, table):
        return self.head(torch.cat([self.see(image), self.read(table)], 1))


def convolutions(kernel):
    conv = nn.Conv2d(1, WIDTH, kernel, padding=kernel // 2)
    return nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())


SEE = {"conv_3x3": lambda: convolutions(3), "conv_5x5": lambda: convolutions(5)}
SEE["linear"] = lambda: nn.Sequential(nn.Flatten(), nn.Linear(32, 4 * WIDTH), nn.ReLU())
READ = {
    "linear": lambda: nn.Linear(4, WIDTH),
    "mlp": lambda: nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, WIDTH)),
}


@function_space
def network(trial, num_classes=10):
    hidden = {"relu": nn.ReLU, "tanh": nn.Tanh, "skip_connect": nn.Identity}
    see, read = choice(trial, "see_op", SEE), choice(trial, "read_op", READ)
    head = [nn.Linear(5 * WIDTH, 32), choice(trial, "head_op", hidden), nn.Linear(32, num_classes)]
    return TwoInputs(see, read, nn.Sequential(*head))


@click.command()
@click.option("--trials", default=10)
@click.option("--epochs", default=10)
def main(trials, epochs):
    digits = load_digits()
    pixels, labels = torch.tensor(digits.images).float() / 16, torch.tensor(digits.target)
    inputs = {"image": pixels[:, None, :, :4], "table": pixels[:, :, 4:].mean(1)}
    data = TensorData("halves", (inputs, labels), task=Task.classification())
    options = {"epochs": epochs, "recipe": RECIPE}
    for objective in (
        TrainingObjective(network, data, **options),
        SharedWeightsObjective(network, data, schedule="pretrain", **options),
    ):
        sampler = RegularizedEvolutionSampler(population_size=5, seed=0)
        study = optuna.create_study(direction=objective.direction, sampler=sampler)
        study.optimize(objective, n_trials=trials)
        print(
            f"{objective.metric} {study.best_value:.1%}, {network.architecture(study.best_trial)}"
        )


if __name__ == "__main__":
    main()
