"""AmoebaNet (arXiv:1802.01548) at small scale: aging evolution of cells on digits (3 minutes).

A population of random cells; each trial is the child of the best of a random sample, with one
operation or one input changed, and the oldest member dies. The line of the best cell is printed
from its random ancestor on, with what was mutated in each step. Sizes and budget are a few
thousandths of the paper's; ``RegularizedEvolutionSampler.amoebanet()`` has its settings (P = 100,
S = 25), which need thousands of trials.

    python examples/amoebanet.py --trials 40
"""

from __future__ import annotations

from pathlib import Path

import click
import optuna
from optuna.trial import FrozenTrial

from optuna_nas.drawing import save_picture
from optuna_nas.objectives import TrainingObjective
from optuna_nas.samplers import RegularizedEvolutionSampler, parents_of
from optuna_nas.spaces import AmoebaNetSpace
from optuna_nas.training import Recipe, load_data


def line_of(trial: FrozenTrial, study: optuna.Study) -> list[FrozenTrial]:
    """A trial and its ancestors, the oldest first."""
    line = [trial]
    while parents := parents_of(line[0]):
        line.insert(0, study.trials[parents[0]])
    return line


def mutated(child: FrozenTrial, parent: FrozenTrial) -> str:
    """What a child has otherwise than its parent."""
    changes = [
        f"{name}: {parent.params.get(name)} -> {value}"
        for name, value in child.params.items()
        if parent.params.get(name) != value
    ]
    return ", ".join(changes)


@click.command(help=__doc__.splitlines()[0])
@click.option("--trials", default=40, show_default=True)
@click.option("--epochs", default=3, show_default=True)
@click.option("--population", default=12, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--picture", type=click.Path(path_type=Path), default=Path("amoebanet.svg"))
def main(trials: int, epochs: int, population: int, seed: int, picture: Path) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = AmoebaNetSpace(num_blocks=3)
    objective = TrainingObjective(
        space,
        load_data("digits", train_size=640, val_size=800),
        epochs=epochs,
        build={"cells": 1, "channels": 4},
        recipe=Recipe(batch_size=32, lr=0.05),
        seed=seed,
    )
    sampler = RegularizedEvolutionSampler(
        population_size=population,
        tournament_size=population // 2,
        mutation_weights={"input": 1.0, "op": 1.0},
        seed=seed,
        space=space,
    )
    study = optuna.create_study(
        direction="maximize",
        sampler=sampler,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=population),
    )
    study.optimize(objective, n_trials=trials, show_progress_bar=True)
    line = line_of(study.best_trial, study)
    print(f"random ancestor: trial {line[0].number}, validation accuracy {_shown(line[0])}")
    for parent, child in zip(line, line[1:], strict=False):
        print(f"trial {child.number}: {_shown(child)}  {mutated(child, parent)}")
    best = space.architecture(study.best_trial)
    print(f"best cells:\n{best}")
    save_picture(best.graph(), picture)
    print(f"their picture: {picture}")


def _shown(trial: FrozenTrial) -> str:
    return "pruned" if trial.value is None else f"{trial.value:.1%}"


if __name__ == "__main__":
    main()
