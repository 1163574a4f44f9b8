"""Brings augmented images to the network.

Letters: ``B`` images in a batch, ``C`` channels, ``H`` x ``W`` pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from optuna_nas._ground.inputs import Inputs, moved
from optuna_nas._ground.keyed import derived_seed
from optuna_nas.training._seeded import seeded
from optuna_nas.training.data._feed import Feed
from optuna_nas.training.data.images._augment import crop_and_flip, cutout, resized_floats
from optuna_nas.training.data.images._policies import apply_to_each, image_views
from optuna_nas.training.data.images._stream import StreamedSplit

if TYPE_CHECKING:
    from optuna_nas.training.data.images._data import ImageData

__all__ = ["ImageFeed"]


class ImageFeed(Feed):
    """Augmented batches of the training images, epoch by epoch; arguments as for ``Feed``."""

    _augments = True

    _data: ImageData

    def _begin(self) -> None:
        self._view = image_views(self._recipe, self._data.image_size, self._data.in_channels)

    def _read(self, batches: list[torch.Tensor], epoch: int) -> Iterator[tuple[Any, Any]]:
        if not isinstance(self._train, StreamedSplit):
            yield from self._train.batches(batches)
            return
        seed = derived_seed(self._seed, epoch, "stream")
        for images, labels in self._train.batches(batches, view=self._view, seed=seed):
            yield moved(images, self._device), moved(labels, self._device)

    def _augmented(
        self, inputs: Inputs, augmentation: torch.Generator, epoch: int, step: int
    ) -> torch.Tensor:
        """Return uint8 images as normalised floats; those of a stream had their view already."""
        recipe = self._recipe
        assert isinstance(inputs, torch.Tensor)
        images = crop_and_flip(inputs, recipe.crop_padding, recipe.flip, augmentation)
        if self._view is not None and not isinstance(self._train, StreamedSplit):
            purpose = self._processes.own(f"view {step}")
            with seeded(derived_seed(self._seed, epoch, purpose), device=self._device):
                images = apply_to_each(self._view, images)
        floats = self._data.prepare(images, self._device)
        if recipe.cutout:
            floats = cutout(floats, recipe.cutout, augmentation)
        if self._image_size is not None:
            floats = resized_floats(floats, self._image_size(epoch))
        return floats.contiguous(memory_format=self._format)
