"""Trains networks in this process: the evaluator that objectives have by default."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from optuna_nas._ground.per_process import PerProcess
from optuna_nas.objectives.evaluation._job import TrainingJob
from optuna_nas.training import fit, resolve_device

if TYPE_CHECKING:
    from optuna_nas.training import CheckpointSlot, Data, EpochResult, History

__all__ = ["NetworkTraining"]


class NetworkTraining(PerProcess):
    """Evaluator that builds the network of a job and trains it here.

    Args:
        channels_last: Whether that memory format is used, as for
            :func:`optuna_nas.training.fit`. Default: False.
        compile: Whether every network is compiled anew, as for
            :func:`optuna_nas.training.fit`. Default: False.

    Example:
        >>> from optuna_nas.objectives import NetworkTraining, TrainingJob
        >>> from optuna_nas.spaces.published import NASBENCH201_RESNET
        >>> from optuna_nas.training import load_data
        >>> job = TrainingJob(
        ...     network=NASBENCH201_RESNET,
        ...     build={"cells": 1, "channels": 4, "num_classes": 10, "in_channels": 1},
        ...     data=load_data("digits"),
        ...     epochs=1,
        ... )
        >>> history = NetworkTraining(channels_last=True)(job)
        >>> history.last.val_metric > 0.2
        True
    """

    identity = None

    def __init__(self, *, channels_last: bool = False, compile: bool = False) -> None:
        self.channels_last = channels_last
        self.compile = compile
        self._forget()

    def _forget(self) -> None:
        self._placed: tuple[Data, torch.device, Data] | None = None

    def __call__(
        self,
        job: TrainingJob,
        /,
        *,
        on_epoch: Callable[[EpochResult], None] | None = None,
        checkpoint: CheckpointSlot | None = None,
    ) -> History:
        """Train the network of a job.

        Raises:
            ValueError: If the job has no data.
        """
        if job.data is None:
            raise ValueError("`job` must have data to train on, but got data=None.")
        device = resolve_device(job.device)
        return fit(
            job.model(),
            self._on_device(job.data, device),
            epochs=job.epochs,
            task=job.task,
            recipe=job.recipe,
            seed=job.seed,
            device=device,
            channels_last=self.channels_last,
            compile=self.compile,
            accumulate=job.accumulate,
            image_size=job.image_size,
            on_epoch=on_epoch,
            checkpoint=checkpoint,
        )

    def _on_device(self, data: Data, device: torch.device) -> Data:
        """Move data once for all jobs on it, since a search has thousands."""
        if self._placed is None or self._placed[0] is not data or self._placed[1] != device:
            self._placed = data, device, data.to(device)
        return self._placed[2]
