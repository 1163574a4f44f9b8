"""A search space of one's own is a function; its loops and conditions are the space (20 s).

python examples/own_space.py --trials 20
"""

from __future__ import annotations

import click
import optuna
from torch import nn

from optuna_nas.objectives import TrainingObjective
from optuna_nas.samplers import RegularizedEvolutionSampler
from optuna_nas.spaces import function_space
from optuna_nas.training import Recipe, load_data


@function_space
def convnet(trial: optuna.Trial, num_classes: int = 10, in_channels: int = 3) -> nn.Module:
    """One to three convolutions, each with its own kernel, width and normalisation."""
    layers: list[nn.Module] = []
    channels = in_channels
    for i in range(trial.suggest_int("num_layers", 1, 3)):
        width = trial.suggest_categorical(f"layer_{i}_width", [8, 16, 32])
        kernel = trial.suggest_categorical(f"layer_{i}_kernel", [1, 3, 5])
        layers.append(nn.Conv2d(channels, width, kernel, padding=kernel // 2))
        if trial.suggest_categorical(f"layer_{i}_norm", [True, False]):
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.ReLU())
        channels = width
    if trial.suggest_categorical("pool_op", ["average", "max"]) == "average":
        pool: nn.Module = nn.AdaptiveAvgPool2d(2)
    else:
        pool = nn.AdaptiveMaxPool2d(2)
    return nn.Sequential(*layers, pool, nn.Flatten(), nn.Linear(4 * channels, num_classes))


@click.command(help=__doc__.splitlines()[0])
@click.option("--trials", default=20, show_default=True)
def main(trials: int) -> None:
    data = load_data("digits", train_size=640, val_size=800)
    objective = TrainingObjective(
        convnet,
        data,
        epochs=3,
        recipe=Recipe(batch_size=32, lr=0.05),
        max_params=10_000,  # larger networks are refused before they are trained
    )
    study = optuna.create_study(
        direction="maximize",
        sampler=RegularizedEvolutionSampler(population_size=8, tournament_size=4, seed=0),
        pruner=optuna.pruners.MedianPruner(),
    )
    study.optimize(objective, n_trials=trials)
    print(f"{convnet.num_architectures:,} architectures")
    print(f"best validation accuracy {study.best_value:.1%}")
    print(convnet.architecture(study.best_trial).build(num_classes=10, in_channels=1))


if __name__ == "__main__":
    main()
