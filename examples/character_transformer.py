"""Search a transformer on Python's manual, by letter (45 s; pairs of letters: perplexity 12.1)."""

from pydoc_data.topics import topics

import click
import optuna
import torch
from torch import nn

from optuna_nas.final import retrain
from optuna_nas.objectives import SharedWeightsObjective, TrainingObjective
from optuna_nas.spaces import choice, function_space
from optuna_nas.training import Recipe, Task, TensorData

WIDTH, LENGTH, TEXT = 32, 24, "".join(topics.values())[:40_000]
LETTERS, FUTURE = sorted({*TEXT}), nn.Transformer.generate_square_subsequent_mask(LENGTH)


class Embedding(nn.Embedding):
    def reset_parameters(self):
        nn.init.normal_(self.weight, std=0.1)

    def forward(self, letters):
        return super().forward(letters) + self.weight[-LENGTH:]  # learned positions


class Block(nn.TransformerEncoderLayer):
    def forward(self, x):
        return super().forward(x, src_mask=FUTURE.to(x.device))


@function_space
def gpt(trial):
    fixed = {"dropout": 0.0, "activation": "gelu", "batch_first": True, "norm_first": True}
    ops = {f"{n}_heads": lambda n=n: Block(WIDTH, n, 128, **fixed) for n in (1, 2, 4)}
    layers = [choice(trial, f"layer_{n}_op", ops | {"skip_connect": nn.Identity}) for n in (1, 2)]
    embedding, head = Embedding(len(LETTERS) + LENGTH, WIDTH), nn.Linear(WIDTH, len(LETTERS))
    return nn.Sequential(embedding, *layers, nn.LayerNorm(WIDTH), head)


@click.command(help=__doc__)
@click.option("--trials", default=4, show_default=True)
@click.option("--epochs", default=8, show_default=True)
@click.option("--folder", default="runs/character_transformer", show_default=True)
def main(trials, epochs, folder):
    windows = torch.tensor([*map(LETTERS.index, TEXT)]).unfold(0, LENGTH + 1, LENGTH)
    data = TensorData("manual", (windows[:, :-1], windows[:, 1:]), task=Task.next_token())
    recipe = Recipe(optimizer="adamw", lr=0.01, nesterov=False, batch_size=32)
    training = TrainingObjective(gpt, data, epochs=epochs, recipe=recipe)
    shared = SharedWeightsObjective(gpt, data, schedule="pretrain", epochs=epochs, recipe=recipe)
    for name, objective in (("training", training), ("shared", shared)):
        study = optuna.create_study(direction=objective.direction)
        study.optimize(objective, n_trials=trials)
        print(f"{name}: {objective.metric} {study.best_value:.2f}")
        options = {"folder": f"{folder}/{name}", "epochs": epochs, "top": 1}
        print(retrain(study, objective, random_study=False, **options))


if __name__ == "__main__":
    main()
