"""One objective of each kind, as version 0.1 in development (f116ed3) told them to studies.

``stored_identities.json`` was written by that version with these settings.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from optuna_nas.objectives import (
    AlphaRecipe,
    CompoundScalingObjective,
    DARTSObjective,
    DARTSVariant,
    DirichletMixing,
    EigenvalueStop,
    LatencyReward,
    MacsReward,
    Objective,
    Perturbation,
    ProxyObjective,
    ScaledTraining,
    ScalingStudyObjective,
    SharedWeightsObjective,
    StrategyObjective,
    TrainingObjective,
)
from optuna_nas.profiling import LatencyMeter
from optuna_nas.scaling import STRATEGIES, EfficientNet, GrowingRegularisation, ResNet, ScalingGrid
from optuna_nas.spaces import DARTSSpace, ENASMicroSpace, NASBench201Space, NASNetSpace
from optuna_nas.training import Recipe, load_data

STORED: dict[str, Any] = json.loads((Path(__file__).parent / "stored_identities.json").read_text())
DATA = load_data("digits", train_size=128, val_size=64)
SPACE = NASBench201Space()
SIZE = {"cells": 1, "channels": 4}
CPU: dict[str, Any] = {"device": "cpu"}
BASE = {"blocks": (1, 1, 1, 1), "kind": "basic", "stem": "cifar"}


def own_meter(model: nn.Module, input_size: tuple[int, ...]) -> float:
    return 1.0


MAKE: dict[str, Callable[[], Objective[Any]]] = {
    "training": lambda: TrainingObjective(SPACE, DATA, epochs=2, build=SIZE, **CPU),
    "latency": lambda: TrainingObjective(
        SPACE,
        DATA,
        epochs=2,
        value=LatencyReward(target_ms=3),
        latency=LatencyMeter(device="cpu", batch_size=4),
        **CPU,
    ),
    "hard": lambda: TrainingObjective(
        SPACE, DATA, epochs=2, value=MacsReward(target_macs=3, hard=True), score="best", **CPU
    ),
    "pareto": lambda: TrainingObjective(
        NASNetSpace(num_blocks=2),
        DATA,
        epochs=2,
        value=("metric", "latency_ms", "macs"),
        latency=own_meter,
        recipe=Recipe(lr=0.3),
        **CPU,
    ),
    "proxy": lambda: ProxyObjective(SPACE, "digits", proxy="synflow", build=SIZE, seed=3, **CPU),
    "darts": lambda: DARTSObjective(
        DARTSSpace(num_nodes=2), DATA, epochs=3, supernet={"cells": 1}, **CPU
    ),
    "darts1": lambda: DARTSObjective(
        SPACE,
        DATA,
        epochs=3,
        value="one_shot",
        variant=DARTSVariant(mixing=DirichletMixing()),
        **CPU,
    ),
    "darts2": lambda: DARTSObjective(
        SPACE,
        DATA,
        epochs=30,
        variant=DARTSVariant(selection=Perturbation()),
        eval_recipe=Recipe(lr=0.2),
        alpha=AlphaRecipe(lr=0.1),
        **CPU,
    ),
    "darts3": lambda: DARTSObjective(
        SPACE, DATA, epochs=30, variant=DARTSVariant(stop=EigenvalueStop(window=3)), **CPU
    ),
    "shared": lambda: SharedWeightsObjective(
        ENASMicroSpace(num_blocks=2),
        DATA,
        epochs=3,
        children_per_epoch=3,
        seed=4,
        supernet=SIZE,
        **CPU,
    ),
    "pretrain": lambda: SharedWeightsObjective(
        SPACE, DATA, schedule="pretrain", epochs=3, supernet=SIZE, **CPU
    ),
    "compound": lambda: CompoundScalingObjective(
        EfficientNet(resolution=32, width=0.1), "digits", epochs=1
    ),
    "strategy": lambda: StrategyObjective(
        ResNet(width=0.125, resolution=8, **BASE),  # type: ignore[arg-type]
        ScaledTraining(
            DATA,
            start=0.5,
            regularisation=GrowingRegularisation(smallest=1, largest=10**9),
        ),
        epochs=1,
        factor=2,
        strategies={"depth": STRATEGIES["depth"]},
        repetitions=1,
    ),
    "grid": lambda: ScalingStudyObjective(
        ResNet(**BASE),  # type: ignore[arg-type]
        DATA,
        grid=ScalingGrid(widths=(0.125, 0.25), depths=(1, 2), resolutions=(8, 16), regimes=(1, 4)),
    ),
}
