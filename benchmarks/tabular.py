"""Searched networks on small tables, beside scikit-learn's networks and boosted trees.

Five tables: diabetes (rows 442, features 10), breast cancer (569, 30), wine (178, 13), digits as
numbers (1797, 64), and 1000 rows of Friedman's function of ten features, whose first two interact.
For each split of 60 % train, 20 % validation and 20 % test, every method has the same wall time:

- ours: what `optuna-nas search --space mlp` and `optuna-nas train --no-validate` do. A search of
  MLPSpace by validation, from three usual networks on; then its best network is trained on train
  and validation together, with one seed. `averaged` is, for information, the score of the
  averaged outputs of the best five, as far as there was time to train them.
- MLP and HistGradientBoosting of scikit-learn, tuned by Optuna's TPE by validation, then fitted
  with the best settings on train and validation together.

Inputs are standardised for all, and so are the targets of regression. The test rows are looked at
once. The metric is accuracy, or R2 in regression.

    python benchmarks/tabular.py --seconds 60 --splits 5
"""

from __future__ import annotations

import functools
import statistics
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

import click
import numpy as np
import optuna
import torch
from sklearn.datasets import make_friedman1
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import accuracy_score, r2_score
from sklearn.neural_network import MLPClassifier, MLPRegressor

from contestants import ALL_SAMPLERS
from optuna_nas.final import found
from optuna_nas.objectives import TrainingObjective
from optuna_nas.spaces import MLPSpace
from optuna_nas.training import Task, TensorData, fit, load_data, seeded

TABLES = ("diabetes", "breast-cancer", "wine", "digits-table", "friedman")
METHODS = ("ours", "MLP", "boosting")
SEARCH_SHARE = 0.65  # of the time; the rest is for the final runs
TOP = 5
STARTS = (
    "width=128, activation=gelu, norm=batch, skip=False, dropout=0.3, embedding=none",
    "width=128, activation=relu, norm=none, skip=False, dropout=0.5, embedding=none",
    "width=128, activation=gelu, norm=batch, skip=False, dropout=0.2, embedding=periodic",
)
"""Usual networks of two layers, tried first, as `optuna-nas search --enqueue` does it."""


class Result(NamedTuple):
    """Test metric of a method on one split."""

    table: str
    method: str
    split: int
    score: float
    trials: int
    seconds: float
    average: float | None = None
    averaged: int = 0


def load(table: str, split: int) -> TensorData:
    """A table under one split, with three parts."""
    if table != "friedman":
        return load_data(table, split_seed=split)
    inputs, target = make_friedman1(n_samples=1000, n_features=10, noise=1.0, random_state=0)
    return TensorData(
        table,
        (inputs, target),
        task=Task.regression(),
        standardise=True,
        split_seed=split,
    )


def rows(data: TensorData, *parts: str) -> tuple[np.ndarray, np.ndarray]:
    """Standardised inputs and targets of some parts, one after the other."""
    splits = [getattr(data, part) for part in parts]
    inputs = [data.prepare(split.inputs, torch.device("cpu")).numpy() for split in splits]
    targets = [split.targets.numpy() for split in splits]
    return np.concatenate(inputs), np.concatenate(targets)


def is_regression(data: TensorData) -> bool:
    return data.classes is None


def score(data: TensorData, targets: np.ndarray, predicted: np.ndarray) -> float:
    """Accuracy of classes, R2 of numbers."""
    metric = r2_score if is_regression(data) else accuracy_score
    return float(metric(targets, predicted))


