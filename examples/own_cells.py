"""Cells of one's own operations, searched on a folder of one's own images (1 minute).

The folder has a sub-folder of images for each class. Without one, scikit-learn's digits are
written as such a folder.

    OMP_NUM_THREADS=1 python examples/own_cells.py --images path/to/images --trials 20
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import optuna
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn

from optuna_nas.drawing import save_picture
from optuna_nas.objectives import TrainingObjective
from optuna_nas.samplers import RegularizedEvolutionSampler
from optuna_nas.spaces import Architecture, CellSpace
from optuna_nas.training import Recipe, load_data


def shuffled_conv(channels: int, stride: int) -> nn.Module:
    """An operation as a function: a grouped convolution whose channels are mixed afterwards."""
    conv = nn.Conv2d(channels, channels, 3, stride, padding=1, groups=4, bias=False)
    return nn.Sequential(nn.ReLU(), conv, nn.BatchNorm2d(channels), nn.ChannelShuffle(4))


class GatedConv(nn.Module):
    """An operation as a class: a convolution, and one that says where it counts."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 2 * channels, 3, stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(2 * channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.glu(self.norm(self.conv(x)), dim=1)


SPACE = CellSpace(
    ops={
        "shuffled_conv": shuffled_conv,
        "gated_conv": GatedConv,
        "sep_conv": "sep_conv_3x3",  # a built-in operation
        "max_pool_3x3": "max_pool_3x3",
    },
    num_blocks=3,
)


def digits_folder(folder: Path) -> Path:
    """Scikit-learn's digits as ``folder/CLASS/NUMBER.png``."""
    digits = load_digits()
    for number, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        path = folder / str(label) / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * 15).astype(np.uint8)).save(path)
    return folder


@click.command(help=__doc__.splitlines()[0])
@click.option("--images", type=click.Path(path_type=Path), help="Default: digits, written out.")
@click.option("--size", default=8, show_default=True, help="Pixels that images are resized to.")
@click.option("--trials", default=20, show_default=True)
def main(images: Path | None, size: int, trials: int) -> None:
    folder = images or digits_folder(Path("runs/own_cells/digits"))
    data = load_data(f"folder:{folder}", image_size=size)
    study = optuna.create_study(
        direction="maximize",
        sampler=RegularizedEvolutionSampler(
            population_size=8, tournament_size=4, seed=0, space=SPACE
        ),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
    )
    objective = TrainingObjective(
        SPACE,
        data,
        epochs=2,
        build={"cells": 1, "channels": 8},
        recipe=Recipe(batch_size=32, lr=0.05),
    )
    study.optimize(objective, n_trials=trials)
    best = SPACE.architecture(study.best_trial)
    print(f"{SPACE.num_architectures:.1e} architectures")
    print(f"best validation accuracy {study.best_value:.1%}: {best}")

    # Its JSON names the operations only, so it is read with the space that has their code.
    Path("best.json").write_text(best.to_json())
    again = Architecture.from_json(Path("best.json").read_text(), SPACE)
    save_picture(again.graph(), "best.svg")
    model = again.build(num_classes=len(data.classes), cells=2, channels=16)
    print(f"a larger one of the same cells has {sum(p.numel() for p in model.parameters()):,}")


if __name__ == "__main__":
    main()
