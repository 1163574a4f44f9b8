"""EfficientNet (arXiv:1905.11946) for a network of your own: coefficients, then the family.

A small mobile network is grown to twice its multiply-adds in many ways; a surface through the
accuracies says how much of that should be depth, width and resolution, and how sure this is. Then
the coefficients make the larger networks. On real data take more epochs and several seeds: the
differences are small (2 minutes).

    python examples/efficientnet_scaling.py
"""

from __future__ import annotations

from pathlib import Path

import click
import optuna

from optuna_nas import scaling
from optuna_nas.nn import Stage
from optuna_nas.objectives import CompoundScalingObjective, ScaledTraining
from optuna_nas.training import Recipe, load_data
from optuna_nas.visualization import plot_compound

BASE = scaling.EfficientNet(
    stages=(
        Stage("mbconv3", 3, 1, 0.25, "identity", 32, 3),
        Stage("mbconv3", 3, 2, 0.25, "identity", 40, 4),
    ),
    stem_stride=1,
    resolution=8,
    dropout=0.0,
    drop_path=0.0,
)
RECIPE = Recipe(batch_size=32, lr=0.05, batch_norm_momentum=0.1)


@click.command(help=__doc__.splitlines()[0])
@click.option("--trials", type=int, help="Points of the grid.  [default: all]")
@click.option("--epochs", default=3, show_default=True)
@click.option("--images", default=400, show_default=True, help="To train and to validate.")
@click.option("--figure", type=click.Path(path_type=Path), default=Path("compound.html"))
def main(trials: int | None, epochs: int, images: int, figure: Path) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    data = load_data("digits", train_size=images, val_size=images)
    objective = CompoundScalingObjective(
        BASE, ScaledTraining(data, recipe=RECIPE), epochs=epochs, tolerance=0.1, step=0.1
    )
    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.NopPruner())
    points = objective.enqueue_grid(study)
    study.optimize(objective, n_trials=trials or points, show_progress_bar=True)
    print(f"best of {len(study.trials)} points: validation accuracy {study.best_value:.1%}")

    found = scaling.fit(study)
    print(found)
    networks = scaling.family(BASE, found.coefficients, phi=range(4))
    named = [(f"phi {phi}", network) for phi, network in enumerate(networks)]
    print(
        scaling.family_table((name, network, objective.count(network)) for name, network in named)
    )
    plot_compound(study).write_html(figure)
    print(f"the points: {figure}")


if __name__ == "__main__":
    main()
