"""All samplers beside Optuna's own, on problems whose optimum is known (minutes to hours).

The problems are the NAS-Bench-201 tables (validation accuracy, averaged over the table's training
seeds) and a conditional toy chain. Every sampler runs with one setting, its defaults. The order of
choices is permuted per seed, so that no sampler can profit from it; the reported seeds (1000 and
up) were not used to choose defaults, and no default was chosen on the imagenet table. Regret is
the distance of the best architecture found to the best there is, in points of accuracy.

With ``--noisy`` a trial sees the accuracy of one training seed only. The choice is then the best
trial for most samplers, ``best_architecture(study)`` for those that account for noise, and counts
by its mean accuracy.

Finished runs are kept in the CSV and not repeated, so that it can be run in pieces.

    python benchmarks/samplers.py --samplers evolution,optuna-tpe --csv runs/samplers.csv
    python benchmarks/samplers.py --problems toy --trials 200 --csv runs/toy.csv
"""

from __future__ import annotations

import itertools
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any

import click
import optuna

from contestants import ALL_SAMPLERS, NOISY_SAMPLERS, SAMPLERS
from optuna_nas.samplers import best_architecture
from problems import DATA_SETS, PROBLEMS
from runs import Run, Runs, Steps

TOLERANCE = 1e-9
CHECKPOINTS = 25


def run_once(run: Run, trials: int) -> Steps:
    """The regret of the choice made after each trial, where it changes."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    problem = PROBLEMS[run.problem](run.seed, run.noisy)
    study = optuna.create_study(direction="maximize", sampler=ALL_SAMPLERS[run.sampler](run.seed))
    steps: Steps = []
    for count in range(1, trials + 1):
        study.optimize(problem, n_trials=1)
        choice = _choice(study, run, count)
        if choice is None:
            continue
        regret = max(problem.optimum - problem.true_value(choice), 0.0)
        if not steps or steps[-1][1] != regret:
            steps.append((count, regret))
    return steps


def _choice(study: optuna.Study, run: Run, count: int) -> dict[str, Any] | None:
    """Return the choice after ``count`` trials; None where that is too costly to ask."""
    if run.sampler not in NOISY_SAMPLERS or not run.noisy:
        return study.best_params
    if count % CHECKPOINTS:
        return None
    return dict(best_architecture(study).params)


def report(runs: Runs, asked: list[Run], trials: int) -> None:
    """Print a row for each sampler and problem, from the runs that are there."""
    print(f"optuna {optuna.__version__}, mean regret ± standard error; optimum: evaluations until")
    print("it is found (median), and share of runs that found it; near: within 0.1 of it")
    columns = ("@100", "@200", "optimum", f"by {trials}", "near @200", "runs")
    print(f"{'sampler':<17}{'problem':<10}" + "".join(f"{name:>16}" for name in columns))
    for (sampler, problem), group in itertools.groupby(asked, lambda r: (r.sampler, r.problem)):
        found = [runs.steps[run] for run in group if run in runs.steps]
        if found:
            print(f"{sampler:<17}{problem:<10}{_row(found, trials)}")


def _row(found: list[Steps], trials: int) -> str:
    cells = []
    for at in (100, 200):
        mean, error = Runs.mean_and_error([Runs.regret(steps, at) for steps in found])
        cells.append(f"{mean:.3f} ± {error:.3f}" if at <= trials else "")
    median, share = Runs.until_optimum(found, trials, TOLERANCE)
    cells.append(f"> {trials}" if median > trials else f"{median:.0f}")
    cells.append(f"{share:.0%}")
    near = [Runs.regret(steps, min(200, trials)) <= 0.1 for steps in found]
    cells += [f"{sum(near) / len(near):.0%}", f"{len(found)}"]
    return "".join(f"{cell:>16}" for cell in cells)


def _names(ctx: click.Context, param: click.Parameter, value: str, known: dict[str, Any]) -> Any:
    names = value.split(",")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise click.BadParameter(f"{', '.join(unknown)}: there are {', '.join(known)}")
    return names


@click.command(help=__doc__.splitlines()[0])
@click.option(
    "--samplers", default=",".join(SAMPLERS), callback=partial(_names, known=ALL_SAMPLERS)
)
@click.option("--problems", default=",".join(DATA_SETS), callback=partial(_names, known=PROBLEMS))
@click.option("--seeds", default=30, show_default=True)
@click.option("--first-seed", default=1000, show_default=True)
@click.option("--trials", default=500, show_default=True)
@click.option("--noisy", is_flag=True, help="A trial sees one training seed.")
@click.option("--jobs", default=1, show_default=True, help="Processes.")
@click.option("--csv", "path", type=click.Path(path_type=Path), default="runs/samplers.csv")
@click.option("--figure", type=click.Path(path_type=Path), help=".html, or .png with kaleido.")
@click.option("--run/--no-run", default=True, help="Run what is missing, or only report.")
def main(
    samplers: list[str],
    problems: list[str],
    seeds: int,
    first_seed: int,
    trials: int,
    noisy: bool,
    jobs: int,
    path: Path,
    figure: Path | None,
    run: bool,
) -> None:
    asked = [
        Run(problem, sampler, seed, noisy)
        for sampler, problem in itertools.product(samplers, problems)
        for seed in range(first_seed, first_seed + seeds)
    ]
    runs = Runs.read(path, trials)
    missing = [one for one in asked if one not in runs.steps] if run else []
    with ProcessPoolExecutor(jobs) as pool:
        futures = {pool.submit(run_once, one, trials): one for one in missing}
        with click.progressbar(as_completed(futures), length=len(futures), label="runs") as done:
            for future in done:
                runs.add(futures[future], future.result())
    report(runs, asked, trials)
    if figure is not None:
        print(f"figure: {runs.draw(asked, figure)}")


if __name__ == "__main__":
    main()
