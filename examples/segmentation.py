"""Search the encoder of a U-Net among DARTS cells, on drawn shapes (40 s; thresholds: IoU 54%)."""

import click
import optuna
import torch
from torch import nn

from optuna_nas.final import retrain
from optuna_nas.objectives import DARTSObjective, TrainingObjective
from optuna_nas.spaces import DARTSSpace, function_space
from optuna_nas.training import Recipe, Task, TensorData


def shapes(count=320):
    random = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    at = torch.randint(3, 13, (4, count, 1, 1), generator=random)
    masks = ((y - at[0]) ** 2 + (x - at[1]) ** 2 < 10).long()  # a disc, and over it a square
    masks[((y - at[2]).abs() < 3) & ((x - at[3]).abs() < 3)] = 2
    pictures = torch.normal(torch.tensor([0.0, 1.0, 0.8])[masks], 0.3, generator=random)
    return TensorData("shapes", (pictures[:, None], masks), task=Task.segmentation())


class UNet(nn.Module):
    def __init__(self, encoder, num_classes, width=16):
        super().__init__()
        self.encoder, self.head = encoder, nn.Conv2d(width, num_classes, 3, padding=1)
        self.skips = nn.ModuleList(nn.Conv2d(c, width, 1) for c in encoder.feature_info.channels())

    def forward(self, x):
        *skips, y = (conv(m) for conv, m in zip(self.skips, self.encoder(x), strict=True))
        for skip in reversed(skips):  # up again, from the smallest map
            y = (nn.functional.interpolate(y, skip.shape[2:]) + skip).relu()
        return self.head(y)


@function_space
def unet(trial, num_classes=3):
    space = DARTSSpace(prefix="enc_", num_nodes=2)
    return UNet(space(trial, cells=3, channels=4, in_channels=1, features_only=True), num_classes)


@click.command(help=__doc__)
@click.option("--trials", default=4, show_default=True)
@click.option("--epochs", default=6, show_default=True)
@click.option("--folder", default="runs/segmentation", show_default=True)
def main(trials, epochs, folder):
    recipe = Recipe(optimizer="adamw", lr=0.01, nesterov=False, batch_size=16)
    training = TrainingObjective(unet, shapes(), epochs=epochs, recipe=recipe)
    darts = DARTSObjective(unet, shapes(), epochs=epochs, eval_epochs=epochs, recipe=recipe)
    for name, objective, n_trials in (("training", training, trials), ("DARTS", darts, 1)):
        study = optuna.create_study(direction=objective.direction)
        study.optimize(objective, n_trials=n_trials)
        print(f"{name}: {objective.metric} {study.best_value:.1%}")
        options = {"folder": f"{folder}/{name}", "epochs": epochs, "top": 1}
        print(retrain(study, objective, random_study=False, **options))


if __name__ == "__main__":
    main()
