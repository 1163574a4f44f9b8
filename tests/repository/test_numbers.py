"""Every number of the public interface is checked: booleans, NaN and texts are none."""

from __future__ import annotations

import inspect
import math
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn

from optuna_nas import objectives, profiling, pruners, samplers, scaling, spaces, training

FACES = (objectives, profiling, pruners, samplers, scaling, spaces, training)

ALIASES = "target|smallest|tau_start"  # what is checked together or under another name
LIMITS = ("max_params", "max_macs")  # 1e9 is a limit, too

# What holds results and is made by us, and what is tested where its other arguments are known.
RESULTS = {
    *("Comparison", "CompoundFit", "EpochResult", "Estimate", "Evaluation", "FoldedNetwork"),
    *("ImageData", "Latency", "LayerProfile", "NonFiniteLossError", "Payoff", "PowerLaw"),
    *("Processes", "Profile", "ScalingAnalysis", "ScalingResult", "ScoredArchitecture"),
    *("FunctionRun", "LoaderSplit", "Report", "SearchReading", "StudyIdentity"),
    *("ScoredChild", "SizeEstimate", "StreamedSplit", "Verdict", "OptunaPruningCallback"),
}
ELSEWHERE = {
    "repeat",
    *("fail_dead_trials", "warm_start", "score_architectures", "seeded", "fit", "evaluate"),
    *("load_checkpoint", "load_data", "family", "grown_to", "stage_blocks", "repeats"),
    *("randaugment_magnitude", "activation_memory", "fold_batch_norm", "best_trials"),
    *("CompoundScalingObjective", "ScalingStudyObjective", "StrategyObjective", "resnet_rs"),
    *("mnasnet_reward", "measure_latencies", "efficientnet", "ScaledTraining"),
    "training_function",  # which checks when it decorates
}


@cache
def data() -> training.ImageData:
    return training.load_data("digits", train_size=20, val_size=10, test_size=0)


def model() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def search() -> dict[str, Any]:
    return {"space": spaces.NASBench201Space(), "data": data(), "epochs": 1}


def loaders() -> dict[str, Any]:
    rows = torch.utils.data.TensorDataset(torch.zeros(20, 2), torch.zeros(20))
    loader = torch.utils.data.DataLoader(rows, batch_size=5)
    return {"name": "rows", "train": loader, "val": loader}


def own_loop(model: Any, trial: Any, report: Any) -> float:
    return 1.0


# The other arguments that these need.
NEEDS: dict[str, Callable[[], dict[str, Any]]] = {
    "CellSpace": lambda: {"ops": {"skip": "identity"}},
    "Coefficients": lambda: {"alpha": 1.2, "beta": 1.1, "gamma": 1.15},
    "DARTSObjective": search,
    "GrowingRegularisation": lambda: {"smallest": 1, "largest": 2},
    "LatencyReward": lambda: {"target_ms": 1.0},
    "MacsReward": lambda: {"target_macs": 10},
    "ProgressiveSize": lambda: {"final": 8, "epochs": 4},
    "ProgressiveSampler": lambda: {"space": spaces.PNASSpace(num_blocks=(1, 2))},
    "ProxyObjective": lambda: {"space": spaces.NASBench201Space(), "data": data()},
    "ScalableCells": lambda: {
        "architecture": spaces.published.NASBENCH201_RESNET,
        "cells": 1,
        "channels": 4,
    },
    "ScalingGrid": lambda: {
        "widths": (1.0,),
        "depths": (1.0,),
        "resolutions": (8,),
        "regimes": (1,),
    },
    "SharedWeightsObjective": search,
    "SizeReward": lambda: {"target_params": 10},
    "TensorData": lambda: {"name": "rows", "train": (torch.zeros(20, 2), torch.arange(20) % 2)},
    "LoaderData": loaders,
    "TrainingObjective": search,
    "TrainingFunction": lambda: {
        "function": own_loop,
        "space": spaces.NASBench201Space(),
        "inputs": (1, 8, 8),
        "metric": "MAE",
    },
    "ReusableRuns": lambda: {"score": max, "epochs": 1},
    "TrainingJob": lambda: {"network": spaces.published.NASBENCH201_RESNET, "epochs": 1},
    "estimate": lambda: {"space": spaces.NASBench201Space(), "data": data()},
    "layer_table": lambda: {"model": model(), "input_size": (1, 8, 8)},
    "measure_latency": lambda: {"model": model(), "input_size": (1, 8, 8)},
    "profile": lambda: {"model": model(), "input_size": (1, 8, 8)},
    "sample_architectures": lambda: {"space": spaces.NASBench201Space(), "count": 1},
}


def numbers() -> Iterator[tuple[str, str]]:
    for face in FACES:
        for name in face.__all__:
            made = getattr(face, name)
            if name in RESULTS | ELSEWHERE or not callable(made) or is_abstract(made):
                continue
            for parameter in parameters(made):
                if kind_of(parameter) is not None:
                    yield f"{face.__name__.removeprefix('optuna_nas.')}.{name}", parameter.name


def is_abstract(made: Any) -> bool:
    failing = isinstance(made, type) and issubclass(made, Exception)
    return inspect.isabstract(made) or failing


def parameters(made: Any) -> list[inspect.Parameter]:
    try:
        given = list(inspect.signature(made).parameters.values())
    except (TypeError, ValueError):
        return []
    return [one for parameter in given for one in unpacked(made, parameter)]


def unpacked(made: Any, parameter: inspect.Parameter) -> list[inspect.Parameter]:
    """Parameters that ``**options: Unpack[Options]`` stands for, of a typed dictionary there."""
    found = re.fullmatch(r"Unpack\[(\w+)\]", str(parameter.annotation))
    if found is None:
        return [parameter]
    here = vars(sys.modules[made.__module__])  # samplers import theirs for type checkers only
    options = here.get(found[1]) or getattr(samplers.base, found[1])
    return [
        inspect.Parameter(name, parameter.KEYWORD_ONLY, annotation=kind.__forward_arg__)
        for name, kind in options.__annotations__.items()
    ]


def kind_of(parameter: inspect.Parameter) -> type | None:
    """Tell whether a parameter takes an int or a float, perhaps None."""
    text = str(parameter.annotation).replace("| None", "").strip()
    return {"int": int, "float": float}.get(text)


NUMBERS = list(numbers())


def test_there_are_many() -> None:
    assert len(NUMBERS) > 100
    assert ("training.Recipe", "lr") in NUMBERS
    assert ("samplers.PPOSampler", "clip") in NUMBERS
    assert ("objectives.ProxyObjective", "keep_checkpoints") in NUMBERS


@pytest.mark.parametrize(("path", "name"), NUMBERS, ids=map(".".join, NUMBERS))
def test_what_is_no_number_is_refused(path: str, name: str) -> None:
    face, _, called = path.rpartition(".")
    made = getattr(next(f for f in FACES if f.__name__.endswith(face)), called)
    kind = next(kind_of(p) for p in parameters(made) if p.name == name)
    needed = NEEDS.get(called, dict)()
    no_int = kind is int and name not in LIMITS
    for value in (True, "3", math.nan, 1.5 if no_int else math.inf, [1]):
        with pytest.raises(
            (ValueError, TypeError), match=rf"`({name}|target|smallest|tau_start)`"
        ):
            made(**{**needed, name: value})
