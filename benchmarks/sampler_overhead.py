"""What a sampler costs per trial, as a ratio to Optuna's RandomSampler in the same run (1 minute).

One trial is ``study.ask()``, all suggestions and ``tell``, without any training. The two samplers
take turns on studies of the same content, and the median of the paired ratios is reported.

    python benchmarks/sampler_overhead.py --finished 1000 --decisions 20
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution

from optuna_nas.samplers import RandomSearchSampler, RegularizedEvolutionSampler
from optuna_nas.stores import open_storage

CHOICES = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

SAMPLERS: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
    "random": lambda: RandomSearchSampler(seed=0),
    "evolution": lambda: RegularizedEvolutionSampler(seed=0),
    "optuna-tpe": lambda: optuna.samplers.TPESampler(seed=0),
}


def filled_study(
    sampler: optuna.samplers.BaseSampler, storage: str | None, finished: int, decisions: int
) -> optuna.Study:
    """A study with ``finished`` random complete trials."""
    opened = open_storage(storage) if storage else optuna.storages.InMemoryStorage()
    study = optuna.create_study(storage=opened, sampler=sampler, direction="maximize")
    rng = np.random.RandomState(0)
    distributions = {f"op_{i}": CategoricalDistribution(CHOICES) for i in range(decisions)}
    study.add_trials(
        [
            optuna.create_trial(
                params={name: CHOICES[rng.randint(len(CHOICES))] for name in distributions},
                distributions=distributions,
                value=rng.uniform(),
            )
            for _ in range(finished)
        ]
    )
    return study


def seconds_of_one_trial(study: optuna.Study, decisions: int) -> float:
    start = time.perf_counter()
    trial = study.ask()
    for i in range(decisions):
        trial.suggest_categorical(f"op_{i}", CHOICES)
    study.tell(trial, trial.number % 7)
    return time.perf_counter() - start


def compare(
    sampler: str, storage: Callable[[], str | None], finished: int, decisions: int, repeats: int
) -> None:
    ours = filled_study(SAMPLERS[sampler](), storage(), finished, decisions)
    reference = filled_study(optuna.samplers.RandomSampler(seed=0), storage(), finished, decisions)
    first = seconds_of_one_trial(ours, decisions)
    seconds_of_one_trial(reference, decisions)
    pairs = [
        (seconds_of_one_trial(ours, decisions), seconds_of_one_trial(reference, decisions))
        for _ in range(repeats)
    ]
    ratio = statistics.median(a / b for a, b in pairs)
    mine, other = (1e3 * statistics.median(times) for times in zip(*pairs, strict=True))
    kind = "sqlite" if storage() else "memory"
    print(
        f"{sampler:<12}{kind:<8}{finished:>8}{mine:>10.2f} ms{other:>10.2f} ms{ratio:>8.2f}x"
        f"{1e3 * first:>10.0f} ms"
    )


@click.command(help=__doc__.splitlines()[0])
@click.option("--samplers", default=",".join(SAMPLERS), show_default=True)
@click.option("--finished", default="100,1000,10000", show_default=True)
@click.option("--decisions", default=20, show_default=True)
@click.option("--repeats", default=100, show_default=True)
@click.option("--sqlite/--no-sqlite", default=True, show_default=True)
def main(samplers: str, finished: str, decisions: int, repeats: int, sqlite: bool) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print(f"optuna {optuna.__version__}, {decisions} categoricals of {len(CHOICES)} choices")
    header = ("sampler", "storage", "finished", "per trial", "Random", "ratio", "first trial")
    print("{:<12}{:<8}{:>8}{:>13}{:>13}{:>9}{:>13}".format(*header))
    with tempfile.TemporaryDirectory() as folder:
        files = iter(range(10**6))

        def database() -> str:
            return f"sqlite:///{Path(folder) / f'{next(files)}.db'}"

        for sampler in samplers.split(","):
            for count in map(int, finished.split(",")):
                compare(sampler, lambda: None, count, decisions, repeats)
            if sqlite:
                compare(sampler, database, min(1000, count), decisions, repeats)


if __name__ == "__main__":
    main()
