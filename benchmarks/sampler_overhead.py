"""Cost of a sampler per trial, as a ratio to Optuna's samplers in the same run (15 minutes).

One trial is ``study.ask()``, all suggestions and ``tell``, without any training. The samplers take
turns in random order, each on a study of its own with the same finished trials, and the medians of
the paired ratios are reported. The first trial, in which a sampler reads the whole study, stands
apart.

    python benchmarks/sampler_overhead.py --finished 1000 --samplers evolution,optuna-tpe
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution

from contestants import SAMPLERS
from optuna_nas.stores import open_storage

CHOICES = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
REFERENCES = ("optuna-random", "optuna-tpe")
OURS = ("random", "local", "evolution", "amoebanet", "reinforce", "ppo", "predictor")

MakeStorage = Callable[[], optuna.storages.BaseStorage]


def finished_trials(count: int, decisions: int) -> Iterator[optuna.trial.FrozenTrial]:
    """Random complete trials."""
    rng = np.random.RandomState(0)
    distributions = {f"op_{i}": CategoricalDistribution(CHOICES) for i in range(decisions)}
    for _ in range(count):
        yield optuna.create_trial(
            params={name: CHOICES[rng.randint(len(CHOICES))] for name in distributions},
            distributions=distributions,
            value=rng.uniform(),
        )


def in_memory(finished: int, decisions: int) -> MakeStorage:
    """Makes storages in memory that hold the finished trials."""
    trials = list(finished_trials(finished, decisions))

    def make() -> optuna.storages.BaseStorage:
        storage = optuna.storages.InMemoryStorage()
        optuna.create_study(storage=storage, study_name="s", direction="maximize").add_trials(
            trials
        )
        return storage

    return make


def on_disk(finished: int, decisions: int, folder: Path) -> MakeStorage:
    """Makes SQLite storages that hold the finished trials: the first is filled, then copied."""
    original = folder / "original.db"
    storage = open_storage(f"sqlite:///{original}")
    study = optuna.create_study(storage=storage, study_name="s", direction="maximize")
    study.add_trials(finished_trials(finished, decisions))
    copies = itertools.count()

    def make() -> optuna.storages.BaseStorage:
        copy = folder / f"{next(copies)}.db"
        with contextlib.closing(sqlite3.connect(original)) as connection:
            connection.execute("VACUUM INTO ?", (str(copy),))
        return open_storage(f"sqlite:///{copy}")

    return make


def milliseconds_of_one_trial(study: optuna.Study, decisions: int) -> float:
    start = time.perf_counter()
    trial = study.ask()
    for i in range(decisions):
        trial.suggest_categorical(f"op_{i}", CHOICES)
    study.tell(trial, trial.number % 7)
    return 1e3 * (time.perf_counter() - start)


def measure(names: list[str], make: MakeStorage, decisions: int, repeats: int, label: str) -> None:
    """Let the samplers take turns, and print a row for each."""
    studies = {
        name: optuna.load_study(study_name="s", storage=make(), sampler=SAMPLERS[name](0))
        for name in names
    }
    first = {name: milliseconds_of_one_trial(study, decisions) for name, study in studies.items()}
    times: dict[str, list[float]] = {name: [] for name in names}
    rng = np.random.RandomState(0)
    for _ in range(repeats):
        for name in rng.permutation(names):  # a heavy sampler leaves cold caches to the next one
            times[name].append(milliseconds_of_one_trial(studies[name], decisions))
    for name in names:
        ratios = [
            statistics.median(a / b for a, b in zip(times[name], times[reference], strict=True))
            for reference in REFERENCES
        ]
        print(
            f"{name:<15}{label}{statistics.median(times[name]):>10.2f} ms"
            f"{ratios[0]:>9.2f}x{ratios[1]:>9.2f}x{first[name]:>12.0f} ms",
            flush=True,
        )


@click.command(help=__doc__.splitlines()[0])
@click.option("--samplers", default=",".join(OURS), show_default=True)
@click.option("--finished", default="100,1000,10000", show_default=True)
@click.option("--decisions", default=30, show_default=True)
@click.option("--repeats", default=50, show_default=True)
@click.option("--storages", default="memory,sqlite", show_default=True)
def main(samplers: str, finished: str, decisions: int, repeats: int, storages: str) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    names = [*REFERENCES, *(name for name in samplers.split(",") if name not in REFERENCES)]
    print(
        f"optuna {optuna.__version__}, {decisions} categoricals of {len(CHOICES)} choices, "
        f"median of {repeats} trials"
    )
    heads = ("sampler", "storage", "finished", "per trial", "/ Random", "/ TPE", "first trial")
    print("{:<15}{:<8}{:>8}{:>13}{:>10}{:>10}{:>15}".format(*heads))
    for storage, count in itertools.product(storages.split(","), map(int, finished.split(","))):
        label = f"{storage:<8}{count:>8}"
        with tempfile.TemporaryDirectory() as folder:
            if storage == "memory":
                make = in_memory(count, decisions)
            else:
                make = on_disk(count, decisions, Path(folder))
            measure(names, make, decisions, repeats, label)


if __name__ == "__main__":
    main()
