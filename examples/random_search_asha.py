"""Random search with early stopping (ASHA), beside random search of equal cost (2 minutes).

Li and Talwalkar (arXiv 1902.07638) draw DARTS cells at random, "none" included, train networks of
the final size for a short time and give only the best quarter four times as many epochs: 1, 4, 16,
64, 256 of 300. Here the networks are small, the images are scikit-learn's digits, and the epochs
are 1, 4 and 16. Plain random search then trains cells for all 16 epochs until it has spent as many
epochs. Each search's best cell is trained anew with fresh seeds and only then meets the test
images.

    python examples/random_search_asha.py --trials 48 --epochs 16
"""

from __future__ import annotations

import statistics

import click
import optuna

from optuna_nas.objectives import TrainingObjective
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.spaces import Architecture, DARTSSpace
from optuna_nas.training import ImageData, Recipe, evaluate, fit, load_data, seeded

SPACE = DARTSSpace(keep_none=True)
SIZE = {"cells": 3, "channels": 2}
RECIPE = Recipe(batch_size=32, lr=0.05, weight_decay=3e-4, nesterov=False, clip_grad_norm=5.0)
ETA = 4


def search(data: ImageData, epochs: int, trials: int, asha: bool) -> optuna.Study:
    """Train random cells, each for all epochs or for as long as it is among the best quarter."""
    halving = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=ETA)
    study = optuna.create_study(
        direction="maximize",
        sampler=RandomSearchSampler(seed=int(asha), space=SPACE),
        pruner=halving if asha else optuna.pruners.NopPruner(),
    )
    objective = TrainingObjective(SPACE, data, epochs=epochs, build=SIZE, recipe=RECIPE)
    study.optimize(objective, n_trials=trials)
    return study


def spent(study: optuna.Study) -> int:
    """Epochs of all trials together."""
    return sum(len(trial.intermediate_values) for trial in study.trials)


def test_accuracy(architecture: Architecture, data: ImageData, epochs: int, seed: int) -> float:
    """Of a network that is trained from scratch."""
    with seeded(seed):
        model = architecture.build(num_classes=data.num_classes, in_channels=1, **SIZE)
    fit(model, data, epochs=epochs, recipe=RECIPE, seed=seed)
    return evaluate(model, data.test, data).metric


@click.command(help=__doc__.splitlines()[0])
@click.option("--trials", default=48, show_default=True, help="With early stopping.")
@click.option("--epochs", default=16, show_default=True, help="At most, per trial.")
@click.option("--seeds", default=3, show_default=True, help="Fresh ones, 2 or more.")
def main(trials: int, epochs: int, seeds: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    data = load_data("digits", train_size=320, val_size=480)
    asha = search(data, epochs, trials, asha=True)
    equal = max(1, spent(asha) // epochs)
    plain = search(data, epochs, equal, asha=False)

    print(f"\n{'':<16}{'cells':>8}{'epochs':>8}{'best val':>10}{'test, fresh seeds':>20}")
    for name, study in (("ASHA", asha), ("random search", plain)):
        best = SPACE.architecture(study.best_trial)
        tests = [test_accuracy(best, data, epochs, 1000 + i) for i in range(seeds)]
        fresh = f"{statistics.mean(tests):.1%} ± {statistics.stdev(tests):.1%}"
        row = f"{len(study.trials):>8}{spent(study):>8}{study.best_value:>10.1%}{fresh:>20}"
        print(f"{name:<16}{row}")
    lengths = [len(trial.intermediate_values) for trial in asha.trials]
    rungs = ", ".join(f"{lengths.count(n)} for {n}" for n in sorted(set(lengths)))
    print(f"\nASHA's trials, by epochs: {rungs}. Test accuracy: mean ± sd of {seeds} runs.")


if __name__ == "__main__":
    main()