def ours(data: TensorData, seconds: float, seed: int, sampler: str, epochs: int) -> dict[str, Any]:
    began = time.monotonic()
    space = MLPSpace()
    objective = TrainingObjective(space, data, epochs=epochs, seed=seed, device="cpu")
    study = optuna.create_study(
        direction=objective.direction,
        sampler=ALL_SAMPLERS[sampler](seed),
        pruner=optuna.pruners.MedianPruner(),
    )
    for text in STARTS:
        space.parse(f"num_layers=2, {text}").enqueue(study)
    study.optimize(objective, timeout=SEARCH_SHARE * seconds)
    candidates = found(study, space, data, top=TOP, build=objective.build)
    merged = data.merged()
    unseen = torch.from_numpy(rows(merged, "test")[0])
    outputs: list[np.ndarray] = []
    for candidate in candidates:
        started = time.monotonic()
        with seeded(seed):
            model = candidate.make()
        fit(model, merged, epochs=epochs, recipe=objective.recipe, seed=seed, device="cpu")
        with torch.no_grad():
            y = model(unseen)
        outputs.append(np.asarray(y[:, 0] if is_regression(data) else y.softmax(-1)))
        now = time.monotonic()
        if now + (now - started) - began > seconds:  # a run is never cut short
            break
    targets = rows(data, "test")[1]
    return {
        "score": score(data, targets, _decided(data, outputs[0])),
        "average": score(data, targets, _decided(data, np.mean(outputs, 0))),
        "trials": len(study.trials),
        "averaged": len(outputs),
    }


def _decided(data: TensorData, outputs: np.ndarray) -> np.ndarray:
    return outputs if is_regression(data) else outputs.argmax(-1)


def network(trial: Any, regression: bool, seed: int) -> Any:
    """scikit-learn's network with the settings of a trial."""
    make = MLPRegressor if regression else MLPClassifier
    width = trial.suggest_categorical("width", [16, 32, 64, 128, 256, 512])
    return make(
        hidden_layer_sizes=(width,) * trial.suggest_int("layers", 1, 5),
        activation=trial.suggest_categorical("activation", ["relu", "tanh", "logistic"]),
        solver=trial.suggest_categorical("solver", ["adam", "lbfgs"]),
        alpha=trial.suggest_float("alpha", 1e-6, 10.0, log=True),
        learning_rate_init=trial.suggest_float("lr", 1e-4, 3e-2, log=True),
        batch_size=trial.suggest_categorical("batch_size", [16, 32, 64, 128]),
        max_iter=trial.suggest_int("max_iter", 10, 300, log=True),
        random_state=seed,
    )


def boosting(trial: Any, regression: bool, seed: int) -> Any:
    """Boosted trees with the settings of a trial."""
    make = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    return make(
        learning_rate=trial.suggest_float("lr", 0.01, 0.3, log=True),
        max_iter=trial.suggest_int("max_iter", 20, 500, log=True),
        max_leaf_nodes=trial.suggest_int("max_leaf_nodes", 2, 63, log=True),
        min_samples_leaf=trial.suggest_int("min_samples_leaf", 1, 50, log=True),
        l2_regularization=trial.suggest_float("l2", 1e-6, 10.0, log=True),
        early_stopping=False,
        random_state=seed,
    )


def tuned(
    make: Callable[[Any, bool, int], Any], data: TensorData, seconds: float, seed: int
) -> dict[str, Any]:
    """Tune a model of scikit-learn by TPE, and fit it with the best settings on all but test."""
    regression = is_regression(data)
    (inputs, targets), (unseen, wanted) = rows(data, "train"), rows(data, "val")
    center, scale = (targets.mean(), targets.std()) if regression else (0, 1)

    def fitted(trial: Any, x: np.ndarray, y: np.ndarray) -> Any:
        return make(trial, regression, seed).fit(x, (y - center) / scale if regression else y)

    def predicted(model: Any, x: np.ndarray) -> np.ndarray:
        found = model.predict(x)
        return found * scale + center if regression else found

    def objective(trial: optuna.Trial) -> float:
        return score(data, wanted, predicted(fitted(trial, inputs, targets), unseen))

    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, timeout=seconds, catch=ValueError)  # lbfgs may diverge
    best = optuna.trial.FixedTrial(study.best_params)
    merged = data.merged()
    model = fitted(best, *rows(merged, "train"))
    return {
        "score": score(data, rows(merged, "test")[1], predicted(model, rows(merged, "test")[0])),
        "trials": len(study.trials),
    }


