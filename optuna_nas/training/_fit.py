"""The training loop.

Every random number of an epoch comes from a stream keyed by (seed, epoch, purpose): the order of
the images, their augmentation, and what the network itself draws (dropout, drop path). Images
stay uint8 on the device and become floats batch by batch.

Letters: ``B`` images in a batch, ``C`` channels, ``H`` x ``W`` pixels, ``K`` classes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from optuna_nas.nn import set_drop_path
from optuna_nas.training._augment import Normaliser, random_crop, random_flip
from optuna_nas.training._data import ImageData
from optuna_nas.training._evaluate import checked_logits, evaluate, place
from optuna_nas.training._history import EpochResult, History, NonFiniteLossError
from optuna_nas.training._optimizers import learning_rate, make_optimizer
from optuna_nas.training._recipes import Recipe
from optuna_nas.training._seeded import derived_seed, keyed_generator, seeded

__all__ = ["fit"]

_STEPS_PER_CHECK = 32  # on an accelerator, where reading a loss waits for the device


def fit(
    model: nn.Module,
    data: ImageData,
    *,
    epochs: int,
    recipe: Recipe | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    on_epoch: Callable[[EpochResult], None] | None = None,
) -> History:
    """Train a network on ``data.train`` and judge it on ``data.val`` after every epoch.

    ``data.test`` is not touched. The same weights and seed give the same history (on a GPU as far
    as its kernels are deterministic); the process's random state is neither used nor changed.

    Example:
        >>> import torch
        >>> from optuna_nas.training import fit, load_data, seeded
        >>> with seeded(0):
        ...     model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
        >>> history = fit(model, load_data("digits"), epochs=2, device="cpu")
        >>> history.last.val_accuracy > 0.8
        True

    Args:
        model: Takes float images (B, C, H, W), gives logits (B, K). It is trained in place, moved
            to ``device`` and left in eval mode.
        data: See :func:`load_data`; already on ``device`` where many runs share it.
        epochs: At least 1.
        recipe: The settings; by default ``Recipe()``.
        seed: Of data order, augmentation and dropout. The weights are the caller's: build the
            model within :func:`seeded`.
        device: See :func:`resolve_device`.
        on_epoch: Called after every epoch; what it raises, such as ``optuna.TrialPruned``, ends
            the run and passes through.

    Raises:
        NonFiniteLossError: If a loss is NaN or infinite.
        ValueError: If the model's logits do not fit the data, or it cannot be trained.
        torch.OutOfMemoryError: As torch raises it.
    """
    if not isinstance(epochs, int) or epochs < 1:
        raise ValueError(f"`epochs` must be an integer of at least 1, but got epochs={epochs!r}.")
    run = _Run(model, data, Recipe() if recipe is None else recipe, epochs, seed, device)
    results: list[EpochResult] = []
    for epoch in range(1, epochs + 1):
        results.append(run.epoch(epoch))
        if on_epoch is not None:
            on_epoch(results[-1])
    model.eval()
    return History(tuple(results))


class _Run:
    """One run: the model, the data on the device, and the optimizer with its state."""

    def __init__(
        self,
        model: nn.Module,
        data: ImageData,
        recipe: Recipe,
        epochs: int,
        seed: int,
        device: str | torch.device,
    ) -> None:
        self._model = model
        self._data = data
        self._recipe = recipe
        self._epochs = epochs
        self._seed = seed
        self._device = place(model, device)
        self._train = data.train.to(self._device)
        self._val = data.val.to(self._device)
        self._normalise = Normaliser(data.mean, data.std, self._device)
        self._optimizer = make_optimizer(model, recipe)
        self._steps = _steps_per_epoch(len(self._train), recipe.batch_size)
        set_drop_path(model, recipe.drop_path)

    def epoch(self, epoch: int) -> EpochResult:
        """Train one epoch, counted from 1, and validate."""
        started = time.perf_counter()
        set_drop_path(self._model, self._recipe.drop_path * epoch / self._epochs)
        with seeded(derived_seed(self._seed, epoch, "network"), device=self._device):
            train_loss = self._train_epoch(epoch)
            judged = evaluate(self._model, self._val, self._data, device=self._device)
        if not math.isfinite(judged.loss):
            lr = self._learning_rate(epoch, self._steps - 1)
            raise NonFiniteLossError(epoch, self._steps, lr, judged.loss, "validation")
        return EpochResult(
            epoch=epoch,
            train_loss=train_loss,
            val_loss=judged.loss,
            val_accuracy=judged.accuracy,
            seconds=time.perf_counter() - started,
            lr=self._learning_rate(epoch, 0),
        )

    def _train_epoch(self, epoch: int) -> float:
        """Return the mean loss per image."""
        self._model.train()
        order = torch.randperm(
            len(self._train), generator=keyed_generator(self._seed, epoch, "order")
        )
        augmentation = keyed_generator(self._seed, epoch, "augmentation")
        losses: list[torch.Tensor] = []
        sizes: list[int] = []
        for step, indices in enumerate(torch.split(order, self._recipe.batch_size)[: self._steps]):
            lr = self._learning_rate(epoch, step)
            losses.append(self._step(indices.to(self._device), lr, augmentation))
            sizes.append(len(indices))
            if self._reads_loss(step):
                self._check_finite(losses, epoch)
        weights = torch.tensor(sizes, dtype=torch.float32, device=self._device)
        return float((torch.stack(losses) * weights).sum() / weights.sum())

    def _step(
        self, indices: torch.Tensor, lr: float, augmentation: torch.Generator
    ) -> torch.Tensor:
        """Learn from one batch and return its loss, without gradient."""
        images = self._augmented(self._train.images[indices], augmentation)
        loss = self._loss(self._model(self._normalise(images)), self._train.labels[indices])
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self._recipe.clip_grad_norm is not None:
            nn.utils.clip_grad_norm_(self._model.parameters(), self._recipe.clip_grad_norm)
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        self._optimizer.step()
        return loss.detach()

    def _augmented(self, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        if self._recipe.crop_padding:
            images = random_crop(images, self._recipe.crop_padding, generator)
        return random_flip(images, generator) if self._recipe.flip else images

    def _loss(self, output: object, labels: torch.Tensor) -> torch.Tensor:
        """The one place that knows what a network returns in training."""
        logits = checked_logits(output, len(labels), self._data)
        smoothing = self._recipe.label_smoothing
        return functional.cross_entropy(logits, labels, label_smoothing=smoothing)

    def _learning_rate(self, epoch: int, step: int) -> float:
        done = (epoch - 1) * self._steps + step
        return learning_rate(self._recipe, done, self._epochs * self._steps)

    def _reads_loss(self, step: int) -> bool:
        every = 1 if self._device.type == "cpu" else _STEPS_PER_CHECK
        return (step + 1) % every == 0 or step + 1 == self._steps

    def _check_finite(self, losses: list[torch.Tensor], epoch: int) -> None:
        """Raise for the first loss since the last check that is not finite."""
        first = max(0, len(losses) - (1 if self._device.type == "cpu" else _STEPS_PER_CHECK))
        for step, loss in enumerate(torch.stack(losses[first:]).tolist(), start=first):
            if not math.isfinite(loss):
                lr = self._learning_rate(epoch, step)
                raise NonFiniteLossError(epoch, step + 1, lr, loss, "training")


def _steps_per_epoch(images: int, batch_size: int) -> int:
    """Return the number of batches, without a last one of one image (batch norm needs two)."""
    if images < 2:
        raise ValueError(f"`data.train` must have at least 2 images, but has {images}.")
    return images // batch_size + (images % batch_size > 1)
