"""NASNet (arXiv:1707.07012) at small scale: PPO finds a cell, a larger network is made of it.

The controller decides a normal and a reduction cell, evaluated on digits in a small network; then
the same cells are stacked into a larger one and trained anew: what NASNet is about. Sizes and
budgets are a few thousandths of the paper's; ``PPOSampler.nasnet()`` has its settings, which need
thousands of trials (3 minutes).

    python examples/nasnet.py --trials 30
"""

from __future__ import annotations

from pathlib import Path

import click
import optuna

from optuna_nas.drawing import save_picture
from optuna_nas.objectives import TrainingObjective
from optuna_nas.profiling import profile
from optuna_nas.samplers import PPOSampler
from optuna_nas.spaces import NASNetSpace
from optuna_nas.training import Recipe, evaluate, fit, load_data, seeded

SMALL = {"cells": 1, "channels": 4}
LARGE = {"cells": 2, "channels": 8}
RECIPE = Recipe(batch_size=32, lr=0.05)


@click.command(help=__doc__.splitlines()[0])
@click.option("--trials", default=30, show_default=True)
@click.option("--epochs", default=3, show_default=True)
@click.option("--final-epochs", default=15, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--picture", type=click.Path(path_type=Path), default=Path("nasnet.svg"))
def main(trials: int, epochs: int, final_epochs: int, seed: int, picture: Path) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = NASNetSpace(num_blocks=3)
    data = load_data("digits", train_size=640, val_size=800)
    study = optuna.create_study(
        direction="maximize",
        sampler=PPOSampler(seed=seed, space=space),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=8),
    )
    objective = TrainingObjective(space, data, epochs=epochs, build=SMALL, recipe=RECIPE)
    study.optimize(objective, n_trials=trials, show_progress_bar=True)
    best = space.architecture(study.best_trial)
    print(f"best of {trials}: validation accuracy {study.best_value:.1%} after {epochs} epochs")
    print(best)

    with seeded(seed):
        model = best.build(num_classes=10, in_channels=1, **LARGE)
    fit(model, data, epochs=final_epochs, recipe=RECIPE, seed=seed)
    accuracy = evaluate(model, data.test, data).metric
    params = profile(model, data.input_size).params
    print(f"stacked to {params:,} parameters: test accuracy {accuracy:.1%}")
    save_picture(best.graph(), picture)
    print(f"the cells: {picture}")


if __name__ == "__main__":
    main()