@functools.cache
def warm_up() -> None:
    """Import in this process what a training imports on its first run, which takes seconds."""
    data = load_data("iris")
    objective = TrainingObjective(MLPSpace(), data, epochs=1, device="cpu")
    optuna.create_study(direction="maximize").optimize(objective, n_trials=1)


def run(job: tuple[str, str, int], seconds: float, sampler: str, epochs: int) -> Result:
    """Run one method on one split of a table."""
    table, method, split = job
    warnings.simplefilter("ignore")  # networks of scikit-learn that have not converged
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warm_up()
    data = load(table, split)
    began = time.monotonic()
    if method == "ours":
        told = ours(data, seconds, split, sampler, epochs)
    else:
        make = network if method == "MLP" else boosting
        told = tuned(make, data, seconds, split)
    return Result(table, method, split, seconds=time.monotonic() - began, **told)


def report(results: list[Result]) -> None:
    """Print mean, deviation and median over the splits, and how many tables are won."""
    columns = ("table", "method", "mean ± sd", "median", "averaged", "trials", "s")
    print(f"\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|")
    wins = {"mean": 0, "median": 0}
    tables = [name for name in TABLES if any(r.table == name for r in results)]
    for table in tables:
        of = {m: [r for r in results if (r.table, r.method) == (table, m)] for m in METHODS}
        for method, runs in of.items():
            if runs:
                print(f"| {table} | {method} | {_cells(runs)} |")
        if all(of.values()):
            for name, figure in (("mean", statistics.mean), ("median", statistics.median)):
                figures = {m: figure([r.score for r in runs]) for m, runs in of.items()}
                wins[name] += figures["ours"] > max(figures["MLP"], figures["boosting"])
    for name, count in wins.items():
        print(f"By the {name}, ours beats both on {count} of {len(tables)} tables.")


def _cells(runs: list[Result]) -> str:
    scores = [r.score for r in runs]
    averages = [r.average for r in runs if r.average is not None]
    spread = statistics.stdev(scores) if len(scores) > 1 else float("nan")
    return " | ".join(
        [
            f"{statistics.mean(scores):.4f} ± {spread:.4f}",
            f"{statistics.median(scores):.4f}",
            f"{statistics.mean(averages):.4f}" if averages else "",
            f"{statistics.mean(r.trials for r in runs):.0f}",
            f"{statistics.mean(r.seconds for r in runs):.0f}",
        ]
    )


@click.command(help=__doc__.splitlines()[0])
@click.option("--seconds", default=60.0, show_default=True, help="Of each method on each split.")
@click.option("--splits", default=5, show_default=True)
@click.option("--table", "tables", multiple=True, type=click.Choice(TABLES), default=TABLES)
@click.option("--method", "methods", multiple=True, type=click.Choice(METHODS), default=METHODS)
@click.option(
    "--sampler", default="predictor-noisy", type=click.Choice([*ALL_SAMPLERS]), show_default=True
)
@click.option("--epochs", default=30, show_default=True, help="Of each of our runs.")
@click.option("--jobs", default=1, show_default=True, help="Processes side by side.")
def main(
    seconds: float,
    splits: int,
    tables: tuple[str, ...],
    methods: tuple[str, ...],
    sampler: str,
    epochs: int,
    jobs: int,
) -> None:
    work = [
        (table, method, split) for table in tables for split in range(splits) for method in methods
    ]
    results = []
    one = functools.partial(run, seconds=seconds, sampler=sampler, epochs=epochs)
    with ProcessPoolExecutor(jobs) as pool:
        for found_one in pool.map(one, work):
            results.append(found_one)
            print(
                f"{found_one.table} {found_one.split} {found_one.method}: {found_one.score:.4f}"
                + (
                    ""
                    if found_one.average is None
                    else f" (average of {found_one.averaged}: {found_one.average:.4f})"
                )
                + f", {found_one.trials} trials, {found_one.seconds:.1f} s",
                flush=True,
            )
    report(results)


if __name__ == "__main__":
    main()
