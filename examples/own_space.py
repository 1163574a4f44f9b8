"""A search space of one's own is a function; its loops and conditions are the space (30 s).

Operations by name find out for themselves how many channels they read. The images are a folder
with a sub-folder for each class; without one, scikit-learn's digits are written as such a folder.

    python examples/own_space.py --images path/to/images --trials 20
"""

from __future__ import annotations

from pathlib import Path

import click
import optuna
from own_cells import digits_folder
from torch import nn

from optuna_nas.nn import make_op
from optuna_nas.objectives import TrainingObjective
from optuna_nas.samplers import RegularizedEvolutionSampler
from optuna_nas.spaces import function_space
from optuna_nas.training import Recipe, load_data


@function_space
def convnet(trial: optuna.Trial, num_classes: int = 10, in_channels: int = 3) -> nn.Module:
    """A stem and one to three stages, each with its own width, operation and depth."""
    layers: list[nn.Module] = [nn.Conv2d(in_channels, 8, 3, padding=1)]
    for i in range(trial.suggest_int("num_stages", 1, 3)):
        width = trial.suggest_categorical(f"stage_{i}_width", [8, 16, 32])
        op = trial.suggest_categorical(
            f"stage_{i}_op", ["sep_conv_3x3", "sep_conv_5x5", "conv_3x3", "max_pool_3x3"]
        )
        layers.append(make_op(op, width, stride=2, family="nasnet"))
        if "pool" not in op:  # a second pool would be in vain
            for _ in range(trial.suggest_int(f"stage_{i}_more", 0, 2)):
                layers.append(make_op(op, width, family="nasnet"))
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes)
    )


@click.command(help=__doc__.splitlines()[0])
@click.option("--images", type=click.Path(path_type=Path), help="Default: digits, written out.")
@click.option("--size", default=8, show_default=True, help="Pixels that images are resized to.")
@click.option("--trials", default=20, show_default=True)
def main(images: Path | None, size: int, trials: int) -> None:
    folder = images or digits_folder(Path("runs/own_space/digits"))
    objective = TrainingObjective(
        convnet,
        load_data(f"folder:{folder}", image_size=size),
        epochs=3,
        recipe=Recipe(batch_size=32, lr=0.05),
        max_params=20_000,  # larger networks are refused before they are trained
    )
    study = optuna.create_study(
        direction="maximize",
        sampler=RegularizedEvolutionSampler(population_size=8, tournament_size=4, seed=0),
        pruner=optuna.pruners.MedianPruner(),
    )
    study.optimize(objective, n_trials=trials)
    print(f"{convnet.estimate_size()} architectures")
    print(f"best validation accuracy {study.best_value:.1%}")
    print(convnet.architecture(study.best_trial).build(num_classes=10))


if __name__ == "__main__":
    main()
