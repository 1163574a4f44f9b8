"""Trainings of a second on digits: cells of NAS-Bench-201, their objective and its study."""

from __future__ import annotations

from typing import Any

import optuna
from torch import nn

from optuna_nas.objectives import TrainingObjective
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.spaces import NASBench201Space
from optuna_nas.training import ImageData, Recipe

SPACE = NASBench201Space()
TINY = {"cells": 1, "channels": 4}
SKIP = SPACE.parse("|skip_connect~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|")
CONV = SPACE.parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|none~2|")
# CONV as another string: node 1 is copied to node 2.
SAME = SPACE.parse("|none~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|")


class Meter:
    """Milliseconds as they are told, and how often it was asked."""

    def __init__(self, *answers: float) -> None:
        self.answers = answers
        self.asked: list[tuple[int, ...]] = []

    def __call__(self, model: nn.Module, input_size: tuple[int, ...]) -> float:
        self.asked.append(input_size)
        return self.answers[(len(self.asked) - 1) % len(self.answers)]


def objective_of(data: ImageData, **changes: Any) -> TrainingObjective:
    settings = {"epochs": 2, "build": TINY, "device": "cpu", "recipe": Recipe(batch_size=32)}
    return TrainingObjective(changes.pop("space", SPACE), data, **(settings | changes))


def study_of(*architectures: Any, **kwargs: Any) -> optuna.Study:
    """A study, random unless told otherwise, in which these architectures come first."""
    kwargs = {"direction": "maximize", "sampler": RandomSearchSampler(seed=0)} | kwargs
    study = optuna.create_study(**kwargs)
    for architecture in architectures:
        architecture.enqueue(study)
    return study
