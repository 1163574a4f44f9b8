"""What a network says when an image does not fit."""

from __future__ import annotations

import torch

__all__ = ["ImageTooSmallError", "check_image_size", "check_positive"]


class ImageTooSmallError(ValueError):
    """The image is too small for the network: it is the architecture's fault, not a bug.

    Args:
        size: Height and width of the image.
        minimum: Smallest height and width that work.
    """

    def __init__(self, size: tuple[int, int], minimum: int) -> None:
        self.size = size
        self.minimum = minimum
        super().__init__(size, minimum)

    def __str__(self) -> str:
        height, width = self.size
        return (
            f"The network halves its maps too often for images of {height}x{width}; the smallest "
            f"size that works is {self.minimum}x{self.minimum}. Resize the images."
        )


def check_image_size(x: torch.Tensor, minimum: int) -> None:
    """Refuse images ``(B, C, H, W)`` whose height or width is below ``minimum``.

    Raises:
        ImageTooSmallError: If so.
    """
    height, width = x.shape[-2:]
    if min(height, width) < minimum:
        raise ImageTooSmallError((height, width), minimum)


def check_positive(**arguments: int) -> None:
    """Refuse build arguments below 1.

    Raises:
        ValueError: Naming the first such argument.
    """
    for name, value in arguments.items():
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1, but got {name}={value}.")
