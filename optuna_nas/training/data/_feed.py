"""Brings the images of an epoch to the network: in which order, augmented how.

Every draw comes from a stream keyed by (seed, epoch, purpose).

Letters: ``B`` images in a batch, ``C`` channels, ``H`` x ``W`` pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch

from optuna_nas._ground.keyed import derived_seed
from optuna_nas.training._distributed import Processes
from optuna_nas.training._recipe import Recipe
from optuna_nas.training._seeded import keyed_generator, seeded
from optuna_nas.training.data._augment import Normaliser, crop_and_flip, cutout, resized_floats
from optuna_nas.training.data._data import ImageData
from optuna_nas.training.data._policies import apply_to_each, image_views
from optuna_nas.training.data._stream import StreamedSplit

__all__ = ["Batch", "Feed"]


class Batch(NamedTuple):
    """This process's part of a batch.

    Attributes:
        images: Floats (B, C, H, W).
        labels: (B,).
        whole: Images of the batch in all processes together.
    """

    images: torch.Tensor
    labels: torch.Tensor
    whole: int


class Feed:
    """Augmented batches of the training images, epoch by epoch.

    Args:
        data: Its training images may lie anywhere; they are taken to ``device``.
        recipe: Batch size and augmentation.
        seed: Seed of order and augmentation.
        device: Where batches are made.
        processes: Each batch is dealt out to them, one image after the other.
        channels_last: Whether the batches have that memory format.
        image_size: Height and width of the batches' images in an epoch; None: as in ``data``.
    """

    def __init__(
        self,
        data: ImageData,
        recipe: Recipe,
        seed: int,
        device: torch.device,
        processes: Processes,
        *,
        channels_last: bool = False,
        image_size: Callable[[int], int] | None = None,
    ) -> None:
        self._train = data.train.to(device)
        self._recipe = recipe
        self._seed = seed
        self._device = device
        self._processes = processes
        self._normalise = Normaliser(data.mean, data.std, device)
        self._view = image_views(recipe, data.image_size, data.in_channels)
        self._image_size = image_size
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        self.steps = _steps_per_epoch(len(data.train), recipe.batch_size, processes.count)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, counted from 1."""
        order = torch.randperm(
            len(self._train), generator=keyed_generator(self._seed, epoch, "order")
        )
        batches = torch.split(order, self._recipe.batch_size)[: self.steps]
        own = [batch[self._processes.rank :: self._processes.count] for batch in batches]
        augmentation = keyed_generator(self._seed, epoch, self._processes.own("augmentation"))
        for step, (images, labels) in enumerate(self._read(own, epoch)):
            augmented = self._augmented(images, augmentation, epoch, step)
            yield Batch(augmented, labels, len(batches[step]))

    def _read(
        self, batches: list[torch.Tensor], epoch: int
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        if not isinstance(self._train, StreamedSplit):
            yield from self._train.batches(batches)
            return
        seed = derived_seed(self._seed, epoch, "stream")
        for images, labels in self._train.batches(batches, view=self._view, seed=seed):
            yield (
                images.to(self._device, non_blocking=True),
                labels.to(self._device, non_blocking=True),
            )

    def _augmented(
        self, images: torch.Tensor, augmentation: torch.Generator, epoch: int, step: int
    ) -> torch.Tensor:
        """Return uint8 images as normalised floats; those of a stream had their view already."""
        recipe = self._recipe
        images = crop_and_flip(images, recipe.crop_padding, recipe.flip, augmentation)
        if self._view is not None and not isinstance(self._train, StreamedSplit):
            purpose = self._processes.own(f"view {step}")
            with seeded(derived_seed(self._seed, epoch, purpose), device=self._device):
                images = apply_to_each(self._view, images)
        floats = self._normalise(images)
        if recipe.cutout:
            floats = cutout(floats, recipe.cutout, augmentation)
        if self._image_size is not None:
            floats = resized_floats(floats, self._image_size(epoch))
        return floats.contiguous(memory_format=self._format)


def _steps_per_epoch(images: int, batch_size: int, processes: int) -> int:
    """Return the number of batches, without a last one of one image (batch norm needs two)."""
    least = 2 * processes
    if images < least:
        raise ValueError(f"`data.train` must have at least {least} images, but has {images}.")
    if batch_size < least:
        raise ValueError(
            f"`batch_size` must be at least 2 for each of {processes} processes, but got "
            f"batch_size={batch_size}."
        )
    return images // batch_size + (images % batch_size >= least)
