"""Normalises and augments whole batches where they lie, without a loop over images.

Letters: ``B`` images in a batch, ``C`` channels, ``H`` x ``W`` pixels, ``P`` padding, ``L`` side
of a square that is cut out.

References:
    DeVries and Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, arXiv
    1708.04552.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

__all__ = [
    "Normaliser",
    "crop_and_flip",
    "cutout",
    "random_crop",
    "random_flip",
    "resized_floats",
]


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
    return crop_and_flip(images, padding, False, generator)


def random_flip(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirror every image of a batch (B, C, H, W) left to right with probability 1/2."""
    return crop_and_flip(images, 0, True, generator)


def crop_and_flip(
    images: torch.Tensor, padding: int, flip: bool, generator: torch.Generator
) -> torch.Tensor:
    """Do :func:`random_crop`, where ``padding`` is not 0, and :func:`random_flip` in one pass."""
    batch, _, height, width = images.shape
    rows_BH = torch.arange(height).expand(batch, height)
    columns_BW = torch.arange(width).expand(batch, width)
    if padding:
        top_B1, left_B1 = torch.randint(2 * padding + 1, (2, batch), generator=generator)[
            :, :, None
        ]
        rows_BH, columns_BW = rows_BH + top_B1, columns_BW + left_B1
        images = functional.pad(images, (padding,) * 4)
    if flip:
        flipped_B1 = torch.rand(batch, generator=generator)[:, None] < 0.5
        columns_BW = torch.where(flipped_B1, columns_BW.flip(1), columns_BW)
    if not padding and not flip:
        return images
    return _pixels_at(images, rows_BH.to(images.device), columns_BW.to(images.device))


def cutout(images: torch.Tensor, size: int, generator: torch.Generator) -> torch.Tensor:
    """Set a square of each image to 0, in place; its centre is any pixel with the same chance.

    Args:
        images: Float of shape (B, C, H, W), normalised, so that 0 is the mean colour.
        size: L; rows y - L // 2 to y + L // 2 - 1 around the centre y, as far as they exist, and
            columns likewise (so an odd side counts as the even one below).
        generator: On the CPU.
    """
    batch, _, height, width = images.shape
    kept_BH = _outside(torch.randint(height, (batch,), generator=generator), height, size)
    kept_BW = _outside(torch.randint(width, (batch,), generator=generator), width, size)
    kept_B1HW = (kept_BH[:, None, :, None] | kept_BW[:, None, None, :]).to(images.device)
    return images.mul_(kept_B1HW)


def resized_floats(images: torch.Tensor, size: int) -> torch.Tensor:
    """Return images (B, C, H, W) as (B, C, size, size), bilinear with antialiasing."""
    if images.shape[2:] == (size, size):
        return images
    return functional.interpolate(images, (size, size), mode="bilinear", antialias=True)


def _pixels_at(images: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Return image b at rows[b] x columns[b], (B, H) x (B, W), for all channels."""
    batch, channels, _, full_width = images.shape
    places = (rows[:, :, None] * full_width + columns[:, None, :]).flatten(1)
    found = images.flatten(2).gather(2, places[:, None].expand(-1, channels, -1))
    return found.view(batch, channels, rows.shape[1], columns.shape[1])


def _outside(centre: torch.Tensor, length: int, size: int) -> torch.Tensor:
    """Return (B, length): which places are not within ``size`` // 2 of the centre."""
    distance = torch.arange(length) - centre[:, None]
    half = size // 2
    return (distance < -half) | (distance >= half)
