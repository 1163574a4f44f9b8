"""DARTS (arXiv:1806.09055) at small scale, and evolution around the cell that it derives.

Each trial is a whole search: alpha's learning rate is suggested, searches that turn into skip
connections are pruned, and the derived cell is evaluated by training it from scratch. The best
cell is then handed to a second study, where evolution starts from it. Random cells, trained in the
same way, say what that is worth (5 minutes).

    python examples/darts.py --searches 3 --trials 12
"""

from __future__ import annotations

import statistics

import click
import optuna

from optuna_nas.objectives import DARTSObjective, DARTSVariant, TrainingObjective
from optuna_nas.pruners import CollapsePruner
from optuna_nas.samplers import RandomSearchSampler, RegularizedEvolutionSampler
from optuna_nas.spaces import DARTSSpace
from optuna_nas.training import Recipe, load_data

SPACE = DARTSSpace(num_nodes=2)
SIZE = {"cells": 3, "channels": 8}
RECIPE = Recipe(
    lr=0.05, lr_min=0.001, nesterov=False, weight_decay=3e-4, batch_size=32, clip_grad_norm=5.0
)


@click.command(help=__doc__.splitlines()[0])
@click.option("--searches", default=3, show_default=True)
@click.option("--order", default=1, show_default=True, help="Of alpha's gradient: 1 or 2.")
@click.option("--epochs", default=15, show_default=True, help="Of a search.")
@click.option("--eval-epochs", default=6, show_default=True, help="Of a derived network.")
@click.option("--trials", default=12, show_default=True, help="Of evolution, and at random.")
@click.option("--seed", default=0, show_default=True)
def main(searches: int, order: int, epochs: int, eval_epochs: int, trials: int, seed: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    data = load_data("digits", train_size=640, val_size=800)
    darts = optuna.create_study(
        direction="maximize", pruner=CollapsePruner(max_skip=0.6, patience=3)
    )
    search = DARTSObjective(
        SPACE,
        data,
        variant=DARTSVariant(order=order),
        epochs=epochs,
        supernet=SIZE,
        recipe=RECIPE,
        eval_epochs=eval_epochs,
        build=SIZE,
        hyperparameters=lambda trial: {
            "alpha_lr": trial.suggest_float("alpha_lr", 1e-3, 3e-2, log=True)
        },
        seed=seed,
    )
    darts.optimize(search, n_trials=searches, show_progress_bar=True)
    ended = [trial for trial in darts.trials if trial.value is not None]
    print(f"{len(ended)} searches ended, {len(darts.trials) - len(ended)} collapsed")

    training = TrainingObjective(
        SPACE, data, epochs=eval_epochs, build=SIZE, recipe=RECIPE, seed=seed
    )
    evolution = optuna.create_study(
        direction="maximize",
        sampler=RegularizedEvolutionSampler(population_size=5, n_startup_trials=3, seed=seed),
    )
    for trial in ended:
        evolution.enqueue_trial(dict(SPACE.architecture(trial).params))
        print(f"derived cell: accuracy {trial.value:.1%}  {SPACE.architecture(trial)}")
    evolution.optimize(training, n_trials=trials, show_progress_bar=True)
    chance = optuna.create_study(
        direction="maximize", sampler=RandomSearchSampler(seed=seed, space=SPACE)
    )
    chance.optimize(training, n_trials=trials, show_progress_bar=True)

    values = [trial.value for trial in chance.trials if trial.value is not None]
    print(f"{len(values)} random cells: median accuracy {statistics.median(values):.1%}")
    print(f"best of them {chance.best_value:.1%}, of evolution {evolution.best_value:.1%}:")
    print(SPACE.architecture(evolution.best_trial))


if __name__ == "__main__":
    main()
