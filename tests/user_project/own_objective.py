"""A user's objective, evaluator, and part of a one-shot variant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Unpack

import torch

from optuna_nas.objectives import (
    Mixing,
    NetworkTraining,
    Objective,
    ObjectiveOptions,
    StudyIdentity,
    TrainingJob,
    TrialRun,
)
from optuna_nas.spaces import Architecture, SearchSpace
from optuna_nas.training import CheckpointSlot, EpochResult, History, ImageData


class CountedLayers(Objective[Architecture]):
    """Counts how often a word stands in an architecture; nothing is trained.

    Args:
        space: Space to suggest from.
        data: Images that networks take, for their costs.
        word: Word to count.
        options: Those of all objectives.
    """

    def __init__(
        self,
        space: SearchSpace,
        data: ImageData,
        *,
        word: str,
        **options: Unpack[ObjectiveOptions],
    ) -> None:
        super().__init__(metric=f"number of {word}", **options)
        self.space = space
        self.word = word
        build = {"num_classes": data.num_classes, "in_channels": data.in_channels}
        self.costs = self.network_costs(build, data)

    @property
    def identity(self) -> StudyIdentity:
        kept = {**self.space.identity, "objective": "counted_layers", "word": self.word}
        return StudyIdentity.from_json(kept)

    def suggest(self, run: TrialRun) -> Architecture:
        architecture = self.space.suggest(run.trial)
        run.record(architecture)
        return architecture

    def evaluate(self, run: TrialRun, plan: Architecture) -> float:
        run.admit(plan)
        return float(str(plan).count(self.word))


class CountingEvaluator:
    """Trains as ever, and counts how often."""

    identity = None

    def __init__(self) -> None:
        self.jobs = 0
        self._training = NetworkTraining()

    def __call__(
        self,
        job: TrainingJob,
        /,
        *,
        on_epoch: Callable[[EpochResult], None] | None = None,
        checkpoint: CheckpointSlot | None = None,
    ) -> History | float:
        self.jobs += 1
        return self._training(job, on_epoch=on_epoch, checkpoint=checkpoint)


@dataclass(frozen=True, kw_only=True)
class Tempered(Mixing):
    """A softmax of a temperature."""

    name: ClassVar[str] = "Tempered"

    temperature: float = 2.0

    def mean(self, alpha: torch.Tensor) -> torch.Tensor:
        return (alpha / self.temperature).softmax(-1)
