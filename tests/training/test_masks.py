"""Folders of images with a mask each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from optuna_nas.training import Task, TensorData, load_data


def _write(folder: Path, names: str, *, size: tuple[int, int] = (4, 6), classes: int = 3) -> None:
    """Write images whose red is their number, and masks with rows of classes."""
    height, width = size
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        image = np.full((height, width, 3), 10 * number, np.uint8)
        mask = np.tile(np.arange(height)[:, None] % classes, (1, width)).astype(np.uint8)
        mask[0, 0] = number % classes
        Image.fromarray(image).save(folder / "images" / f"{name}.jpg", quality=100)
        Image.fromarray(mask).save(folder / "masks" / f"{name}.png")


def _load(folder: Path, **options: Any) -> TensorData:
    data = load_data(f"masks:{folder}", **options)
    assert isinstance(data, TensorData)
    return data


def test_images_are_floats_and_masks_their_classes(tmp_path: Path) -> None:
    _write(tmp_path, "abcdefghij")
    (tmp_path / "images" / ".DS_Store").write_text("")
    data = _load(tmp_path)
    assert (len(data.train), len(data.val), len(data.test)) == (6, 2, 2)
    assert data.default_task == Task.segmentation()
    assert str(data.inputs) == "3x4x6"
    assert data.build_arguments == {"in_channels": 3}
    assert Task.segmentation().bound_to(data).build_arguments["num_classes"] == 3
    assert data.train.targets is not None
    assert data.train.targets.dtype == torch.int64
    for image, mask in zip(data.train.inputs, data.train.targets, strict=True):
        number = round(float(image.mean()) * 25.5)
        assert float(image.max()) == pytest.approx(number * 10 / 255, abs=0.02)
        expected = torch.arange(4)[:, None].expand(4, 6) % 3
        assert int(mask[0, 0]) == number % 3
        assert torch.equal(mask[1:], expected[1:])


def test_parts_may_be_given(tmp_path: Path) -> None:
    for part, names in (("train", "abcd"), ("val", "ef"), ("test", "g")):
        _write(tmp_path / part, names)
    data = _load(tmp_path)
    assert (len(data.train), len(data.val), len(data.test)) == (4, 2, 1)


def test_images_are_interpolated_and_masks_are_not(tmp_path: Path) -> None:
    _write(tmp_path, "abcde", size=(4, 6))
    _write(tmp_path, "z", size=(8, 6))
    data = _load(tmp_path, image_size=(8, 12))
    assert str(data.inputs) == "3x8x12"
    masks = torch.cat([split.targets for split in (data.train, data.val, data.test)])  # type: ignore[misc]
    assert masks.unique().tolist() == [0, 1, 2]
    assert data.identity["image_size"] == [8, 12]
    assert data.train.targets is not None
    stretched = (torch.arange(8) // 2 % 3)[:, None].expand(8, 12)
    assert sum(torch.equal(mask[2:], stretched[2:]) for mask in data.train.targets) >= 2
    with pytest.raises(ValueError, match="All images must have the same size, but .*z.jpg.* 8x6"):
        _load(tmp_path)


@pytest.mark.parametrize("mode", ["P", "1", "I;16"])
def test_masks_of_other_modes(tmp_path: Path, mode: str) -> None:
    _write(tmp_path, "abcde", classes=2)
    for path in (tmp_path / "masks").iterdir():
        with Image.open(path) as opened:
            mask = np.array(opened)
        if mode == "P":
            picture = Image.fromarray(mask, mode="L")
            picture.putpalette([9, 9, 9, 200, 100, 50])
        elif mode == "1":
            picture = Image.fromarray(mask > 0)
        else:
            picture = Image.fromarray(mask.astype(np.uint16))
        picture.save(path)
        with Image.open(path) as opened:
            assert opened.mode == mode
    data = _load(tmp_path)
    assert data.train.targets is not None
    assert data.train.targets[:, 1].unique().tolist() == [1]
    assert data.train.targets[:, 2].unique().tolist() == [0]


def _white(folder: Path) -> None:
    Image.fromarray(np.full((4, 6), 255, np.uint8)).save(folder / "masks" / "b.png")


def _colour(folder: Path) -> None:
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(folder / "masks" / "b.png")


def _lossy(folder: Path) -> None:
    (folder / "masks" / "b.png").unlink()
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(folder / "masks" / "b.jpg")


def _larger(folder: Path) -> None:
    Image.fromarray(np.zeros((5, 6), np.uint8)).save(folder / "masks" / "b.png")


def _damaged(folder: Path) -> None:
    (folder / "masks" / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "masks" / "b.png").unlink(), "'b' of .* is in images/ and not in masks/"),
        (lambda f: (f / "images" / "b.jpg").unlink(), "'b' of .* is in masks/ and not in images/"),
        (
            lambda f: (f / "images" / "b.png").write_text(""),
            "has both 'b.jpg' and 'b.png': remove one",
        ),
        (_white, r"from 0 without gaps, but '.*b.png' has 255 and none has 3: number them anew"),
        (_colour, "grey or indexed image .* is a PNG of mode RGB: save it as a grey PNG"),
        (_lossy, "grey or indexed image without loss.*b.jpg' is a JPEG of mode L"),
        (_larger, "must have the size of its image, but .*b.png' has 6x5 .*b.jpg' 6x4"),
        (_damaged, "Every image must be one that can be read, but '.*b.png' is damaged"),
        (lambda f: (f / "images").rename(f / "pictures"), "has neither images/ nor train/"),
        (lambda f: (f / "masks").rename(f / "labels"), "but there is no '.*masks'"),
    ],
)
def test_folders_that_are_refused(
    tmp_path: Path, spoil: Callable[[Path], Any], message: str
) -> None:
    _write(tmp_path, "abcde")
    spoil(tmp_path)
    with pytest.raises(ValueError, match=message):
        _load(tmp_path)


def test_folders_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="masks:PATH needs a folder .* there is no folder"):
        _load(tmp_path / "nowhere")
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    with pytest.raises(ValueError, match=r"but '.*images' is empty"):
        _load(tmp_path)


def test_images_must_fit_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, "abcde")

    class Memory:
        available = 100

    monkeypatch.setattr(
        "optuna_nas.training.data.images._masks.psutil.virtual_memory", lambda: Memory()
    )
    with pytest.raises(ValueError, match="must fit into memory, but 5 of 4x6 pixels need"):
        _load(tmp_path)
