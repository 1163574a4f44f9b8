"""Search an architecture together with learning rate, weight decay and augmentation (4 minutes).

What an architecture is worth depends on how it is trained. Here the cell is decided by evolution,
and in the same trial the learning rate, the weight decay and how far images are shifted are drawn
by Optuna's TPE, which learns from all trials. The alternative, the cell first at fixed settings
and then the settings for that cell, gets as many trials in all, for comparison. The best of each
is trained anew with fresh seeds and only then meets the test images.

    python examples/joint_search.py --trials 40
"""

from __future__ import annotations

import dataclasses
import statistics

import click
import optuna

from optuna_nas.objectives import TrainingObjective
from optuna_nas.samplers import RegularizedEvolutionSampler
from optuna_nas.spaces import NASBench201Space
from optuna_nas.training import ImageData, Recipe, evaluate, fit, load_data, seeded

SPACE = NASBench201Space()
SIZE = {"cells": 1, "channels": 4}
FIXED = Recipe(batch_size=32, lr=0.05)


def settings(trial: optuna.trial.BaseTrial) -> dict[str, float]:
    """What is drawn beside the architecture: fields of the recipe."""
    return {
        "lr": trial.suggest_float("lr", 3e-3, 1.0, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 1e-5, 1e-2, log=True),
        "crop_padding": trial.suggest_int("crop_padding", 0, 2),
    }


def new_study(seed: int) -> optuna.Study:
    """Evolution for the cell, which the names of its decisions start with, TPE for the rest."""
    sampler = RegularizedEvolutionSampler(
        population_size=10,
        tournament_size=5,
        seed=seed,
        hp_sampler=optuna.samplers.TPESampler(seed=seed),
        decides=lambda name, distribution: name.startswith("op_"),
    )
    pruner = optuna.pruners.MedianPruner(n_startup_trials=8)
    return optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)


def jointly(data: ImageData, epochs: int, trials: int, seed: int) -> optuna.trial.FrozenTrial:
    """Cell and settings in one study."""
    study = new_study(seed)
    objective = TrainingObjective(
        SPACE, data, epochs=epochs, build=SIZE, recipe=FIXED, hyperparameters=settings
    )
    study.optimize(objective, n_trials=trials)
    return study.best_trial


def one_after_the_other(
    data: ImageData, epochs: int, trials: int, seed: int
) -> optuna.trial.FrozenTrial:
    """The cell with half of the trials, then the settings for it with the other half."""
    first = new_study(seed)
    plain = TrainingObjective(SPACE, data, epochs=epochs, build=SIZE, recipe=FIXED)
    first.optimize(plain, n_trials=trials // 2)
    second = new_study(seed)
    objective = TrainingObjective(
        SPACE, data, epochs=epochs, build=SIZE, recipe=FIXED, hyperparameters=settings
    )
    for _ in range(trials - trials // 2):
        second.enqueue_trial(first.best_params)  # the cell is fixed, the rest is drawn
    second.optimize(objective, n_trials=trials - trials // 2)
    return second.best_trial


def test_accuracy(
    trial: optuna.trial.FrozenTrial, data: ImageData, epochs: int, seed: int
) -> float:
    """Of a network that is trained from scratch with the settings that were found."""
    chosen = {name: value for name, value in trial.params.items() if not name.startswith("op_")}
    cell = {name: value for name, value in trial.params.items() if name.startswith("op_")}
    with seeded(seed):
        model = SPACE.architecture(cell).build(num_classes=10, in_channels=1, **SIZE)
    recipe = dataclasses.replace(FIXED, **chosen)
    fit(model, data, epochs=epochs, recipe=recipe, seed=seed)
    return evaluate(model, data.test, data).metric


@click.command(help=__doc__.splitlines()[0])
@click.option("--trials", default=40, show_default=True)
@click.option("--epochs", default=3, show_default=True)
@click.option("--seeds", default=3, show_default=True, help="Fresh ones, 2 or more.")
@click.option("--seed", default=0, show_default=True, help="Of the searches.")
def main(trials: int, epochs: int, seeds: int, seed: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    data = load_data("digits", train_size=640, val_size=800)
    for name, search in (("together", jointly), ("one after the other", one_after_the_other)):
        best = search(data, epochs, trials, seed)
        again = [test_accuracy(best, data, epochs, 100 + i) for i in range(seeds)]
        print(
            f"{name:<20} validation {best.value:.1%}, test accuracy "
            f"{statistics.mean(again):.1%} ± {statistics.stdev(again):.1%} ({seeds} seeds)"
        )
        print(f"    {best.params}")


if __name__ == "__main__":
    main()
