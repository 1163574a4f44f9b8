"""Images that are read while a network trains, for data that does not fit into memory.

A DataLoader's processes read, cut and resize single images; the rest of the augmentation is done
in batches on the device, as for images in memory. What is drawn for an image is keyed by (seed,
image), so the number of processes changes nothing.

Letters: ``B`` images in a batch, ``C`` channels, ``H`` x ``W`` pixels.
"""

from __future__ import annotations

import bisect
import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset

from optuna_nas._ground.checks import require_int
from optuna_nas._ground.keyed import derived_seed
from optuna_nas.training._seeded import keyed_generator, seeded
from optuna_nas.training.data.images._pictures import (
    READ_ERRORS,
    UnreadableImageError,
    damaged,
    in_sentence,
)
from optuna_nas.training.data.images._pixels import as_size, checked_image, to_bytes

__all__ = ["StreamedSplit", "worker_count"]

_CENTRE = 0.875  # share of the shorter side that the centre crop takes
_MOST_WORKERS = 8


def worker_count(workers: int | None) -> int:
    """Return how many processes read a stream; None: one for each processor, at most 8."""
    if workers is None:
        return min(_MOST_WORKERS, os.cpu_count() or 1)
    require_int("workers", workers, at_least=0)
    return workers


@dataclasses.dataclass(frozen=True, eq=False)
class StreamedSplit:
    """Images of a map-style dataset, read when they are needed.

    As it is, an image is resized until its central 7/8 cover ``image_shape``, and its centre is
    cut out.

    Attributes:
        dataset: Pairs (image, label), the image a PIL image or a tensor; see
            :meth:`ImageData.from_datasets`.
        indices: int64 tensor of shape (N,): which of its items.
        labels: int64 tensor of shape (N,).
        image_shape: (C, H, W) of an image.
        workers: Processes that read, at least 0.
    """

    dataset: Any
    indices: torch.Tensor
    labels: torch.Tensor
    image_shape: tuple[int, int, int]
    workers: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def targets(self) -> torch.Tensor:
        """The labels, as every split that has its targets in memory calls them."""
        return self.labels

    def to(self, device: str | torch.device) -> StreamedSplit:
        """Return the split itself: its images lie on no device."""
        return self

    def resized(self, image_size: int | tuple[int, int]) -> StreamedSplit:
        """Return the same images, to be read in another size."""
        shape = (self.image_shape[0], *as_size(image_size))
        return dataclasses.replace(self, image_shape=shape)

    def take(self, indices: torch.Tensor) -> StreamedSplit:
        """Return the images at ``indices``, in that order."""
        return dataclasses.replace(
            self, indices=self.indices[indices], labels=self.labels[indices]
        )

    def joined(self, other: StreamedSplit) -> StreamedSplit:
        """Return the images of both, these first, to be read as these are."""
        dataset, indices = self.dataset, other.indices
        if other.dataset is not dataset:
            dataset = ConcatDataset([self.dataset, other.dataset])
            indices = indices + len(self.dataset)
        return dataclasses.replace(
            self,
            dataset=dataset,
            indices=torch.cat([self.indices, indices]),
            labels=torch.cat([self.labels, other.labels]),
        )

    def batches(
        self,
        indices: Iterable[torch.Tensor],
        *,
        view: Callable[[Any], Any] | None = None,
        seed: int = 0,
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield images (B, C, H, W), uint8, and labels (B,) for each tensor of indices (B,).

        Args:
            indices: Positions in this split.
            view: Function of an image as it is read; None: the centre is cut out. Its result
                is cut to size too if it has not got it.
            seed: Seed of the random numbers of ``view``.

        Raises:
            ValueError: If an image cannot be read, or has other channels than the first.
        """
        loader: DataLoader[Any] = DataLoader(
            _Reader(self, view, seed),
            batch_sampler=[chosen.tolist() for chosen in indices],
            num_workers=self.workers,
            collate_fn=_collate,
            pin_memory=torch.cuda.is_available(),
            generator=keyed_generator(seed, 0, "loader"),
        )
        for batch in loader:
            if isinstance(batch, str):
                raise ValueError(batch)
            yield batch


class _Reader(Dataset[Any]):
    """Items of a split as (image, label), or as a text that says what is wrong."""

    def __init__(self, split: StreamedSplit, view: Callable[[Any], Any] | None, seed: int) -> None:
        self._split = split
        self._view = view
        self._seed = seed

    def __getitem__(self, position: int) -> tuple[torch.Tensor, torch.Tensor] | str:
        index = int(self._split.indices[position])
        where = _item_name(self._split.dataset, index)
        try:
            image = checked_image(self._split.dataset[index][0], where)
            if self._view is not None:
                with seeded(derived_seed(self._seed, 0, f"image {index}"), device="cpu"):
                    image = self._view(image)
            pixels = _centre(to_bytes(image, where), self._split.image_shape[1:])
        except UnreadableImageError as e:
            return str(e)
        except READ_ERRORS as e:
            return str(damaged(where, e))
        if pixels.shape != self._split.image_shape:
            return (
                f"All images must have {self._split.image_shape[0]} channels, but "
                f"{in_sentence(where)} has {pixels.shape[0]}: convert them to the same mode."
            )
        return pixels, self._split.labels[position]


def _collate(items: list[Any]) -> tuple[torch.Tensor, torch.Tensor] | str:
    """Make a batch, or pass on the first text."""
    for item in items:
        if isinstance(item, str):
            return item
    images, labels = zip(*items, strict=True)
    return torch.stack(images), torch.stack(labels)


def _item_name(dataset: Any, index: int) -> str:
    """Return the file of an item in quotes, where it is known, else its number."""
    if isinstance(dataset, ConcatDataset):
        part = bisect.bisect_right(dataset.cumulative_sizes, index)
        before = dataset.cumulative_sizes[part - 1] if part else 0
        return _item_name(dataset.datasets[part], index - before)
    files = getattr(dataset, "samples", None)  # as torchvision's folders have
    return f"Image {index}" if files is None else repr(str(files[index][0]))


def _centre(image: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return the centre of an image (C, ?, ?) as (C, H, W)."""
    from torchvision.transforms.v2 import functional

    if tuple(image.shape[1:]) == size:
        return image
    factor = max(want / _CENTRE / have for want, have in zip(size, image.shape[1:], strict=True))
    covering = [max(1, round(factor * have)) for have in image.shape[1:]]
    resized = functional.resize(image, covering, antialias=True)
    cut: torch.Tensor = functional.center_crop(resized, list(size))
    return cut
