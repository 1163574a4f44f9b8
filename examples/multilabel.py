"""Several labels at once, some of them rare: digits that are even, large, round or a nine."""

from __future__ import annotations

import click
import optuna
import torch
from sklearn.datasets import load_digits
from torch import nn

from optuna_nas.objectives import DARTSObjective, TrainingObjective
from optuna_nas.samplers import LocalSearchSampler
from optuna_nas.spaces import choice, function_space
from optuna_nas.training import Recipe, Task, TensorData

WIDTH = 16
RECIPE = Recipe(optimizer="adamw", lr=0.01, nesterov=False)


def block(kernel, dilation=1):
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(WIDTH, WIDTH, kernel, padding=padding, dilation=dilation)
    return nn.Sequential(conv, nn.BatchNorm2d(WIDTH), nn.ReLU())


OPS = {
    "skip_connect": nn.Identity,
    "conv_1x1": lambda: block(1),
    "conv_3x3": lambda: block(3),
    "dil_conv_3x3": lambda: block(3, dilation=2),
    "max_pool_3x3": lambda: nn.MaxPool2d(3, 1, padding=1),
}


@function_space
def network(trial, in_channels=1, out_features=4):
    ops = [choice(trial, f"layer_{layer}_op", OPS) for layer in range(3)]
    stem, head = nn.Conv2d(in_channels, WIDTH, 3, padding=1), nn.Linear(WIDTH, out_features)
    return nn.Sequential(stem, *ops, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


@click.command()
@click.option("--trials", default=8)
@click.option("--epochs", default=8)
@click.option("--images", default=1200)
def main(trials, epochs, images):
    pixels, digit = (torch.as_tensor(array[:images]) for array in load_digits(return_X_y=True))
    rounds = torch.isin(digit, torch.tensor([0, 6, 8, 9]))
    labels = torch.stack([digit % 2 == 0, digit > 4, rounds, digit == 9], 1)
    task = Task.multilabel(class_weights="balanced")
    train = (pixels.reshape(-1, 1, 8, 8).float() / 16, labels.long())
    data = TensorData("signs", train, task=task)
    options = {"epochs": epochs, "recipe": RECIPE}
    training = TrainingObjective(network, data, **options)
    for objective in (training, DARTSObjective(network, data, eval_epochs=epochs, **options)):
        sampler = LocalSearchSampler(seed=0)
        study = optuna.create_study(direction=objective.direction, sampler=sampler)
        study.optimize(objective, n_trials=trials if objective is training else 1)
        found = network.architecture(study.best_trial)
        print(f"{type(objective).__name__}: {objective.metric} {study.best_value:.3f}: {found}")


if __name__ == "__main__":
    main()
