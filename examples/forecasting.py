"""A forecast from the last day of a series and the hour: two inputs, one searched network."""

from __future__ import annotations

import click
import optuna
import torch
from torch import nn

from optuna_nas.objectives import DARTSObjective, TrainingObjective
from optuna_nas.spaces import choice, function_space
from optuna_nas.training import Recipe, Task, TensorData

STEPS, WIDTH = 24, 16
RECIPE = Recipe(optimizer="adamw", lr=0.01, nesterov=False)


def waves(length=1500):
    """Daily and weekly waves with noise: the past is learned from, the future is the test."""
    t = torch.arange(float(length))
    noise = 0.1 * torch.randn(length, generator=torch.Generator().manual_seed(0))
    series = (t / 24 * 6.28).sin() + 0.5 * (t / 168 * 6.28).cos() + noise
    windows, hours = series.unfold(0, STEPS, 1)[:-1, :, None], t[STEPS:].long() % 24
    parts = [slice(0, 1000), slice(1000, 1200), slice(1200, None)]
    train, val, test = [((windows[p], hours[p]), series[STEPS:][p]) for p in parts]
    return TensorData("waves", train, val, test, task=Task.regression(metric="mae"))


class Forecaster(nn.Module):
    def __init__(self, reader, act):
        super().__init__()
        self.reader, self.act = reader, act
        self.embed, self.head = nn.Embedding(24, WIDTH), nn.Linear(WIDTH, 1)

    def forward(self, series, hour):
        return self.head(self.act(self.reader(series) + self.embed(hour)))


class GRU(nn.GRU):
    def forward(self, x):
        return super().forward(x)[0][:, -1]


READERS = {
    "gru": lambda: GRU(1, WIDTH, batch_first=True),
    "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(STEPS, WIDTH)),
    "mlp": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(STEPS, 32), nn.ReLU(), nn.Linear(32, WIDTH)
    ),
}


@function_space
def forecaster(trial):
    acts = {"relu": nn.ReLU, "tanh": nn.Tanh, "skip_connect": nn.Identity}
    return Forecaster(choice(trial, "reader_op", READERS), choice(trial, "act_op", acts))


@click.command()
@click.option("--trials", default=9)
@click.option("--epochs", default=5)
def main(trials, epochs):
    data, options = waves(), {"epochs": epochs, "recipe": RECIPE}
    training = TrainingObjective(forecaster, data, max_params=20_000, **options)
    for objective in (training, DARTSObjective(forecaster, data, eval_epochs=epochs, **options)):
        study = optuna.create_study(direction=objective.direction)
        study.optimize(objective, n_trials=trials if objective is training else 1)
        found = forecaster.architecture(study.best_trial)
        print(f"{type(objective).__name__}: {objective.metric} {study.best_value:.3f}: {found}")


if __name__ == "__main__":
    main()
