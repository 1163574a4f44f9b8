"""Errors of networks whose images do not fit."""

from __future__ import annotations

import torch

__all__ = ["ImageTooSmallError", "OddSizeError", "check_image_size"]


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


class OddSizeError(ValueError):
    """The image gives an odd map at a place that needs an even one.

    Args:
        size: Height and width of the image.
        working: The nearest sizes, below and above, that work for height and width.
    """

    def __init__(self, size: tuple[int, int], working: tuple[tuple[int, ...], ...]) -> None:
        self.size = size
        self.working = working
        super().__init__(size, working)

    def __str__(self) -> str:
        height, width = self.size
        heights, widths = (" or ".join(str(n) for n in sizes) for sizes in self.working)
        return (
            f"Images of {height}x{width} give maps of odd height or width where this network "
            f"halves them, which its factorised reduction cannot do; the nearest sizes that work "
            f"are {heights} for the height and {widths} for the width. Resize or pad the images."
        )


def check_image_size(x: torch.Tensor, minimum: int) -> None:
    """Refuse images ``(B, C, H, W)`` whose height or width is below ``minimum``.

    Raises:
        ImageTooSmallError: If so.
    """
    height, width = x.shape[-2:]
    if min(height, width) < minimum:
        raise ImageTooSmallError((height, width), minimum)
