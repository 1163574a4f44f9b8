"""The next character of a text: a searched transformer, trained alone and on shared weights."""

from __future__ import annotations

import click
import optuna
import torch
from sklearn import datasets
from torch import nn

from optuna_nas.objectives import SharedWeightsObjective, TrainingObjective
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.spaces import choice, function_space
from optuna_nas.training import Recipe, Task, TensorData

WIDTH, LENGTH = 32, 32
RECIPE = Recipe(optimizer="adamw", lr=0.01, nesterov=False, batch_size=16)
NAMES = ("iris", "wine", "digits", "diabetes", "breast_cancer")
TEXT = "\n".join(getattr(datasets, f"load_{name}")().DESCR for name in NAMES)
LETTERS = sorted({*TEXT})


class Attention(nn.MultiheadAttention):
    def forward(self, x):
        mask = torch.ones(LENGTH, LENGTH, device=x.device).triu(1).bool()
        return x + super().forward(x, x, x, attn_mask=mask, need_weights=False)[0]


class Dense(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


class Embedding(nn.Embedding):
    def forward(self, letters):
        place = torch.arange(LENGTH, device=letters.device)
        return super().forward(letters) + super().forward(place + len(LETTERS))


@function_space
def transformer(trial):
    blocks = [Embedding(len(LETTERS) + LENGTH, WIDTH)]
    for layer in range(2):
        heads = {f"{n}_heads": lambda n=n: Attention(WIDTH, n, batch_first=True) for n in (1, 4)}
        hidden = {
            f"{act.__name__.lower()}_{n}": lambda n=n, act=act: Dense(
                nn.LayerNorm(WIDTH),
                nn.Linear(WIDTH, n * WIDTH),
                act(),
                nn.Linear(n * WIDTH, WIDTH),
            )
            for n in (1, 4)
            for act in (nn.ReLU, nn.GELU)
        }
        blocks += [nn.LayerNorm(WIDTH), choice(trial, f"layer_{layer}_attention_op", heads)]
        blocks += [
            choice(trial, f"layer_{layer}_dense_op", hidden | {"skip_connect": nn.Identity})
        ]
    return nn.Sequential(*blocks, nn.LayerNorm(WIDTH), nn.Linear(WIDTH, len(LETTERS)))


@click.command()
@click.option("--trials", default=4)
@click.option("--epochs", default=10)
def main(trials, epochs):
    windows = torch.tensor([LETTERS.index(letter) for letter in TEXT]).unfold(
        0, LENGTH + 1, LENGTH
    )
    task = Task.next_token(num_classes=len(LETTERS))
    data = TensorData("descriptions", (windows[:, :-1], windows[:, 1:]), task=task)
    options = {"epochs": epochs, "recipe": RECIPE}
    for objective in (
        TrainingObjective(transformer, data, **options),
        SharedWeightsObjective(transformer, data, schedule="pretrain", **options),
    ):
        sampler = RandomSearchSampler(seed=0)
        study = optuna.create_study(direction=objective.direction, sampler=sampler)
        study.optimize(objective, n_trials=trials)
        print(f"{objective.metric} {study.best_value:.1f} of {len(LETTERS)} letters")


if __name__ == "__main__":
    main()
