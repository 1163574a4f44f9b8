"""Networks whose accuracy is known by a formula, and small ones that are trained on digits."""

from __future__ import annotations

import math
from typing import Any

import optuna
from plain_network import PlainNetwork

from optuna_nas import scaling
from optuna_nas.objectives import Evaluator, ScaledTraining, ScalingStudyObjective, TrainingJob
from optuna_nas.scaling import Coefficients, ResNet, ScalableNetwork, ScalingGrid
from optuna_nas.training import load_data

BASE = PlainNetwork()
TINY = ResNet(blocks=(1, 1, 1, 1), kind="basic", stem="cifar", width=0.125, resolution=8)
KNOWN = {"num_classes": 10, "in_channels": 1}


def known(optimum: tuple[float, float, float]) -> Evaluator:
    """An accuracy whose best shares of depth, width and resolution are those of ``optimum``."""
    best = scaling.shares(Coefficients(*optimum))

    def evaluator(job: TrainingJob, **_: Any) -> float:
        network = job.network
        assert isinstance(network, ScalableNetwork)
        logs = [
            math.log(network.depth / BASE.depth),
            2 * math.log(network.width / BASE.width),
            2 * math.log(network.resolution / BASE.resolution),
        ]
        shares = [part / sum(logs) for part in logs]
        gain = 0.05 * math.log(network.profile(**KNOWN).macs)
        return gain - sum((a - b) ** 2 for a, b in zip(shares, best, strict=True))

    return evaluator


def by_regime(job: TrainingJob, **_: Any) -> float:
    """Width takes away more error in one epoch, depth in ten."""
    network = job.network
    assert isinstance(network, ScalableNetwork)
    width, depth = (0.3, 0.1) if job.epochs == 1 else (0.1, 0.5)
    return 1 - 0.5 * network.width ** (-2 * width) * network.depth**-depth / 10


def one_size(evaluator: Any = None, **options: Any) -> ScalingStudyObjective:
    grid = ScalingGrid(widths=(0.125,), depths=(1,), resolutions=(12,), regimes=(2,))
    data = load_data("digits", train_size=64, val_size=64)
    base = ResNet(blocks=(1, 1, 1, 1), kind="basic", stem="cifar")
    return ScalingStudyObjective(
        base, ScaledTraining(data) if evaluator is None else evaluator, grid=grid,
        **{"device": "cpu"} | options,
    )  # fmt: skip


def run(objective: ScalingStudyObjective) -> optuna.Study:
    study = optuna.create_study(direction="maximize", sampler=objective.sampler(seed=0))
    study.optimize(objective)
    return study
