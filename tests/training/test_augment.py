"""Batched augmentation equals the same operation image by image."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from torchvision.transforms.functional import normalize

from optuna_nas.training._augment import Normaliser, random_crop, random_flip


def _images(batch: int, channels: int, height: int, width: int) -> torch.Tensor:
    """Return images without two equal pixels per channel, and without black ones."""
    numbers = torch.arange(height * width).reshape(height, width) + 1
    return numbers.expand(batch, channels, height, width).to(torch.uint8).contiguous()


@given(
    batch=st.integers(1, 8),
    channels=st.integers(1, 3),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    padding=st.integers(1, 4),
    seed=st.integers(0, 999),
)
@settings(max_examples=60, deadline=None)
def test_every_crop_is_a_window_of_the_padded_image(
    batch: int, channels: int, height: int, width: int, padding: int, seed: int
) -> None:
    images = _images(batch, channels, height, width)
    images[:, -1] += 100

    crops = random_crop(images, padding, torch.Generator().manual_seed(seed))

    padded = functional.pad(images, (padding,) * 4)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1).flatten(2, 3)
    assert crops.shape == images.shape
    for crop, window in zip(crops, windows.transpose(1, 2), strict=True):
        assert (window == crop).flatten(1).all(1).any()


def test_all_places_of_a_crop_are_equally_likely() -> None:
    count, padding = 20_000, 2
    images = _images(count, 1, 5, 5)

    crops = random_crop(images, padding, torch.Generator().manual_seed(0))

    centres = crops[:, 0, 2, 2].bincount(minlength=26)[1:]
    expected = count / 25
    chi_squared = float((centres - expected).square().sum() / expected)
    assert chi_squared < 51.2  # 24 degrees of freedom, p = 0.001


def test_half_of_the_images_are_mirrored_and_no_other_change_is_made() -> None:
    images = _images(4000, 2, 3, 3)

    flipped = random_flip(images, torch.Generator().manual_seed(0))

    same = (flipped == images).flatten(1).all(1)
    mirrored = (flipped == images.flip(3)).flatten(1).all(1)
    assert bool((same ^ mirrored).all())
    assert abs(int(mirrored.sum()) - 2000) < 104  # 3.3 sd of a fair coin


def test_normalising_is_torchvisions() -> None:
    images = torch.randint(0, 256, (4, 3, 5, 5), generator=torch.Generator().manual_seed(0))
    images = images.to(torch.uint8)
    mean, std = (0.1, 0.5, 0.7), (0.2, 0.3, 1.0)

    ours = Normaliser(mean, std, torch.device("cpu"))(images)

    theirs = normalize(images.float() / 255, list(mean), list(std))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_mean_and_deviation_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="zip"):
        Normaliser((0.1,), (0.2, 0.3), torch.device("cpu"))
