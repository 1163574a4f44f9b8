"""What a space costs beside the bare suggestions that it consists of (10 seconds).

Suggesting a NASNet architecture is compared with the 50 ``trial.suggest_categorical`` calls that
it makes, under RandomSampler in memory: the two take turns, and the median of the paired ratios
is reported. Then all 15,625 NAS-Bench-201 cells are written as text and read again.

    python benchmarks/space_overhead.py --repeats 200
"""

from __future__ import annotations

import itertools
import statistics
import time

import click
import optuna

from optuna_nas.spaces import NASBench201Space, NASNetSpace

LIMIT_OF_RATIO = 1.5
LIMIT_OF_SECONDS = 2.0


def compare_suggestions(repeats: int) -> float:
    """Print the times of both, and return their ratio."""
    space = NASNetSpace(num_blocks=5)
    calls = [(name, d.choices) for name, d in space.distributions().items()]
    studies = [optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)) for _ in "ab"]
    space.suggest(studies[0].ask())  # whatever is done once
    pairs = []
    for _ in range(repeats):
        ours, bare = (study.ask() for study in studies)
        start = time.perf_counter()
        space.suggest(ours)
        middle = time.perf_counter()
        for name, choices in calls:
            bare.suggest_categorical(name, choices)
        pairs.append((middle - start, time.perf_counter() - middle))
        for study, trial in zip(studies, (ours, bare), strict=True):
            study.tell(trial, 0.0)
    mine, other = (1e3 * statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"NASNetSpace.suggest      {mine:8.2f} ms")
    print(f"{len(calls)} suggest_categorical   {other:8.2f} ms")
    print(f"ratio                    {ratio:8.2f}    (at most {LIMIT_OF_RATIO}; n={repeats})")
    return ratio


def round_trip_all_cells() -> float:
    """Print and return the seconds that all NAS-Bench-201 strings take, there and back."""
    space = NASBench201Space()
    names, distributions = zip(*space.distributions().items(), strict=True)
    all_choices = itertools.product(*(d.choices for d in distributions))
    cells = [space.architecture(dict(zip(names, ops, strict=True))) for ops in all_choices]
    start = time.perf_counter()
    assert [space.parse(str(cell)) for cell in cells] == cells
    seconds = time.perf_counter() - start
    print(f"{len(cells):,} strings, both ways {seconds:7.2f} s     (below {LIMIT_OF_SECONDS})")
    return seconds


@click.command(help=__doc__.splitlines()[0])
@click.option("--repeats", default=200, show_default=True)
def main(repeats: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    print(f"optuna {optuna.__version__}, RandomSampler, in memory")
    ratio = compare_suggestions(repeats)
    seconds = round_trip_all_cells()
    if ratio > LIMIT_OF_RATIO or seconds >= LIMIT_OF_SECONDS:
        raise SystemExit("Too slow.")


if __name__ == "__main__":
    main()
