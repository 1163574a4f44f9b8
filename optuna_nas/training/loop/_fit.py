"""The training loop.

Every random number of an epoch comes from a stream keyed by (seed, epoch, purpose): the order of
the examples, their augmentation, and what the network itself draws (dropout, drop path).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from typing import TypedDict, Unpack

import torch
from torch import nn

from optuna_nas._ground.checks import require_int, require_options, require_seed
from optuna_nas._ground.forward import materialise
from optuna_nas._ground.keyed import derived_seed
from optuna_nas.nn import set_drop_path
from optuna_nas.training._distributed import copy_buffers, processes, sum_over_processes
from optuna_nas.training._recipe import Recipe
from optuna_nas.training._seeded import seeded
from optuna_nas.training.data import Data
from optuna_nas.training.loop._checkpoint import Checkpoints, CheckpointSlot
from optuna_nas.training.loop._evaluate import (
    BATCH_SIZE,
    Evaluation,
    evaluate_split,
    place,
    task_of,
    task_settings,
)
from optuna_nas.training.loop._history import EpochResult, History, NonFiniteLossError
from optuna_nas.training.loop._learner import Learner
from optuna_nas.training.optim import drop_path, learning_rate
from optuna_nas.training.task import Task

__all__ = ["FitOptions", "fit"]

_STEPS_PER_CHECK = 32  # where reading a loss waits for the device, or for other processes


class FitOptions(TypedDict, total=False):
    """Options of :func:`fit` for how it computes; all of them may be left out.

    Args:
        channels_last: Use that memory format, which tensor cores and many CPUs prefer.
        compile: Compile the training step's forward pass with ``torch.compile``, which takes up
            to minutes; for runs of many thousand steps. A drop path must be constant then.
        accumulate: Learn each batch in so many parts, one after the other, and add up their
            gradients: for networks that do not fit into memory otherwise. Without batch norm the
            steps are the same up to rounding; with it they are not, since the statistics are
            those of the parts.
        image_size: Height and width to which augmented training images are resized in an epoch,
            counted from 1, such as a :class:`ProgressiveSize`; None: as in ``data``. Validation
            always sees the images as they are.
    """

    channels_last: bool
    compile: bool
    accumulate: int
    image_size: Callable[[int], int] | None


_DEFAULTS: FitOptions = {
    "channels_last": False,
    "compile": False,
    "accumulate": 1,
    "image_size": None,
}


def fit(
    model: nn.Module,
    data: Data,
    *,
    epochs: int,
    task: Task | None = None,
    recipe: Recipe | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    on_epoch: Callable[[EpochResult], None] | None = None,
    checkpoint: str | os.PathLike[str] | CheckpointSlot | None = None,
    **options: Unpack[FitOptions],
) -> History:
    """Train a network on ``data.train`` and evaluate it on ``data.val`` after every epoch.

    Data without validation examples (:meth:`ImageData.merged`) is trained on all the same; what
    would be told of them is NaN.

    ``data.test`` is not touched. The same weights and seed give the same history (on a GPU as far
    as its kernels are deterministic); the process's random state is neither used nor changed.

    Within :func:`distributed` under ``torchrun``, all processes train one network, each on its
    part of every batch; all of them call ``fit`` with equal arguments, and get the same history.

    Example:
        >>> import torch
        >>> from optuna_nas.training import fit, load_data, seeded
        >>> with seeded(0):
        ...     model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
        >>> history = fit(model, load_data("digits"), epochs=2, device="cpu")
        >>> history.last.val_metric > 0.8  # the accuracy
        True

    Args:
        model: Takes the data's inputs, gives what the task's loss takes; of the usual tasks, in
            train mode also (output, auxiliary output). It is trained in place, moved to
            ``device`` and left in eval mode.
        data: See :func:`load_data`, :class:`TensorData` and :class:`LoaderData`; already on
            ``device`` where many runs share it.
        epochs: At least 1.
        task: Loss, metric and direction; None: that of the data.
        recipe: The settings; by default ``data.default_recipe``.
        seed: Seed of data order, augmentation and dropout. The weights are the caller's: build the
            model within :func:`seeded`.
        device: See :func:`resolve_device`.
        on_epoch: Called after every epoch; what it raises, such as ``optuna.TrialPruned``, ends
            the run and passes through. See :class:`OptunaPruningCallback`. A run that goes on
            calls it first for the epochs that are restored.
        checkpoint: A file, or another place, that keeps the state after every epoch. If it holds
            one already, the run goes on from there: a run that was killed ends as it would have
            (to the last bit on a CPU, on a GPU as far as its kernels are deterministic). A
            damaged one is told of and passed over.
        options: See :class:`FitOptions`.

    Raises:
        NonFiniteLossError: If a loss is NaN or infinite.
        ValueError: If the model's outputs do not fit the task, it cannot be trained, or
            ``checkpoint`` holds another run.
        torch.OutOfMemoryError: As torch raises it.
    """
    require_int("epochs", epochs)
    require_options("fit", options, FitOptions)
    chosen = _DEFAULTS | options
    require_int("accumulate", chosen["accumulate"])
    require_seed(seed)
    recipe = data.default_recipe if recipe is None else recipe
    if chosen["compile"] and recipe.drop_path and recipe.drop_path_schedule != "constant":
        raise ValueError(
            "`compile` needs a constant drop path, since a network is compiled anew for each "
            f"probability, but got drop_path={recipe.drop_path} and drop_path_schedule="
            f'{recipe.drop_path_schedule!r}: pass compile=False or drop_path_schedule="constant".'
        )
    run = _Run(
        model,
        data,
        task_of(data, task),
        recipe,
        epochs,
        seed,
        device,
        chosen,
    )
    results = run.restore(checkpoint)
    for epoch in range(1, epochs + 1):
        if epoch > len(results):
            results.append(run.epoch(epoch))
            run.save(results)
        if on_epoch is not None:
            on_epoch(results[epoch - 1])
    run.finish()
    return run.history(results)


class _Run:
    """One run: the network that learns, and the data it is trained and evaluated on."""

    def __init__(
        self,
        model: nn.Module,
        data: Data,
        task: Task,
        recipe: Recipe,
        epochs: int,
        seed: int,
        device: str | torch.device,
        options: FitOptions,
    ) -> None:
        accumulate, image_size = options["accumulate"], options["image_size"]
        channels_last, compile = options["channels_last"], options["compile"]
        self._data = data
        self._settings = task_settings(task)
        self._task = task.bound_to(data, recipe)
        self._recipe = recipe
        self._epochs = epochs
        self._seed = seed
        self._device = place(model, device)
        self._processes = processes()
        if channels_last or self._processes.count > 1:  # for which weights must have their shapes
            with seeded(derived_seed(seed, 0, "lazy"), device=self._device):
                materialise(model, data.inputs)
        if channels_last:
            model.to(memory_format=torch.channels_last)
        set_drop_path(model, recipe.drop_path)
        self._image_size = image_size
        self._feed = data.feed(
            recipe,
            seed,
            self._device,
            self._processes,
            channels_last=channels_last,
            image_size=image_size,
        )
        self._accumulate = accumulate
        self._learner = Learner(
            model,
            recipe,
            self._task,
            self._device,
            self._processes,
            compile=compile,
            accumulate=accumulate,
        )
        self._val = data.val.to(self._device)
        self._checkpoints: Checkpoints | None = None

    def restore(
        self, checkpoint: str | os.PathLike[str] | CheckpointSlot | None
    ) -> list[EpochResult]:
        """Go on from a checkpoint, if there is one, and write the next ones there."""
        if checkpoint is None:
            return []
        identity = {
            "epochs": self._epochs,
            "seed": self._seed,
            "recipe": self._recipe.to_dict(),
            "data": self._data.identity,
            "processes": self._processes.count,
            **self._settings,
        }
        if self._accumulate > 1:
            identity["accumulate"] = self._accumulate
        if self._image_size is not None:
            sizes = [self._image_size(epoch) for epoch in range(1, self._epochs + 1)]
            identity["image_sizes"] = sizes
        self._checkpoints = Checkpoints(checkpoint, identity)
        return self._checkpoints.restore(self._learner)

    def save(self, results: list[EpochResult]) -> None:
        """Write a checkpoint, if they are wanted."""
        if self._checkpoints is not None:
            self._checkpoints.save(self._learner, results)

    def epoch(self, epoch: int) -> EpochResult:
        """Train one epoch, counted from 1, and validate."""
        started = time.perf_counter()
        purpose = self._processes.own("network")
        with seeded(derived_seed(self._seed, epoch, purpose), device=self._device):
            train_loss = self._train_epoch(epoch)
            copy_buffers(self._learner.evaluated)
            found = self._evaluation()
        if len(self._val) and not math.isfinite(found.loss):
            last = self._feed.steps - 1
            lr = self._learning_rate(epoch, last)
            raise NonFiniteLossError(epoch, last + 1, lr, found.loss, "validation")
        return EpochResult(
            epoch=epoch,
            train_loss=train_loss,
            val_loss=found.loss,
            val_metric=found.metric,
            seconds=time.perf_counter() - started,
            lr=self._learning_rate(epoch, 0),
        )

    def _evaluation(self) -> Evaluation:
        """How the network does on the validation examples; NaN if there are none."""
        if len(self._val) == 0:
            return Evaluation(loss=math.nan, metric=math.nan, count=0)
        return evaluate_split(
            self._learner.evaluated,
            self._val,
            self._data,
            self._task,
            self._device,
            self._learner.precision,
            self._processes,
            batch_size=max(1, BATCH_SIZE // self._accumulate),
        )

    def history(self, results: list[EpochResult]) -> History:
        """Return the results with the direction of their metric."""
        return History(tuple(results), str(self._task.direction))

    def finish(self) -> None:
        """Leave the model with the weights that were evaluated."""
        self._learner.finish()

    def _train_epoch(self, epoch: int) -> float:
        """Return the mean loss per example."""
        self._learner.model.train()
        unread: list[torch.Tensor] = []
        losses: list[torch.Tensor] = []
        sizes: list[int] = []
        for step, batch in enumerate(self._feed.epoch(epoch)):
            self._set_drop_path(epoch, step)
            loss = self._learner.step(batch, self._learning_rate(epoch, step))
            unread.append(loss * (len(batch) / batch.whole))
            sizes.append(batch.whole)
            if self._reads_loss(step):
                losses.append(self._read_losses(unread, epoch, step))
                unread = []
        weights = torch.tensor(sizes, dtype=torch.float32, device=self._device)
        return float((torch.cat(losses) * weights).sum() / weights.sum())

    def _set_drop_path(self, epoch: int, step: int) -> None:
        schedule = self._recipe.drop_path_schedule
        if step == 0 or (self._recipe.drop_path and schedule == "steps"):
            done = (epoch - 1) * self._feed.steps + step
            p = drop_path(self._recipe, done, self._feed.steps, self._epochs)
            set_drop_path(self._learner.model, p)

    def _learning_rate(self, epoch: int, step: int) -> float:
        done = (epoch - 1) * self._feed.steps + step
        return learning_rate(self._recipe, done, self._feed.steps, self._epochs)

    def _reads_loss(self, step: int) -> bool:
        alone = self._device.type == "cpu" and self._processes.count == 1
        every = 1 if alone else _STEPS_PER_CHECK
        return (step + 1) % every == 0 or step + 1 == self._feed.steps

    def _read_losses(self, unread: list[torch.Tensor], epoch: int, step: int) -> torch.Tensor:
        """Return the losses of all processes' batches; raise in all for the first not finite."""
        losses = sum_over_processes(torch.stack(unread))
        for number, loss in enumerate(losses.tolist(), start=step + 1 - len(unread)):
            if not math.isfinite(loss):
                lr = self._learning_rate(epoch, number)
                raise NonFiniteLossError(epoch, number + 1, lr, loss, "training")
        return losses
