"""A cell that a search has found, grown four times by five rules at one budget.

NASNet stacks more cells with more channels; is that better than larger images? The rules are
compared with equal multiply-adds, counted, and several seeds (3 minutes).

    python examples/scale_found_cell.py
"""

from __future__ import annotations

import click
import optuna

from optuna_nas import scaling
from optuna_nas.objectives import ScaledTraining, StrategyObjective, TrainingObjective
from optuna_nas.samplers import RegularizedEvolutionSampler
from optuna_nas.spaces import NASBench201Space
from optuna_nas.training import Recipe, load_data

SMALL = {"cells": 2, "channels": 4}
RECIPE = Recipe(batch_size=32, lr=0.05)


@click.command(help=__doc__.splitlines()[0])
@click.option("--trials", default=20, show_default=True, help="Of the search.")
@click.option("--epochs", default=8, show_default=True, help="Of each grown network.")
@click.option("--repetitions", default=3, show_default=True)
@click.option("--images", default=640, show_default=True, help="To train and to validate.")
def main(trials: int, epochs: int, repetitions: int, images: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = NASBench201Space()
    data = load_data("digits", train_size=images, val_size=images)
    search = optuna.create_study(
        direction="maximize", sampler=RegularizedEvolutionSampler(seed=0, space=space)
    )
    objective = TrainingObjective(space, data, epochs=2, build=SMALL, recipe=RECIPE)
    search.optimize(objective, n_trials=trials, show_progress_bar=True)
    cell = space.architecture(search.best_trial)
    print(f"{cell}: validation accuracy {search.best_value:.1%} after 2 epochs")

    network = scaling.ScalableCells(architecture=cell, resolution=8, **SMALL)
    rules = StrategyObjective(
        network,
        ScaledTraining(data, recipe=RECIPE),
        epochs=epochs,
        factor=4,
        repetitions=repetitions,
    )
    compared = optuna.create_study(
        direction="maximize",
        sampler=rules.sampler(seed=0),
        pruner=optuna.pruners.NopPruner(),
    )
    compared.optimize(rules, n_trials=rules.num_trials, show_progress_bar=True)
    print(scaling.strategy_table(scaling.read_results(compared)))


if __name__ == "__main__":
    main()
