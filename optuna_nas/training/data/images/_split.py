"""One part of a data set: its images and labels, in memory or in their files.

Letters: ``N`` images, ``C`` channels, ``H`` x ``W`` pixels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import torch

from optuna_nas.training.data.images._pixels import resized
from optuna_nas.training.data.images._stream import StreamedSplit

__all__ = ["AnySplit", "Split", "joined", "statistics"]

_CHUNK = 4096  # images summed at once, to bound the memory of their int64
_STREAM_SAMPLE, _STREAM_CHUNK = 1024, 128


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels.

    Attributes:
        images: uint8 tensor of shape (N, C, H, W).
        labels: int64 tensor of shape (N,).

    Raises:
        ValueError: If a shape or a type is another one.
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != torch.uint8:
            raise ValueError(
                "`images` must be a uint8 tensor of shape (N, C, H, W), but got shape "
                f"{tuple(self.images.shape)} and {self.images.dtype}."
            )
        if self.labels.shape != self.images.shape[:1] or self.labels.dtype != torch.int64:
            raise ValueError(
                f"`labels` must be an int64 tensor of shape ({len(self.images)},), one label per "
                f"image, but got shape {tuple(self.labels.shape)} and {self.labels.dtype}."
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def targets(self) -> torch.Tensor:
        """The labels, as every split that has its targets in memory calls them."""
        return self.labels

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def batches(
        self, indices: Iterable[torch.Tensor]
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield images (B, C, H, W) and labels (B,) for each tensor of indices (B,)."""
        for chosen in indices:
            here = chosen.to(self.labels.device)
            yield self.images[here], self.labels[here]

    def to(self, device: str | torch.device) -> Split:
        """Return the split on another device (itself where it lies there already)."""
        return Split(self.images.to(device), self.labels.to(device))

    def resized(self, image_size: int | tuple[int, int]) -> Split:
        """Return the images in another size, bilinear with antialiasing."""
        return Split(resized(self.images, image_size), self.labels)

    def take(self, indices: torch.Tensor) -> Split:
        """Return the images at ``indices``, in that order."""
        here = indices.to(self.labels.device)
        return Split(self.images[here], self.labels[here])

    def joined(self, other: Split) -> Split:
        """Return the images of both, these first."""
        return Split(
            torch.cat([self.images, other.images]), torch.cat([self.labels, other.labels])
        )


AnySplit: TypeAlias = Split | StreamedSplit


def joined(first: AnySplit, second: AnySplit) -> AnySplit:
    """Return the images of both, the first ones first."""
    if isinstance(first, Split) and isinstance(second, Split):
        return first.joined(second)
    assert isinstance(first, StreamedSplit)
    assert isinstance(second, StreamedSplit)
    return first.joined(second)


def statistics(split: AnySplit) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation per channel of pixels in [0, 1], from exact sums.

    Of a stream only the first images are read, which its stratified order makes a fair sample.
    """
    channels, height, width = split.image_shape
    total = torch.zeros(channels, dtype=torch.int64)
    squares = torch.zeros(channels, dtype=torch.int64)
    whole = isinstance(split, Split)
    images = len(split) if whole else min(len(split), _STREAM_SAMPLE)
    chunks = torch.split(torch.arange(images), _CHUNK if whole else _STREAM_CHUNK)
    for chunk, _ in split.batches(chunks):
        pixels = chunk.to(torch.int64)
        total += pixels.sum(dim=(0, 2, 3))
        squares += pixels.square().sum(dim=(0, 2, 3))
    count = images * height * width
    mean = total.double() / count
    std = (squares.double() / count - mean.square()).clamp(min=0).sqrt()
    std = torch.where(std < 1e-6, torch.full_like(std, 255.0), std)
    return tuple((mean / 255).tolist()), tuple((std / 255).tolist())
