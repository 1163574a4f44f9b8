"""Normalises and augments whole batches where they lie, without a loop over images.

Letters: ``B`` images in a batch, ``C`` channels, ``H`` x ``W`` pixels, ``P`` padding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

__all__ = ["Normaliser", "random_crop", "random_flip"]


class Normaliser:
    """Makes floats of mean 0 and standard deviation 1 per channel of uint8 images.

    Args:
        mean: Per channel, of pixels in [0, 1].
        std: Per channel, of pixels in [0, 1], more than 0.
        device: Where the images lie.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: torch.device) -> None:
        scale = torch.tensor([1 / (255 * s) for s in std], device=device)
        shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=device)
        self._scale_C11 = scale[:, None, None]
        self._shift_C11 = shift[:, None, None]

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return float32 images of the same shape (B, C, H, W)."""
        return images.to(torch.float32).mul_(self._scale_C11).add_(self._shift_C11)


def random_crop(images: torch.Tensor, padding: int, generator: torch.Generator) -> torch.Tensor:
    """Pad every image with ``padding`` black pixels and crop its own size at a random place.

    Args:
        images: uint8 of shape (B, C, H, W).
        padding: P, at least 0.
        generator: On the CPU.
    """
    batch, channels, height, width = images.shape
    padded = functional.pad(images, (padding,) * 4)
    offsets = torch.randint(2 * padding + 1, (2, batch), generator=generator)
    top_B1, left_B1 = offsets.to(images.device)[:, :, None]
    rows = (top_B1 + torch.arange(height, device=images.device))[:, None, :, None]
    columns = (left_B1 + torch.arange(width, device=images.device))[:, None, None, :]
    image = torch.arange(batch, device=images.device)[:, None, None, None]
    channel = torch.arange(channels, device=images.device)[None, :, None, None]
    return padded[image, channel, rows, columns]


def random_flip(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirror every image of a batch (B, C, H, W) left to right with probability 1/2."""
    flipped = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(flipped.to(images.device)[:, None, None, None], images.flip(3), images)
