"""Pictures of any kind become uint8 tensors of one size.

Letters: ``N`` images, ``C`` channels, ``H`` x ``W`` pixels.
"""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image
from torch.nn import functional

from optuna_nas._ground.bounds import MAX_SIDE
from optuna_nas._ground.checks import is_int, shown
from optuna_nas.training.data.images._pictures import UnreadableImageError, eight_bit

__all__ = ["as_bytes", "as_size", "checked_image", "resized", "to_bytes"]

_CHUNK = 4096  # images resized at once, to bound the memory of their floats


def as_size(image_size: int | tuple[int, int]) -> tuple[int, int]:
    """Return (height, width) of ``image_size``, where one number means a square."""
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    if not (
        isinstance(size, tuple)
        and len(size) == 2
        and all(is_int(pixels) and 1 <= pixels <= MAX_SIDE for pixels in size)
    ):
        raise ValueError(
            "`image_size` must be a positive number of pixels or (height, width), at most "
            f"{MAX_SIDE}, but got image_size={shown(image_size)}."
        )
    return size


def as_bytes(image: Any, where: str) -> torch.Tensor:
    """Return a PIL image or a tensor as uint8 of shape (C, H, W).

    Grey PIL images have one channel; all other modes are converted to RGB.

    Args:
        image: A PIL image or a tensor of shape (C, H, W): uint8, uint16, bool, or float in
            [0, 1].
        where: Names the image in an error, such as "Image 3 of `train`".

    Raises:
        UnreadableImageError: If it is something else.
    """
    return to_bytes(checked_image(image, where), where)


def checked_image(image: Any, where: str) -> Any:
    """Return what transforms of torchvision can be given of a user's image.

    That is a PIL image of mode "L" or "RGB", upright, or a tensor of uint8 or floats. See
    :func:`as_bytes` for arguments and errors.
    """
    if isinstance(image, Image.Image):
        return eight_bit(image, where)
    if not isinstance(image, torch.Tensor) or image.ndim != 3:
        shape = tuple(getattr(image, "shape", ()))
        raise UnreadableImageError(
            f"{where} must be a PIL image or a tensor of shape (C, H, W), but is a "
            f"{type(image).__name__}{f' of shape {shape}' if shape else ''}: convert it, an array "
            "of shape (H, W, C) with torch.from_numpy(array).permute(2, 0, 1)."
        )
    _require_channels_first(image, where)
    image = image.detach().cpu()
    if image.dtype == torch.uint16:
        return (image.float() / 257).round().to(torch.uint8)  # white, 65535, is 255
    return image.to(torch.uint8) * 255 if image.dtype == torch.bool else image


def to_bytes(image: Any, where: str) -> torch.Tensor:
    """Return a checked image, perhaps transformed since, as uint8 of shape (C, H, W)."""
    from torchvision.transforms.functional import pil_to_tensor

    if not isinstance(image, torch.Tensor):
        return torch.as_tensor(pil_to_tensor(image))
    return image if image.dtype == torch.uint8 else _float_to_bytes(image, where)


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


def _require_channels_first(image: torch.Tensor, where: str) -> None:
    shape = tuple(image.shape)
    if image.numel() == 0:
        raise UnreadableImageError(f"{where} must have pixels, but has the shape {shape}.")
    first, second, last = shape
    if last in (1, 3, 4) and min(first, second) > 4:
        raise UnreadableImageError(
            f"{where} must be of shape (C, H, W), but is {shape}, which looks like (H, W, C): "
            "give image.permute(2, 0, 1). (If it does have that many channels and that width, "
            "swap its height and width: image.transpose(1, 2).)"
        )


def _float_to_bytes(image: torch.Tensor, where: str) -> torch.Tensor:
    values = image.abs() if image.is_complex() else image.float()
    low, high = float(values.min()), float(values.max())
    if not image.is_floating_point() or not (low >= 0 and high <= 1):
        raise UnreadableImageError(
            f"{where} must be uint8 or float in [0, 1], or uint16 or bool, but is {image.dtype} "
            f"in [{low:.3g}, {high:.3g}]: give the images before any normalisation, floats "
            "divided by their largest possible value."
        )
    exact = image.float() if image.dtype in (torch.float16, torch.bfloat16) else image
    return (exact * 255).round().to(torch.uint8)
