"""How far shared weights rank children as training on their own does (half an hour of one core).

Shared weights are trained on uniformly drawn paths of the NAS-Bench-201 supernet; then 50 cells,
drawn at random, are evaluated on them, on the same weights before any training, and by networks of
equal size trained from scratch. Kendall's tau of both is printed. Results are appended to a file
line by line, so a run that is stopped goes on where it was.

    python benchmarks/rank_correlation.py --root data
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import optuna
import torch
from scipy.stats import kendalltau

from one_shot import DERIVED, RECIPE, Results
from optuna_nas.objectives import NetworkTraining, SharedWeightsObjective, TrainingObjective
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.spaces import Architecture, NASBench201Space
from optuna_nas.training import load_data
from optuna_nas.visualization import plot_rank_correlation

SPACE = NASBench201Space()


def children(count: int) -> list[Architecture]:
    """So many cells, drawn uniformly."""
    study = optuna.create_study(direction="maximize")
    return RandomSearchSampler(seed=0).propose(study, SPACE.suggest, count)


def told(name: str, scores: Sequence[float], alone: Sequence[float]) -> str:
    tau, p_value = kendalltau(scores, alone)
    return f"{name:20} Kendall's tau {tau:5.2f}   (p = {p_value:.1g}, n = {len(alone)})"


@click.command(help=__doc__.splitlines()[0])
@click.option("--data", default="fashion-mnist", show_default=True)
@click.option("--root", type=click.Path(path_type=Path), help="Where torchvision's files are.")
@click.option("--images", default=10_000, show_default=True, help="To train with.")
@click.option("--image-size", default=16, show_default=True)
@click.option("--count", default=50, show_default=True, help="Children that are ranked.")
@click.option("--epochs", default=20, show_default=True, help="Of the shared weights.")
@click.option("--alone-epochs", default=4, show_default=True, help="Of a child on its own.")
@click.option("--cells", default=1, show_default=True)
@click.option("--channels", default=8, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("rank_correlation.jsonl"))
def main(
    data: str,
    root: Path | None,
    images: int,
    image_size: int,
    count: int,
    epochs: int,
    alone_epochs: int,
    cells: int,
    channels: int,
    out: Path,
) -> None:
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    size = {"cells": cells, "channels": channels}
    loaded = load_data(
        data, root=root, train_size=images, val_size=images // 5, image_size=image_size
    )
    drawn = children(count)
    shared = SharedWeightsObjective(
        SPACE,
        loaded,
        schedule="pretrain",
        epochs=epochs,
        supernet=size,
        recipe=RECIPE,
        weights=out.with_suffix(".pt"),
    )
    before = [shared.weights.metric(child) for child in drawn]
    study = optuna.create_study(direction="maximize", sampler=RandomSearchSampler(seed=0))
    study.optimize(shared, n_trials=1)  # which trains the weights
    after = [shared.weights.metric(child) for child in drawn]
    objective = TrainingObjective(
        SPACE,
        loaded,
        epochs=alone_epochs,
        build=size,
        recipe=DERIVED,
        evaluator=NetworkTraining(channels_last=True),
    )
    results = Results(out)
    for number, child in enumerate(drawn):
        if not results.has("alone", number):
            one = optuna.create_study(direction="maximize")
            one.enqueue_trial(dict(child.params))
            one.optimize(objective, n_trials=1)
            results.add(
                kind="alone",
                seed=number,
                accuracy=one.best_value,
                shared=after[number],
                untrained=before[number],
            )
    alone = [line["accuracy"] for line in results.of("alone")]
    print(told("untrained weights", before, alone))
    print(told("shared weights", after, alone))
    figure = plot_rank_correlation(after, alone, metric="accuracy")
    figure.write_html(out.with_suffix(".html"))


if __name__ == "__main__":
    main()
