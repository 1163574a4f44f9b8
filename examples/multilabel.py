"""Read several labels off a digit: even, large, round, nine (30 s; linear: F1 0.90)."""

import click
import optuna
import torch
from sklearn.datasets import load_digits
from torch import nn

from optuna_nas.final import retrain
from optuna_nas.objectives import DARTSObjective, TrainingObjective
from optuna_nas.spaces import choice, function_space
from optuna_nas.training import Recipe, Task, TensorData

WIDTH = 16


def block(kernel, dilation=1):
    conv = nn.Conv2d(WIDTH, WIDTH, kernel, padding="same", dilation=dilation)
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


@click.command(help=__doc__)
@click.option("--trials", default=6, show_default=True)
@click.option("--epochs", default=6, show_default=True)
@click.option("--folder", default="runs/multilabel", show_default=True)
def main(trials, epochs, folder):
    pixels, digit = (torch.as_tensor(array) for array in load_digits(return_X_y=True))
    rounds = torch.isin(digit, torch.tensor([0, 6, 8, 9]))
    labels = torch.stack([digit % 2 == 0, digit > 4, rounds, digit == 9], 1).long()
    examples = (pixels.reshape(-1, 1, 8, 8).float() / 16, labels)
    data = TensorData("signs", examples, task=Task.multilabel(class_weights="balanced"))
    options = {"epochs": epochs, "recipe": Recipe(optimizer="adamw", lr=0.01, nesterov=False)}
    training = TrainingObjective(network, data, **options)
    darts = DARTSObjective(network, data, eval_epochs=epochs, **options)
    for name, objective, n_trials in (("training", training, trials), ("DARTS", darts, 1)):
        study = optuna.create_study(direction=objective.direction)
        study.optimize(objective, n_trials=n_trials)
        print(f"{name}: {objective.metric} {study.best_value:.3f}")
        print(retrain(study, objective, folder=f"{folder}/{name}", random_study=False, **options))


if __name__ == "__main__":
    main()
