"""Augmentations that torchvision makes image by image: AutoAugment, RandAugment, resized crops.

References:
    Cubuk et al., AutoAugment: Learning Augmentation Policies from Data, arXiv 1805.09501.
    Cubuk et al., RandAugment: Practical automated data augmentation, arXiv 1909.13719.
    Szegedy et al., Going Deeper with Convolutions, arXiv 1409.4842 (crops of any size).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from optuna_nas.training._recipe import Recipe

__all__ = ["apply_to_each", "image_views"]

_ASPECTS = (3 / 4, 4 / 3)


def image_views(
    recipe: Recipe, image_size: tuple[int, int], channels: int
) -> Callable[[Any], Any] | None:
    """Return what a recipe does to single uint8 images or PIL images, None if nothing.

    It draws from torch's random state.

    Args:
        recipe: Its ``resized_crop`` and ``policy``.
        image_size: (height, width) that a resized crop has in the end.
        channels: Channels of the images.

    Raises:
        ValueError: If there is a policy and the images have neither 1 nor 3 channels.
    """
    if recipe.resized_crop is None and recipe.policy is None:
        return None  # without the seconds that importing torchvision takes
    from torchvision.transforms import v2

    transforms: list[Any] = []
    if recipe.resized_crop is not None:
        scale = (recipe.resized_crop, 1.0)
        transforms.append(
            v2.RandomResizedCrop(image_size, scale=scale, ratio=_ASPECTS, antialias=True)
        )
    if recipe.policy is not None:
        if channels not in (1, 3):
            raise ValueError(
                f"`policy` needs images of 1 or 3 channels, but got policy={recipe.policy!r} and "
                f"images of {channels} channels: pass policy=None."
            )
        transforms.append(_policy(recipe))
    chain: Callable[[Any], Any] = v2.Compose(transforms)
    return chain


def apply_to_each(view: Callable[[Any], Any], images: torch.Tensor) -> torch.Tensor:
    """Return the view of every image of a batch (B, C, H, W)."""
    return torch.stack([view(image) for image in images])


def _policy(recipe: Recipe) -> Any:
    from torchvision.transforms import AutoAugmentPolicy, v2

    if recipe.policy == "randaugment":
        return v2.RandAugment(
            num_ops=recipe.randaugment_layers, magnitude=recipe.randaugment_magnitude
        )
    assert recipe.policy is not None
    return v2.AutoAugment(AutoAugmentPolicy(recipe.policy.removeprefix("autoaugment_")))
