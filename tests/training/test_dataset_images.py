"""Images of datasets are read as they are meant, or named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from image_folders import RAMP, SIZE, Items, grey, pixels, write_folder
from PIL import Image
from torchvision.datasets import ImageFolder

from optuna_nas.training import ImageData
from optuna_nas.training.data.images._pixels import as_bytes


def _their_loader(name: str) -> Image.Image:
    with Image.open(name) as image:
        return image.convert("RGB")


def test_a_damaged_file_of_a_dataset_is_named(tmp_path: Path) -> None:
    path = write_folder(tmp_path, Image.fromarray(pixels(0, 16, 16, 3)), "png")
    file = path / "b" / "2.png"
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"can be read, but '.*b/2\.png' is damaged"):
        ImageData.from_datasets("d", ImageFolder(str(path)))
    theirs = ImageFolder(str(path), loader=_their_loader)
    with pytest.raises(ValueError, match=r"but image 6 of `train` is damaged or something else"):
        ImageData.from_datasets("d", theirs)


def test_torchvisions_folder_reads_16_bits_and_stays_as_it_is(tmp_path: Path) -> None:
    path = write_folder(tmp_path, Image.fromarray((RAMP * 1040).astype(np.uint16)), "png")
    folder = ImageFolder(str(path))
    loader = folder.loader
    data = ImageData.from_datasets("d", folder)
    assert torch.equal(data.train.images[0], grey(RAMP * 1040 / 257))
    assert folder.loader is loader


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.fromarray((RAMP * 1040).astype(np.uint16)), np.rint(RAMP * 1040 / 257)),
        (Image.fromarray((RAMP / 63).astype(np.float32)), np.rint(RAMP / 63 * 255)),
        (Image.fromarray(RAMP % 2 == 0), 255 * (RAMP % 2 == 0)),
        (torch.from_numpy((RAMP * 1040).astype(np.uint16))[None], np.rint(RAMP * 1040 / 257)),
        (torch.from_numpy(RAMP % 2 == 0)[None], 255 * (RAMP % 2 == 0)),
        (torch.from_numpy(RAMP / 63)[None], np.rint(RAMP / 63 * 255)),
        (torch.from_numpy(RAMP / 64)[None].bfloat16(), np.rint(RAMP / 64 * 255)),
    ],
)
def test_images_of_datasets_are_scaled(image: Any, expected: np.ndarray) -> None:
    items = Items([(image, index % 2) for index in range(10)])
    memory = ImageData.from_datasets("d", items)
    stream = ImageData.from_datasets("d", items, image_size=SIZE, stream=True, workers=0)
    assert (memory.train.images[0, 0].numpy() - expected.astype(int)).tolist() == [[0] * 8] * 8
    ((streamed, _),) = stream.train.batches([torch.arange(2)])
    assert torch.equal(streamed, memory.train.images[:2])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (Image.fromarray((RAMP * 9).astype(np.int32)), "must have 8 or 16 bits"),
        (Image.fromarray((RAMP * 9).astype(np.float32)), r"is floats in \[0, 567\]: divide them"),
        (torch.from_numpy(RAMP)[None].int(), r"but is torch.int32 in \[0, 63\]"),
        (torch.from_numpy(RAMP)[None].short(), "but is torch.int16 in"),
        (torch.from_numpy(RAMP)[None].float(), r"but is torch.float32 in \[0, 63\]: .*divided by"),
        (torch.from_numpy(RAMP / 63)[None] + 0j, "but is torch.complex128 in"),
        (torch.zeros(SIZE, SIZE, 3), r"but is \(8, 8, 3\), which looks like \(H, W, C\): give im"),
        (torch.zeros(28, 28, 1, dtype=torch.uint8), r"which looks like \(H, W, C\)"),
        (pixels(0, SIZE, SIZE, 3), r"ndarray of shape \(8, 8, 3\): convert it.*permute\(2, 0"),
        (torch.zeros(3, 0, 4), r"must have pixels, but has the shape \(3, 0, 4\)"),
        (Image.new("RGB", (0, 4)), r"must have pixels, but its size is \(0, 4\)"),
    ],
)
def test_images_of_datasets_without_a_meaning_are_refused(image: Any, message: str) -> None:
    items = Items([(image, index % 2) for index in range(10)])
    for stream in (False, True):
        with pytest.raises(ValueError, match=rf"Image 0 of `train` must .*{message}|{message}"):
            ImageData.from_datasets("d", items, image_size=SIZE, stream=stream, workers=0)


def test_maps_of_many_channels_and_few_pixels_are_channels_first() -> None:
    for shape in ((64, 4, 4), (13, 9, 9), (4, 8, 3), (1, 28, 1)):
        assert as_bytes(torch.zeros(shape), "Image 0").shape == shape


def test_a_later_wrong_image_is_named_while_streamed() -> None:
    good = Image.new("L", (SIZE, SIZE))
    items = [(good, index % 2) for index in range(10)]
    items[7] = (Image.fromarray((RAMP * 9).astype(np.int32)), 1)
    data = Items(items)
    with pytest.raises(ValueError, match=r"Image 7 must have 8 or 16 bits"):
        ImageData.from_datasets("d", data, data, data, image_size=SIZE, stream=True, workers=0)
