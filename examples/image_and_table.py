"""Read half a digit, and the ink of its other half, as two inputs (20 s; linear: accuracy 88%)."""

import click
import optuna
import torch
from sklearn.datasets import load_digits
from torch import nn

from optuna_nas.final import retrain
from optuna_nas.objectives import SharedWeightsObjective, TrainingObjective
from optuna_nas.spaces import choice, function_space
from optuna_nas.training import Recipe, Task, TensorData


class TwoInputs(nn.ModuleDict):
    def forward(self, image, table):
        return self["head"](torch.cat([self["see"](image), self["read"](table)], 1))


@function_space
def network(trial, num_classes=10):
    see = {
        "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(32, 64), nn.ReLU()),
        "conv_3x3": lambda: nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Flatten()),
        "conv_5x5": lambda: nn.Sequential(nn.Conv2d(1, 8, 5, 2, 2), nn.ReLU(), nn.Flatten()),
    }
    read = {
        "linear": lambda: nn.Linear(4, 16),
        "mlp": lambda: nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 16)),
    }
    act = choice(trial, "act_op", {"relu": nn.ReLU, "tanh": nn.Tanh, "skip_connect": nn.Identity})
    head = nn.Sequential(nn.Linear(80, 32), act, nn.Linear(32, num_classes))
    see, read = choice(trial, "see_op", see), choice(trial, "read_op", read)
    return TwoInputs({"see": see, "read": read, "head": head})


@click.command(help=__doc__)
@click.option("--trials", default=8, show_default=True)
@click.option("--epochs", default=15, show_default=True)
@click.option("--folder", default="runs/image_and_table", show_default=True)
def main(trials, epochs, folder):
    pixels, labels = map(torch.as_tensor, load_digits(return_X_y=True))
    pixels = pixels.float().reshape(-1, 1, 8, 8) / 16
    inputs = {"image": pixels[..., :4], "table": pixels[..., 4:].mean((1, 2))}
    data = TensorData("halves", (inputs, labels), task=Task.classification())
    options = {"epochs": epochs, "recipe": Recipe(optimizer="adamw", lr=0.01, nesterov=False)}
    training = TrainingObjective(network, data, **options)
    shared = SharedWeightsObjective(network, data, schedule="pretrain", **options)
    for name, objective in (("training", training), ("shared", shared)):
        study = optuna.create_study(direction=objective.direction)
        study.optimize(objective, n_trials=trials)
        if objective is shared:
            shared.derive(study)  # scores the best ones again, on all validation examples
        print(f"{name}: {objective.metric} {study.best_value:.1%}")
        print(retrain(study, objective, folder=f"{folder}/{name}", random_study=False, **options))


if __name__ == "__main__":
    main()
