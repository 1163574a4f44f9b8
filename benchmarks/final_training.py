"""A search and its final training on 10,000 images of Fashion-MNIST, beside baselines.

`optuna-nas search` looks for a network of three stages, each of plain, separable or mobile
convolutions, with few epochs; then its best are trained to the end as `optuna-nas train` does it,
beside random search of equal budget, a ResNet-20 of the same multiply-adds, a convolutional
network made by hand with the same number of parameters, and scikit-learn's logistic regression,
whose strength is chosen by validation. The official 10,000 test images are looked at once per run.
Images are scaled to 16x16, for all alike, so that it takes a quarter of an hour of one core.
Debian's package dataset-fashion-mnist has the files; unpack them into data/FashionMNIST/raw.

    python benchmarks/final_training.py --root data --folder runs/final_training
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import optuna
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from optuna_nas.cli import main as optuna_nas
from optuna_nas.final import Candidate, Comparison, Spread, found, resnet_of_equal_macs, retrain
from optuna_nas.nn import ConvBlock, ConvNormAct, MBConv
from optuna_nas.objectives import TrainingObjective
from optuna_nas.spaces import function_space
from optuna_nas.stores import open_storage
from optuna_nas.training import ImageData, Recipe, load_data


@function_space
def stages(trial: Any, num_classes: int = 10, in_channels: int = 1) -> nn.Module:
    """Three stages of equal layers; the second and the third halve the map."""
    width = channels = trial.suggest_categorical("width", [16, 24, 32])
    layers: list[nn.Module] = [ConvNormAct(in_channels, width, (3, 3))]
    for stage in (1, 2, 3):
        op = trial.suggest_categorical(f"stage_{stage}_op", ["conv", "sep_conv", "mbconv"])
        kernel = trial.suggest_categorical(f"stage_{stage}_kernel", [3, 5])
        weighed = trial.suggest_categorical(f"stage_{stage}_se", [False, True])
        for layer in range(trial.suggest_int(f"stage_{stage}_layers", 1, 2)):
            wider, stride = width * 2 ** (stage - 1), 2 if stage > 1 and layer == 0 else 1
            if op == "conv":
                layers.append(ConvBlock(channels, wider, kernel, stride=stride))
            else:
                expansion, ratio = 3 if op == "mbconv" else 1, 0.25 if weighed else 0.0
                layers.append(
                    MBConv(
                        channels,
                        wider,
                        kernel,
                        expansion=expansion,
                        stride=stride,
                        se_ratio=ratio,
                    )
                )
            channels = wider
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes))
    return nn.Sequential(*layers, *head)


RECIPE = {"lr": 0.05, "batch_size": 64, "crop_padding": 1, "flip": True}
MAX_PARAMS = 60_000
STRENGTHS = (0.001, 0.01, 0.1)
SEEDS = 3


def hand_made(width: int, data: ImageData) -> nn.Module:
    """Three convolutions of `width` filters, twice and four times as many, each pooled."""
    layers: list[nn.Module] = []
    channels = data.in_channels
    for filters in (width, 2 * width, 4 * width):
        layers += [
            nn.Conv2d(channels, filters, 3, padding=1, bias=False),
            nn.BatchNorm2d(filters),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
        channels = filters
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, data.num_classes))
    return nn.Sequential(*layers, *head)


def hand_made_of_equal_params(data: ImageData, params: int) -> Candidate:
    """The network made by hand whose parameters come nearest."""

    def candidate(width: int) -> Candidate:
        return Candidate(
            name=f"hand-made-{width}",
            make=lambda: hand_made(width, data),
            origin={"network": "three convolutions", "width": width},
        )

    def distance(width: int) -> int:
        return abs(candidate(width).size(data).params - params)

    return candidate(min(range(1, 200), key=distance))


def logistic_regression(data: ImageData) -> float:
    """Test accuracy; the same for every seed."""

    def pixels(images: torch.Tensor) -> np.ndarray:
        mean, std = (torch.tensor(of)[:, None, None] for of in (data.mean, data.std))
        return ((images / 255 - mean) / std).flatten(1).numpy()

    models = [
        LogisticRegression(C=c, max_iter=1000).fit(pixels(data.train.images), data.train.labels)
        for c in STRENGTHS
    ]
    best = max(models, key=lambda m: m.score(pixels(data.val.images), data.val.labels))
    return float(best.score(pixels(data.test.images), data.test.labels))


def searched(
    folder: Path, root: Path, trials: int, epochs: int, image_size: int, split_seed: int
) -> optuna.Study:
    """Run `optuna-nas search` until the study has so many trials."""
    storage = f"sqlite:///{folder / 'nas.db'}"
    arguments = ["search", "--storage", storage, "--space", f"{__file__}:stages", "--no-pictures"]
    arguments += ["--data", "fashion-mnist", "--data-root", str(root), "--device", "cpu"]
    arguments += ["--train-size", "10000", "--val-size", "2000", "--epochs", str(epochs)]
    arguments += ["--image-size", str(image_size), "--split-seed", str(split_seed)]
    arguments += ["--max-params", str(MAX_PARAMS)]
    for name, value in RECIPE.items():
        arguments += ["--recipe", f"{name}={value}"]
    opened = open_storage(storage)
    known = optuna.get_all_study_names(opened)
    done = len(optuna.load_study(study_name="nas", storage=opened).trials) if known else 0
    if done < trials:
        print("optuna-nas", *arguments, "--trials", trials - done, flush=True)
        optuna_nas([*arguments, "--trials", str(trials - done)], standalone_mode=False)
    return optuna.load_study(
        study_name="nas", storage=opened, pruner=optuna.pruners.MedianPruner()
    )


def report(compared: Comparison, by_hand: str, logistic: float, ours: Sequence[float]) -> bool:
    """Print the table and say whether what was found has beaten the two."""
    chosen, baseline = compared.chosen, compared[by_hand]
    assert chosen is not None
    print(f"\n{compared}")
    print(f"logistic regression of scikit-learn: {logistic:.2%}, the same for every seed")
    wins = chosen.test_metric.mean > max(baseline.test_metric.mean, logistic)
    told = "beats" if wins else "does NOT beat"
    found = Spread.over(ours, format=compared.task.format)
    print(
        f"{chosen.name}: {found} {told} {by_hand} {baseline.test_metric} and "
        f"logistic regression {logistic:.2%}"
    )
    return wins


@click.command(help=__doc__.splitlines()[0])
@click.option("--root", default="data", type=click.Path(path_type=Path), show_default=True)
@click.option("--folder", default="runs/final_training", type=click.Path(path_type=Path))
@click.option("--trials", default=10, show_default=True)
@click.option("--epochs", default=3, show_default=True, help="Of a trial.")
@click.option("--final-epochs", default=8, show_default=True)
@click.option("--top", default=2, show_default=True)
@click.option("--image-size", default=16, show_default=True, help="Pixels; 28 are the true ones.")
@click.option("--split-seed", default=0, show_default=True, help="Which images are for what.")
def main(
    root: Path,
    folder: Path,
    trials: int,
    epochs: int,
    final_epochs: int,
    top: int,
    image_size: int,
    split_seed: int,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = searched(folder, root, trials, epochs, image_size, split_seed)
    data = load_data(
        "fashion-mnist",
        root=root,
        train_size=10_000,
        val_size=2_000,
        image_size=image_size,
        split_seed=split_seed,
    )
    objective = TrainingObjective(
        stages,
        data,
        epochs=epochs,
        max_params=MAX_PARAMS,
        recipe=Recipe(**RECIPE),
        device="cpu",
    )
    best = found(study, stages, data, top=1)[0].size(data)
    by_hand = hand_made_of_equal_params(data, best.params)
    compared = retrain(
        study,
        objective,
        folder=folder / "final",
        epochs=final_epochs,
        top=top,
        seeds=SEEDS,
        baselines=[by_hand, resnet_of_equal_macs(data, best.macs)],
        device="cpu",
        on_run=lambda name, run: print(name, run.seed, f"{run.test_metric:.2%}", flush=True),
    )
    assert compared.chosen is not None
    ours = [run.test_metric for run in compared.chosen.runs]
    if not report(compared, by_hand.name, logistic_regression(data), ours):
        raise SystemExit("Not beaten.")


if __name__ == "__main__":
    main()
