"""Search a NAS-Bench-201 cell on scikit-learn's digits, beside random search (2 minutes, 2 cores).

Each network is small and trained for three epochs on 640 images, which is enough to tell good
cells from bad ones (over random cells, two seeds correlate at 0.8; with more training every cell
reads digits well). The best cell of each search is then trained anew with fresh seeds, and only
then evaluated on the test images. An interrupted run goes on where it stopped.

    python examples/digits_search.py --folder runs/digits
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from pathlib import Path

import click
import optuna
from torch import nn

from optuna_nas.dashboard import picture_store
from optuna_nas.drawing import save_picture
from optuna_nas.objectives import TrainingObjective, fail_dead_trials
from optuna_nas.profiling import measure_latency, profile
from optuna_nas.samplers import RandomSearchSampler, RegularizedEvolutionSampler
from optuna_nas.spaces import Architecture, NASBench201Space
from optuna_nas.stores import open_storage
from optuna_nas.training import (
    ImageData,
    Recipe,
    evaluate,
    fit,
    load_data,
    save_weights,
    seeded,
)

SPACE = NASBench201Space()
SIZE = {"cells": 1, "channels": 4}
EPOCHS = 3
RECIPE = Recipe(batch_size=16, lr=0.05)


def search(
    name: str, sampler: optuna.samplers.BaseSampler, data: ImageData, url: str, trials: int
) -> optuna.Study:
    """One study, brought to ``trials`` finished trials."""
    study = optuna.create_study(
        study_name=name,
        storage=open_storage(url),
        load_if_exists=True,
        direction="maximize",
        sampler=sampler,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=8),
    )
    objective = TrainingObjective(
        SPACE, data, epochs=EPOCHS, build=SIZE, recipe=RECIPE, artifact_store=picture_store(url)
    )
    fail_dead_trials(study)
    done = sum(trial.state.is_finished() for trial in study.trials)
    print(f"{name}: {max(trials - done, 0)} trials")
    study.optimize(objective, n_trials=max(trials - done, 0), show_progress_bar=True)
    return study


def train(
    architecture: Architecture, data: ImageData, epochs: int, seed: int
) -> tuple[nn.Module, float, float]:
    """A network trained from scratch, with its validation and test accuracy."""
    with seeded(seed):
        model = architecture.build(num_classes=10, in_channels=1, **SIZE)
    history = fit(model, data, epochs=epochs, recipe=RECIPE, seed=seed)
    return model, history.last.val_metric, evaluate(model, data.test, data).metric


def spread(values: Iterable[float]) -> str:
    values = list(values)
    return f"{statistics.mean(values):.1%} ± {statistics.stdev(values):.1%}"


@click.command(help=__doc__.splitlines()[0])
@click.option("--folder", type=click.Path(path_type=Path), default=Path("runs/digits"))
@click.option("--trials", default=50, show_default=True, help="Per search.")
@click.option("--seeds", default=5, show_default=True, help="Fresh ones, 2 or more.")
@click.option("--final-epochs", default=30, show_default=True, help="For the weights to keep.")
@click.option("--seed", default=0, show_default=True, help="Of the samplers.")
def main(folder: Path, trials: int, seeds: int, final_epochs: int, seed: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    url = f"sqlite:///{folder / 'nas.db'}"
    data = load_data("digits", train_size=640, val_size=800)
    samplers = {
        "evolution": RegularizedEvolutionSampler(
            population_size=10, tournament_size=5, seed=seed, space=SPACE
        ),
        "random": RandomSearchSampler(seed=seed + 1, space=SPACE),  # not evolution's first trials
    }
    studies = {
        name: search(name, sampler, data, url, trials) for name, sampler in samplers.items()
    }

    print(f"\n{'best of':<11}{'in search':>10}{'pruned':>12}{'validation':>16}{'test':>16}")
    for name, study in studies.items():
        pruned = len(study.get_trials(states=(optuna.trial.TrialState.PRUNED,)))
        found = SPACE.architecture(study.best_trial)
        runs = [train(found, data, EPOCHS, 1000 + i) for i in range(seeds)]
        val, test = spread(run[1] for run in runs), spread(run[2] for run in runs)
        row = f"{study.best_value:>10.1%}{f'{pruned} of {trials}':>12}{val:>16}{test:>16}"
        print(f"{name:<11}{row}")
    print(
        f"In search: the validation accuracy it was chosen by. Then: {seeds} fresh seeds, "
        f"mean ± sd, {EPOCHS} epochs as in the search.\n"
    )
    report(SPACE.architecture(studies["evolution"].best_trial), data, folder, final_epochs)
    print(f"Dashboard      .venv/bin/optuna-nas dashboard --storage {url}")


def report(best: Architecture, data: ImageData, folder: Path, epochs: int) -> None:
    """Train the best cell for longer, and say and keep what there is of it."""
    model, val, test = train(best, data, epochs, seed=0)
    size = profile(model, data.input_size)
    save_picture(best.graph(), folder / "best.svg")
    save_picture(best.graph(), folder / "best.png")
    save_weights(model, folder / "best.pt")
    print(f"Best cell      {best}")
    print(f"After {epochs} epochs {val:.1%} validation, {test:.1%} test accuracy")
    print(f"Parameters     {size.params:,}")
    print(f"FLOPs          {size.flops:,} per image")
    print(f"Latency        {measure_latency(model, data.input_size)}")
    print(f"Picture        {folder / 'best.svg'}")
    print(f"Weights        {folder / 'best.pt'}")


if __name__ == "__main__":
    main()
