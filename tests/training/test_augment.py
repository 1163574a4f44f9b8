"""Batched augmentation equals the same operation image by image, in distribution too."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from torchvision.transforms import v2
from torchvision.transforms.functional import normalize

from optuna_nas.training import Recipe
from optuna_nas.training.data.images._augment import (
    Normaliser,
    crop_and_flip,
    cutout,
    random_crop,
    random_flip,
)
from optuna_nas.training.data.images._policies import apply_to_each, image_views


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


def _same_distribution(ours: Iterable[bytes], theirs: Iterable[bytes]) -> float:
    """P-value of a chi-squared test that two samples are of one distribution."""
    counts = Counter(ours), Counter(theirs)
    outcomes = sorted(counts[0] | counts[1])
    table = np.array([[count[outcome] for outcome in outcomes] for count in counts])
    return float(scipy.stats.chi2_contingency(table).pvalue)


def _bytes(images: Iterable[torch.Tensor]) -> list[bytes]:
    return [image.numpy().tobytes() for image in images]


def test_crop_and_flip_have_the_distribution_of_torchvisions() -> None:
    """All 25 places, times mirrored or not, with the same frequencies, and no other image."""
    count = 10_000
    images = _images(count, 1, 5, 5)
    theirs = v2.Compose([v2.RandomCrop(5, padding=2), v2.RandomHorizontalFlip()])

    ours = crop_and_flip(images, 2, True, torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    expected = torch.stack([theirs(image) for image in images])

    assert set(_bytes(ours)) == set(_bytes(expected))
    assert len(set(_bytes(ours))) == 50
    assert _same_distribution(_bytes(ours), _bytes(expected)) > 0.001


def test_one_pass_is_a_crop_and_then_a_flip() -> None:
    images = torch.randint(0, 256, (50, 3, 7, 6)).to(torch.uint8)
    both = crop_and_flip(images, 3, True, torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(1)
    assert torch.equal(both, random_flip(random_crop(images, 3, generator), generator))
    nothing = crop_and_flip(images, 0, False, generator)
    assert torch.equal(nothing, images)


def _plain_cutout(image: torch.Tensor, size: int) -> torch.Tensor:
    """One image by the definition of DARTS's code: a square around any pixel, cut at the edges."""
    height, width = image.shape[1:]
    y, x = int(torch.randint(height, ())), int(torch.randint(width, ()))
    mask = torch.ones(height, width)
    mask[max(0, y - size // 2) : y + size // 2, max(0, x - size // 2) : x + size // 2] = 0
    return image * mask


@pytest.mark.parametrize("size", [2, 4, 5])
def test_cutout_has_the_distribution_of_its_definition(size: int) -> None:
    count = 8000
    images = torch.ones(count, 2, 5, 6)

    ours = cutout(images.clone(), size, torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    expected = [_plain_cutout(image, size) for image in images]

    assert set(_bytes(ours)) == set(_bytes(expected))
    assert len(set(_bytes(ours))) == 30
    assert _same_distribution(_bytes(ours), _bytes(expected)) > 0.001


@pytest.mark.parametrize(
    ("recipe", "theirs"),
    [
        (Recipe(policy="randaugment", randaugment_magnitude=12), v2.RandAugment(2, 12)),
        (Recipe(policy="autoaugment_cifar10"), v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10)),
        (Recipe(policy="autoaugment_imagenet"), v2.AutoAugment(v2.AutoAugmentPolicy.IMAGENET)),
        (Recipe(resized_crop=0.3), v2.RandomResizedCrop((9, 7), scale=(0.3, 1.0))),
    ],
)
def test_policies_are_torchvisions(recipe: Recipe, theirs: v2.Transform) -> None:
    images = torch.randint(0, 256, (30, 3, 9, 7), generator=torch.Generator().manual_seed(0))
    images = images.to(torch.uint8)
    view = image_views(recipe, (9, 7), 3)
    assert view is not None
    torch.manual_seed(5)
    ours = apply_to_each(view, images)
    torch.manual_seed(5)
    expected = torch.stack([theirs(image) for image in images])
    assert torch.equal(ours, expected)
    assert not torch.equal(ours, images)


def test_torchvision_is_imported_only_for_what_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.transforms", None)
    assert image_views(Recipe(flip=True, crop_padding=4, cutout=2), (8, 8), 1) is None
    with pytest.raises(ImportError):
        image_views(Recipe(resized_crop=0.5), (8, 8), 1)


def test_a_policy_needs_one_or_three_channels() -> None:
    assert image_views(Recipe(flip=True, crop_padding=4), (8, 8), 3) is None
    with pytest.raises(ValueError, match=r"`policy` needs images of 1 or 3 channels, but got"):
        image_views(Recipe(policy="randaugment"), (8, 8), 2)
