"""Search a transformer of texts, letter by letter, alone and on shared weights (45 s)."""

import click
import optuna
import torch
from sklearn import datasets
from torch import nn

from optuna_nas.final import retrain
from optuna_nas.objectives import SharedWeightsObjective, TrainingObjective
from optuna_nas.spaces import choice, function_space
from optuna_nas.training import Recipe, Task, TensorData

WIDTH, LENGTH = 48, 32
SETS = (datasets.load_iris, datasets.load_wine, datasets.load_digits, datasets.load_breast_cancer)
TEXT = "".join(load().DESCR for load in SETS)
LETTERS = sorted({*TEXT})


class Attention(nn.MultiheadAttention):
    def forward(self, x):
        future = torch.ones(LENGTH, LENGTH, dtype=torch.bool, device=x.device).triu(1)
        return super().forward(x, x, x, attn_mask=future, need_weights=False)[0]


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


class Places(nn.Embedding):
    def forward(self, x):
        return x + self.weight


def attention(heads):
    return Residual(nn.LayerNorm(WIDTH), Attention(WIDTH, heads, batch_first=True))


def dense(act, hidden):
    layers = [nn.Linear(WIDTH, hidden), act, nn.Linear(hidden, WIDTH)]
    return Residual(nn.LayerNorm(WIDTH), *layers)


OPS = {"attention": {f"{n}_heads": lambda n=n: attention(n) for n in (1, 4)}}


@function_space
def transformer(trial):
    heads = {f"{n}_heads": lambda n=n: attention(n) for n in (1, 4)}
    hidden = {"skip_connect": nn.Identity}
    blocks = [nn.Embedding(len(LETTERS), WIDTH), Places(LENGTH, WIDTH)]
    return nn.Sequential(*blocks, nn.LayerNorm(WIDTH), nn.Linear(WIDTH, len(LETTERS)))
