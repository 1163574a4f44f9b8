"""Brings the examples of an epoch to the network: in which order, and in which batches.

Every draw comes from a stream keyed by (seed, epoch, purpose).

Letters: ``B`` examples in a batch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from optuna_nas._ground.inputs import Inputs, length, map_tensors, moved, split
from optuna_nas.training._distributed import Processes
from optuna_nas.training._recipe import Recipe
from optuna_nas.training._seeded import keyed_generator

if TYPE_CHECKING:
    from optuna_nas.training.data._base import Data

__all__ = ["Batch", "Feed", "whole_steps", "without_augmentation"]

_DEFAULTS: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(Recipe)}
_AUGMENTATION = ("crop_padding", "resized_crop", "flip", "policy", "cutout")


class Batch(NamedTuple):
    """This process's part of a batch.

    Attributes:
        inputs: Inputs of a network: a tensor (B, ...), or a tuple or dict of them.
        target: Targets (B, ...).
        whole: Examples of the batch in all processes together.
    """

    inputs: Inputs
    target: Inputs
    whole: int

    def __len__(self) -> int:
        """B, the examples of this process's part."""
        return length(self.inputs)

    def parted(self, parts: int) -> list[tuple[Inputs, Inputs]]:
        """Return inputs and targets in so many parts, one after the other."""
        return list(zip(split(self.inputs, parts), split(self.target, parts), strict=True))


class Feed:
    """Batches of the training examples, epoch by epoch.

    Args:
        data: Its training examples may lie anywhere; they are taken to ``device``.
        recipe: Batch size and augmentation.
        seed: Seed of order and augmentation.
        device: Where batches are made.
        processes: Each batch is dealt out to them, one example after the other.
        channels_last: Whether batches of images have that memory format.
        image_size: Height and width of the batches' images in an epoch; None: as in ``data``.

    Attributes:
        steps: Number of batches of an epoch.

    Raises:
        ValueError: If there are too few examples, or the recipe augments images where there are
            none.
    """

    _augments = False

    def __init__(
        self,
        data: Data,
        recipe: Recipe,
        seed: int,
        device: torch.device,
        processes: Processes,
        *,
        channels_last: bool = False,
        image_size: Callable[[int], int] | None = None,
    ) -> None:
        if not self._augments:
            _check_no_augmentation(data, recipe, image_size)
        self._data = data
        self._train = data.train.to(device)
        self._recipe = recipe
        self._seed = seed
        self._device = device
        self._processes = processes
        self._image_size = image_size
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        self.steps = self._count_steps()
        self._begin()

    def _begin(self) -> None:
        """Prepare what all epochs need; by default nothing."""

    def _count_steps(self) -> int:
        return whole_steps(
            len(self._data.train), self._recipe.batch_size, self._processes.count, self._data.noun
        )

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, counted from 1."""
        order = torch.randperm(
            len(self._train), generator=keyed_generator(self._seed, epoch, "order")
        )
        batches = torch.split(order, self._recipe.batch_size)[: self.steps]
        own = [batch[self._processes.rank :: self._processes.count] for batch in batches]
        augmentation = keyed_generator(self._seed, epoch, self._processes.own("augmentation"))
        for step, (inputs, target) in enumerate(self._read(own, epoch)):
            augmented = self._augmented(inputs, augmentation, epoch, step)
            yield Batch(augmented, target, len(batches[step]))

    def _read(self, batches: list[torch.Tensor], epoch: int) -> Iterator[tuple[Any, Any]]:
        """Yield inputs and targets of each batch of indices, targets on the device."""
        for inputs, target in self._train.batches(batches):
            yield inputs, moved(target, self._device)

    def _augmented(
        self, inputs: Inputs, augmentation: torch.Generator, epoch: int, step: int
    ) -> Inputs:
        """Return inputs as the network takes them."""
        return map_tensors(self._formatted, self._data.prepare(inputs, self._device))

    def _formatted(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.contiguous(memory_format=self._format) if tensor.ndim == 4 else tensor


def whole_steps(examples: int, batch_size: int, processes: int, noun: str) -> int:
    """Return the number of batches, without a last one of one example (batch norm needs two)."""
    least = 2 * processes
    if examples < least:
        raise ValueError(f"`data.train` must have at least {least} {noun}, but has {examples}.")
    if batch_size < least:
        raise ValueError(
            f"`batch_size` must be at least 2 for each of {processes} processes, but got "
            f"batch_size={batch_size}."
        )
    return examples // batch_size + (examples % batch_size >= least)


def without_augmentation(recipe: Recipe) -> Recipe:
    """Return a recipe that leaves the inputs as they are."""
    return dataclasses.replace(recipe, **{name: _DEFAULTS[name] for name in _AUGMENTATION})


def _check_no_augmentation(
    data: Data, recipe: Recipe, image_size: Callable[[int], int] | None
) -> None:
    asked = [name for name in _AUGMENTATION if getattr(recipe, name) != _DEFAULTS[name]]
    if image_size is not None:
        asked.append("image_size")
    if asked:
        raise ValueError(
            f"`recipe` must leave images as they are, since {data.name!r} are no ImageData, but "
            f"sets {', '.join(asked)}: leave those out, or augment in the data's own loader."
        )
