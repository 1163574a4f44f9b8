"""ENAS (arXiv:1802.03268) at small scale: a controller and weights that all children share.

The weights are trained for one epoch, one child per batch, as the controller proposes them; then
the controller learns from a block of trials, each a child on one batch of validation images. The
best children are scored again on all of them, and the first one is trained from scratch. The
rank correlation with training from scratch says how far the shared weights can be trusted (3
minutes).

    python examples/enas.py --epochs 20 --children 60
"""

from __future__ import annotations

import click
import optuna
from scipy.stats import kendalltau

from optuna_nas.objectives import SharedWeightsObjective
from optuna_nas.samplers import ReinforceSampler
from optuna_nas.spaces import ENASMicroSpace, sample_architectures
from optuna_nas.training import Recipe, evaluate, fit, load_data, seeded

SPACE = ENASMicroSpace(num_blocks=2)
SIZE = {"cells": 1, "channels": 8}
RECIPE = Recipe(lr=0.05, lr_min=0.0005, weight_decay=2e-4, batch_size=32, clip_grad_norm=5.0)


@click.command(help=__doc__.splitlines()[0])
@click.option("--epochs", default=20, show_default=True, help="Of the shared weights.")
@click.option("--children", default=60, show_default=True, help="Trials after each epoch.")
@click.option("--final-epochs", default=8, show_default=True)
@click.option("--compared", default=8, show_default=True, help="Children trained from scratch.")
@click.option("--seed", default=0, show_default=True)
def main(epochs: int, children: int, final_epochs: int, compared: int, seed: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    data = load_data("digits", train_size=640, val_size=800)
    study = optuna.create_study(
        direction="maximize", sampler=ReinforceSampler.enas_micro(seed=seed)
    )
    objective = SharedWeightsObjective(
        SPACE,
        data,
        epochs=epochs,
        children_per_epoch=children,
        supernet=SIZE,
        recipe=RECIPE,
        seed=seed,
    )
    study.optimize(objective, n_trials=epochs * children, show_progress_bar=True)
    best = objective.derive(study, 10)
    print(f"best of {len(study.trials)}, on shared weights: accuracy {best[0].metric:.1%}")

    def alone(architecture, split):
        with seeded(seed):
            model = architecture.build(num_classes=10, in_channels=1, **SIZE)
        fit(model, data, epochs=final_epochs, recipe=RECIPE, seed=seed)
        return evaluate(model, split, data).metric

    sampled = sample_architectures(SPACE, compared, seed=seed)
    shared = [objective.weights.metric(child) for child in sampled]
    tau = kendalltau(shared, [alone(child, data.val) for child in sampled]).statistic
    print(f"{compared} random children: Kendall's tau with training from scratch {tau:.2f}")
    print(best[0].architecture)
    print(f"trained from scratch: test accuracy {alone(best[0].architecture, data.test):.1%}")


if __name__ == "__main__":
    main()
