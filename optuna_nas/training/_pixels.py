"""Pictures of any kind become uint8 tensors of one size.

Letters: ``N`` images, ``C`` channels, ``H`` x ``W`` pixels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

__all__ = ["as_bytes", "as_size", "resized"]

_CHUNK = 4096  # images resized at once, to bound the memory of their floats


def as_size(image_size: int | tuple[int, int]) -> tuple[int, int]:
    """Return (height, width) of ``image_size``, where one number means a square."""
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    if not (
        isinstance(size, tuple)
        and len(size) == 2
        and all(isinstance(pixels, int) and pixels >= 1 for pixels in size)
    ):
        raise ValueError(
            "`image_size` must be a positive number of pixels or (height, width), but got "
            f"image_size={image_size!r}."
        )
    return size


def as_bytes(image: Any, where: str) -> torch.Tensor:
    """Return a PIL image or a tensor as uint8 of shape (C, H, W).

    Grey PIL images have one channel; all other modes are converted to RGB.

    Args:
        image: A PIL image or a tensor of shape (C, H, W), uint8 or float in [0, 1].
        where: Names the image in an error, such as "image 3 of `train`".

    Raises:
        ValueError: If it is something else.
    """
    from PIL import Image
    from torchvision.transforms.functional import pil_to_tensor

    if isinstance(image, Image.Image):
        grey = image.mode in ("1", "L", "LA")
        return torch.as_tensor(pil_to_tensor(image.convert("L" if grey else "RGB")))
    if not isinstance(image, torch.Tensor) or image.ndim != 3:
        shape = tuple(getattr(image, "shape", ()))
        raise ValueError(
            f"{where} must be a PIL image or a tensor of shape (C, H, W), but is a "
            f"{type(image).__name__}{f' of shape {shape}' if shape else ''}."
        )
    if image.dtype == torch.uint8:
        return image
    return _float_to_bytes(image, where)


def resized(images: torch.Tensor, image_size: int | tuple[int, int] | None) -> torch.Tensor:
    """Return uint8 images of shape (N, C, H, W) in another size, bilinear with antialiasing."""
    if image_size is None or as_size(image_size) == tuple(images.shape[2:]):
        return images
    size = as_size(image_size)
    chunks = [
        functional.interpolate(chunk.float(), size, mode="bilinear", antialias=True)
        .round()
        .clamp(0, 255)
        .to(torch.uint8)
        for chunk in torch.split(images, _CHUNK)
    ]
    return torch.cat(chunks)


def _float_to_bytes(image: torch.Tensor, where: str) -> torch.Tensor:
    low, high = (float(image.min()), float(image.max())) if image.numel() else (0.0, 0.0)
    if not image.is_floating_point() or not (low >= 0 and high <= 1):
        raise ValueError(
            f"{where} must be uint8 or float in [0, 1], but is {image.dtype} in "
            f"[{low:.3g}, {high:.3g}]: give the images before any normalisation."
        )
    return (image * 255).round().to(torch.uint8)
