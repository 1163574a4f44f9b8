"""Forecast demand from the day before and the hour of the week (20 s; linear: MAE 0.11)."""

import click
import optuna
import torch
from torch import nn

from optuna_nas.final import retrain
from optuna_nas.objectives import DARTSObjective, TrainingObjective
from optuna_nas.spaces import choice, function_space
from optuna_nas.training import Recipe, Task, TensorData


def demand():
    t = torch.arange(168 * 16)  # the hours of 16 weeks
    noise = 0.1 * torch.randn(len(t), generator=torch.Generator().manual_seed(0))
    series = torch.where(t // 24 % 7 < 5, 1.0, 0.6) * (1.5 + (t * torch.pi / 12).sin()) + noise
    examples = (series.unfold(0, 24, 1)[:-1], t[24:] % 168, series[24:])
    parts = zip(*(x.split([1600, 500, 564]) for x in examples), strict=True)  # past and future
    splits = [((day, hour), after) for day, hour, after in parts]
    return TensorData("demand", *splits, task=Task.regression(metric="mae"))


class Forecaster(nn.Module):
    def __init__(self, reader, act, width):
        super().__init__()
        self.reader, self.act = reader, act
        self.hour, self.head = nn.Embedding(168, width), nn.Linear(width, 1)

    def forward(self, day, hour):
        return self.head(self.act(self.reader(day) + self.hour(hour)))


@function_space
def forecaster(trial, width=32):
    readers = {
        "linear": lambda: nn.Linear(24, width),
        "mlp": lambda: nn.Sequential(nn.Linear(24, width), nn.ReLU(), nn.Linear(width, width)),
    }
    acts = {"relu": nn.ReLU, "tanh": nn.Tanh, "skip_connect": nn.Identity}
    return Forecaster(choice(trial, "reader_op", readers), choice(trial, "act_op", acts), width)


@click.command(help=__doc__)
@click.option("--trials", default=6, show_default=True)
@click.option("--epochs", default=20, show_default=True)
@click.option("--folder", default="runs/forecasting", show_default=True)
def main(trials, epochs, folder):
    options = {"epochs": epochs, "recipe": Recipe(optimizer="adamw", lr=0.005, nesterov=False)}
    training = TrainingObjective(forecaster, demand(), **options)
    darts = DARTSObjective(forecaster, demand(), eval_epochs=epochs, **options)
    for name, objective, n_trials in (("training", training, trials), ("DARTS", darts, 1)):
        study = optuna.create_study(direction=objective.direction)
        study.optimize(objective, n_trials=n_trials)
        print(f"{name}: {objective.metric} {study.best_value:.3f}")
        print(retrain(study, objective, folder=f"{folder}/{name}", random_study=False, **options))


if __name__ == "__main__":
    main()
