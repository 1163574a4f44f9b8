"""PNAS (arXiv:1712.00559) at small scale: cells grow block by block on digits (4 minutes).

All cells of one block are trained first. Then each is extended by a second block in every way, a
predictor that learned from the trials so far ranks the results, and only the best few are trained;
so again for three blocks. Operations, sizes and budget are a few thousandths of the paper's;
``ProgressiveSampler.pnas()`` has its K = 256, which trains 1,160 cells.

    python examples/pnas.py --beam 8
"""

from __future__ import annotations

from pathlib import Path

import click
import optuna

from optuna_nas.drawing import save_picture
from optuna_nas.objectives import TrainingObjective
from optuna_nas.samplers import ProgressiveSampler
from optuna_nas.spaces import PNASSpace
from optuna_nas.training import Recipe, load_data

OPS = ("sep_conv_3x3", "identity", "max_pool_3x3")


@click.command(help=__doc__.splitlines()[0])
@click.option("--beam", default=8, show_default=True, help="Cells of each larger size, K.")
@click.option("--blocks", default=3, show_default=True, help="Blocks of the largest cells.")
@click.option("--epochs", default=3, show_default=True)
@click.option("--train-size", default=640, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--picture", type=click.Path(path_type=Path), default=Path("pnas.svg"))
def main(beam: int, blocks: int, epochs: int, train_size: int, seed: int, picture: Path) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = PNASSpace(num_blocks=(1, blocks), ops=OPS)
    objective = TrainingObjective(
        space,
        load_data("digits", train_size=train_size, val_size=800),
        epochs=epochs,
        build={"cells": 1, "channels": 4},
        recipe=Recipe(batch_size=32, lr=0.05),
        seed=seed,
    )
    study = optuna.create_study(
        direction="maximize",
        sampler=ProgressiveSampler(space=space, beam_size=beam, seed=seed),
    )
    study.optimize(objective)  # ends by itself, after the last cell of the largest size
    for size in range(1, blocks + 1):
        values = [trial.value for trial in study.trials if trial.params["num_blocks"] == size]
        found = [value for value in values if value is not None]
        mean, best = sum(found) / len(found), max(found)
        print(f"{len(values):>3} cells of {size}: accuracy {mean:.1%} on average, best {best:.1%}")
    best_cell = space.architecture(study.best_trial)
    print(best_cell)
    save_picture(best_cell.graph(), picture)
    print(f"its picture: {picture}")


if __name__ == "__main__":
    main()
