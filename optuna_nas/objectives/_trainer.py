"""Trains the network of one trial: builds it, reports every epoch, goes on after a crash."""

from __future__ import annotations

import dataclasses
import gc
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from optuna import TrialPruned

from optuna_nas import _optuna_seam as seam
from optuna_nas._attributes import Attribute, integer
from optuna_nas._keyed import trial_seed
from optuna_nas.keys import PARTS_KEY, SECONDS_KEY
from optuna_nas.objectives._together import NoSlot, Task
from optuna_nas.objectives.trial._failures import blamed, is_out_of_memory
from optuna_nas.training import (
    EpochResult,
    NonFiniteLossError,
    OptunaPruningCallback,
    fit,
    seeded,
    share,
)
from optuna_nas.training.loop import processes

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

    from optuna_nas.objectives._build import Buildable
    from optuna_nas.objectives.trial._checkpoints import TrialCheckpoints
    from optuna_nas.spaces import SearchSpace
    from optuna_nas.training import CheckpointSlot, ImageData, Recipe

__all__ = ["Trainer", "training_seed"]

PARTS = Attribute(PARTS_KEY, integer(1, 2**20))


@dataclasses.dataclass
class Trainer:
    """What all trials of an objective have in common.

    Attributes:
        data: What networks are trained on.
        epochs: Of each trial.
        build: Arguments for ``architecture.build``.
        seed: Of trial n is a hash of (this, n).
        device: Where networks are trained.
        channels_last: As for :func:`optuna_nas.training.fit`.
        compile: As for :func:`optuna_nas.training.fit`.
        checkpoints: Where trials keep their state; None: they do not.
        image_size: As for :func:`optuna_nas.training.fit`.
    """

    data: ImageData
    epochs: int
    build: Mapping[str, Any]
    seed: int
    device: torch.device
    channels_last: bool = False
    compile: bool = False
    checkpoints: TrialCheckpoints | None = None
    image_size: Callable[[int], int] | None = None
    _on_device: ImageData | None = None

    def train(
        self,
        trial: BaseTrial,
        architecture: Buildable,
        recipe: Recipe,
        *,
        factor: float = 1.0,
        tell: Callable[[str, EpochResult], None] | None = None,
    ) -> list[float]:
        """Return the validation accuracy after each epoch; ``factor`` times it is reported.

        Before that, ``tell("training", result)`` is called.

        Raises:
            TrialPruned: If the pruner stops the trial, or its network cannot be trained.
            TrialError: If something else is wrong.
        """
        results: list[EpochResult] = []
        report = (
            OptunaPruningCallback(trial, last_epoch=self.epochs)
            if seam.takes_reports(trial)
            else None
        )

        def on_epoch(result: EpochResult) -> None:
            results.append(result)
            if tell is not None:
                tell("training", result)
            if report is not None:
                report(dataclasses.replace(result, val_accuracy=factor * result.val_accuracy))

        started = time.perf_counter()
        try:
            with blamed(trial, architecture, self.data.input_size, "training"):
                while not self._fits(trial, architecture, recipe, on_epoch, results):
                    _free_memory()
        finally:
            before = sum(result.seconds for result in results if result.restored)
            seconds = before + time.perf_counter() - started
            trial.set_user_attr(SECONDS_KEY, round(seconds, 4))
        return [result.val_accuracy for result in results]

    def _fits(
        self,
        trial: BaseTrial,
        architecture: Buildable,
        recipe: Recipe,
        on_epoch: Any,
        results: list[EpochResult],
    ) -> bool:
        """Train the network; if it has no room, double the parts of a batch and say no.

        The run begins anew then, so that its result depends on the number of parts and on nothing
        else. That needs two images in a part, and an epoch that nobody has heard of yet.
        """
        parts = PARTS.read(trial) or 1
        slot = None if self.checkpoints is None else self.checkpoints.slot(trial)
        task = Task(
            params=dict(architecture.params),
            recipe=recipe,
            seed=training_seed(self.seed, trial),
            accumulate=parts,
            reports=seam.takes_reports(trial),
            keeps=slot is not None,
        )
        try:
            self._run(architecture, share(task), on_epoch, slot)
            return True
        except Exception as e:
            if not is_out_of_memory(e):
                raise
            if processes().count > 1:
                raise RuntimeError(
                    "no room in one of several processes, which cannot go on without each other: "
                    "a smaller batch_size, or max_params / max_macs, would prevent it."
                ) from None
            batch = min(recipe.batch_size, len(self.data.train))
            if results or batch // (2 * parts) < 2:
                raise
        trial.set_user_attr(PARTS_KEY, 2 * parts)
        return False

    def train_along(self, space: SearchSpace) -> None:
        """Train the networks that the first process trains, until it has no more."""
        nothing: Task | None = None
        while (task := share(nothing)) is not None:
            report = OptunaPruningCallback(None, last_epoch=self.epochs) if task.reports else None
            architecture = space.architecture(task.params)
            try:
                self._run(architecture, task, report, NoSlot() if task.keeps else None)
            except (TrialPruned, NonFiniteLossError):  # as in the first process
                continue

    def _run(
        self,
        architecture: Buildable,
        task: Task,
        on_epoch: Any,
        slot: CheckpointSlot | None,
    ) -> None:
        with seeded(task.seed):
            model = architecture.build(**self.build)
        if self._on_device is None:
            self._on_device = self.data.to(self.device)
        fit(
            model,
            self._on_device,
            epochs=self.epochs,
            recipe=task.recipe,
            seed=task.seed,
            device=self.device,
            channels_last=self.channels_last,
            compile=self.compile,
            accumulate=task.accumulate,
            image_size=self.image_size,
            on_epoch=on_epoch,
            checkpoint=slot,
        )


def training_seed(seed: int, trial: BaseTrial) -> int:
    """Hash of (seed, trial number); a trial that is tried again has the number of the first."""
    return trial_seed(seed, seam.first_number(trial))


def _free_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
