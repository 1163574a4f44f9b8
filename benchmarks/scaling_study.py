"""Which dimension pays? A small scaling study on Fashion-MNIST; 7 minutes of one core.

python benchmarks/scaling_study.py --folder runs/scaling --root data
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
from pathlib import Path

import matplotlib.pyplot as plt
import optuna
from matplotlib.ticker import ScalarFormatter

from optuna_nas import scaling
from optuna_nas.objectives import ScaledTraining, ScalingStudyObjective, StrategyObjective
from optuna_nas.profiling import LatencyMeter
from optuna_nas.stores import open_storage
from optuna_nas.training import Recipe, load_data

BASE = scaling.ResNet(blocks=(1, 1, 1, 1), kind="basic", stem="cifar", width=0.125, resolution=10)
GRID = scaling.ScalingGrid(
    widths=(0.125, 0.25), depths=(1, 2), resolutions=(10, 14), regimes=(2, 10)
)
RECIPE = Recipe(lr=0.05, flip=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/scaling"))
    parser.add_argument("--root", type=Path, default=Path("data"), help="of fashion-mnist")
    parser.add_argument("--train-size", type=int, default=1000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--picture", type=Path, help="such as scaling.svg")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    data = load_data(
        "fashion-mnist",
        root=options.root,
        train_size=options.train_size,
        val_size=1000,
        test_size=1000,
    )
    regularisation = scaling.GrowingRegularisation.over(
        BASE,
        GRID,
        num_classes=data.num_classes,
        in_channels=data.in_channels,
        dropout=(0.0, 0.2),
        drop_path=(0.0, 0.1),
    )
    training = ScaledTraining(data, recipe=RECIPE, regularisation=regularisation)
    meter = LatencyMeter(device="cpu")
    repetitions = options.repetitions
    study = run(
        ScalingStudyObjective(
            BASE, training, grid=GRID, repetitions=repetitions, latency=meter, device="cpu"
        ),
        "grid",
        options.folder,
    )
    print(scaling.analyse(study))
    compared = run(
        StrategyObjective(
            dataclasses.replace(BASE, blocks=(2, 2, 2, 2)),
            training,
            epochs=6,
            factor=4,
            repetitions=repetitions,
            latency=meter,
            device="cpu",
        ),
        "strategies",
        options.folder,
    )
    print(scaling.strategy_table(scaling.read_results(compared)))
    if options.picture is not None:
        draw(scaling.analyse(study), scaling.read_results(compared), options.picture)


def run(
    objective: ScalingStudyObjective | StrategyObjective, name: str, folder: Path
) -> optuna.Study:
    """Run a study, or what is left of it."""
    study = optuna.create_study(
        study_name=name,
        storage=open_storage(f"journal:{folder / 'scaling.log'}"),
        direction="maximize",
        sampler=objective.sampler(seed=0),
        pruner=optuna.pruners.NopPruner(),  # or what learns slowly would be missing
        load_if_exists=True,
    )
    study.optimize(objective)
    return study


def draw(
    found: scaling.ScalingAnalysis, compared: tuple[scaling.ScalingResult, ...], path: Path
) -> None:
    """Draw mean and deviation of each network against latency, and those of the strategies."""
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for epochs, color in zip(found.regimes, ("#0072b2", "#d55e00"), strict=True):
        draw_networks(panels[0], found.of(epochs), f"{epochs} epochs", color)
    panels[0].set(title="the grid", ylabel="validation accuracy")
    colors = ("#6e7781", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
    rules = dict.fromkeys(result.rule for result in compared)
    for rule, color in zip(sorted(rules), colors, strict=True):
        runs = tuple(result for result in compared if result.rule == rule)
        draw_networks(panels[1], runs, rule, color)
    panels[1].set(title="four times the base, five ways")
    for panel in panels:
        panel.set(xscale="log", xlabel="measured latency (ms)")
        panel.xaxis.set_minor_formatter(ScalarFormatter())
        panel.xaxis.set_major_formatter(ScalarFormatter())
        panel.grid(alpha=0.3, which="both")
        panel.legend(fontsize=8)
    figure.savefig(path)


def draw_networks(
    panel: plt.Axes, results: tuple[scaling.ScalingResult, ...], label: str, color: str
) -> None:
    """Draw one point with an error bar for each size."""
    sizes: dict[tuple[float, ...], list[scaling.ScalingResult]] = {}
    for result in results:
        size = result.width, result.depth, result.resolution
        sizes.setdefault(size, []).append(result)
    latency = [statistics.mean(r.cost("latency_ms") for r in runs) for runs in sizes.values()]
    mean = [statistics.mean(r.accuracy for r in runs) for runs in sizes.values()]
    deviation = [statistics.stdev(r.accuracy for r in runs) for runs in sizes.values()]
    panel.errorbar(latency, mean, deviation, fmt="o", ms=4, capsize=2, color=color, label=label)


if __name__ == "__main__":
    main()
