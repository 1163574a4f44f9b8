"""A U-Net whose encoder is a searched DARTS network, on drawn shapes."""

from __future__ import annotations

import click
import optuna
import torch
from torch import nn
from torch.nn import functional

from optuna_nas.objectives import DARTSObjective, TrainingObjective
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.spaces import DARTSSpace, function_space
from optuna_nas.training import Recipe, Task, TensorData

RECIPE = Recipe(optimizer="adamw", lr=0.01, nesterov=False, batch_size=16)


def shapes(count, side=16):
    """Noisy pictures of a disc and a square, and the class of each pixel."""
    random = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    at = torch.randint(3, side - 3, (4, count, 1, 1), generator=random)
    masks = ((y - at[0]) ** 2 + (x - at[1]) ** 2 < 10).long()
    masks[((y - at[2]).abs() < 3) & ((x - at[3]).abs() < 3)] = 2
    noise = torch.randn(count, side, side, generator=random)
    pictures = torch.tensor([0.0, 1.0, 0.5])[masks] + 0.2 * noise
    return TensorData("shapes", (pictures[:, None], masks), task=Task.segmentation())


class UNet(nn.Module):
    def __init__(self, encoder, channels, classes):
        super().__init__()
        self.encoder, self.classes = encoder, classes
        self.steps = nn.ModuleList(nn.Conv2d(c, 16, 1) for c in channels)
        self.head = nn.Sequential(nn.ReLU(), nn.Conv2d(16, classes, 3, padding=1))

    def forward(self, x):
        maps = [step(m) for step, m in zip(self.steps, self.encoder(x), strict=True)]
        total = sum(functional.interpolate(m, maps[0].shape[2:]) for m in maps)
        return functional.interpolate(self.head(total), x.shape[2:])


@function_space
def unet(trial, num_classes=3, in_channels=1):
    encoder = DARTSSpace(prefix="enc_", num_nodes=2)(
        trial, cells=3, channels=4, in_channels=in_channels, features_only=True
    )
    return UNet(encoder, encoder.feature_info.channels(), num_classes)


@click.command()
@click.option("--trials", default=4)
@click.option("--epochs", default=4)
@click.option("--pictures", default=240)
def main(trials, epochs, pictures):
    data, options = shapes(pictures), {"epochs": epochs, "recipe": RECIPE}
    training = TrainingObjective(unet, data, **options)
    for objective in (training, DARTSObjective(unet, data, eval_epochs=epochs, **options)):
        sampler = RandomSearchSampler(seed=0)
        study = optuna.create_study(direction=objective.direction, sampler=sampler)
        study.optimize(objective, n_trials=trials if objective is training else 1)
        print(f"{type(objective).__name__}: {objective.metric} {study.best_value:.1%}")


if __name__ == "__main__":
    main()
