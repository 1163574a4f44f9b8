"""ResNet-RS (arXiv:2103.07579, section 6) at small scale: which dimension pays, and when?

A grid of widths, depths and resolutions is trained for a short and for a long time. The report
says per regime which dimension takes away most error for its latency, whether multiply-adds
predict errors, and what such a small study cannot say (3 minutes).

    python examples/resnet_rs_scaling.py
"""

from __future__ import annotations

from pathlib import Path

import click
import optuna

from optuna_nas import scaling
from optuna_nas.objectives import ScaledTraining, ScalingStudyObjective
from optuna_nas.profiling import LatencyMeter
from optuna_nas.training import Recipe, load_data
from optuna_nas.visualization import plot_scaling

BASE = scaling.ResNetRS(depth=26, width=0.125, resolution=8, stem="cifar", dropout=0.0)


@click.command(help=__doc__.splitlines()[0])
@click.option("--short", default=2, show_default=True, help="Epochs of the short regime.")
@click.option("--long", default=6, show_default=True, help="Epochs of the long one.")
@click.option("--repetitions", default=2, show_default=True)
@click.option("--images", default=400, show_default=True, help="To train and to validate.")
@click.option("--figure", type=click.Path(path_type=Path), default=Path("scaling.html"))
def main(short: int, long: int, repetitions: int, images: int, figure: Path) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    data = load_data("digits", train_size=images, val_size=images)
    grid = scaling.ScalingGrid(
        widths=(0.125, 0.25), depths=(26, 38), resolutions=(8, 12), regimes=(short, long)
    )
    growing = scaling.GrowingRegularisation.over(
        BASE, grid, num_classes=10, in_channels=1, dropout=(0.0, 0.25), drop_path=(0.0, 0.1)
    )
    recipe = Recipe(batch_size=32, lr=0.05)
    objective = ScalingStudyObjective(
        BASE,
        ScaledTraining(data, recipe=recipe, regularisation=growing),
        grid=grid,
        repetitions=repetitions,
        latency=LatencyMeter(device="cpu"),
    )
    study = optuna.create_study(
        direction="maximize",
        sampler=objective.sampler(seed=0),
        pruner=optuna.pruners.NopPruner(),  # or what learns slowly would be missing
    )
    study.optimize(objective, n_trials=objective.num_trials, show_progress_bar=True)
    print(f"best of {len(study.trials)} runs: validation accuracy {study.best_value:.1%}")
    print(scaling.analyse(study))
    plot_scaling(study).write_html(figure)
    print(f"the fronts: {figure}")


if __name__ == "__main__":
    main()
