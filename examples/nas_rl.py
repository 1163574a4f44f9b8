"""NAS-RL (arXiv:1611.01578) at small scale: a controller grows chains on digits (2 minutes).

An LSTM proposes kernel sizes, filters and skip connections layer by layer, and learns from the
validation accuracy by REINFORCE. As in the paper the chains grow during the search and the reward
is the cube of the best of the last five epochs; depth, filters and budget are a few thousandths of
the paper's. ``ReinforceSampler.nas_rl()`` has its settings, which need thousands of trials.

    python examples/nas_rl.py --trials 40
"""

from __future__ import annotations

from pathlib import Path

import click
import optuna

from optuna_nas.drawing import save_picture
from optuna_nas.objectives import TrainingObjective
from optuna_nas.samplers import ReinforceSampler
from optuna_nas.spaces import NASRLSpace
from optuna_nas.training import Recipe, load_data


def cube(accuracy: float) -> float:
    return accuracy**3


@click.command(help=__doc__.splitlines()[0])
@click.option("--trials", default=40, show_default=True)
@click.option("--epochs", default=5, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--picture", type=click.Path(path_type=Path), default=Path("nas_rl.svg"))
def main(trials: int, epochs: int, seed: int, picture: Path) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Two layers first, one more after every third of the search.
    schedule = (2, 1, max(trials // 3, 1))
    space = NASRLSpace(num_layers=(2, 4), filters=(4, 6, 8, 12), depth_schedule=schedule)
    objective = TrainingObjective(
        space,
        load_data("digits", train_size=640, val_size=800),
        epochs=epochs,
        recipe=Recipe(batch_size=32, lr=0.05),
        score="max_last_5",
        seed=seed,
    )
    study = optuna.create_study(
        direction="maximize",
        sampler=ReinforceSampler(reward=cube, seed=seed, space=space),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=8),
    )
    study.optimize(objective, n_trials=trials, show_progress_bar=True)
    for part, numbers in (("first", range(trials // 3)), ("last", range(2 * trials // 3, trials))):
        values = [v for n in numbers if (v := study.trials[n].value) is not None]
        if values:
            print(f"{part} third: mean validation accuracy {sum(values) / len(values):.1%}")
    best = space.architecture(study.best_trial)
    print(f"best: {best} with a validation accuracy of {study.best_value:.1%}")
    save_picture(best.graph(), picture)
    print(f"its picture: {picture}")


if __name__ == "__main__":
    main()
