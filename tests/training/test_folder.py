"""Folders of real image files, good and bad."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from optuna_nas.training import load_data


def _write_classes(folder: Path, counts: dict[str, int], *, size: int = 8) -> None:
    for label, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            colour = (40 * label, 3 * index, 200)
            Image.new("RGB", (size, size), colour).save(folder / name / f"{index}.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    _write_classes(tmp_path / "flowers", {"daisy": 20, "rose": 10})
    return tmp_path / "flowers"


def test_a_folder_per_class_is_split_in_proportion(folder: Path) -> None:
    data = load_data(f"folder:{folder}")

    assert data.classes == ("daisy", "rose")
    assert data.input_size == (3, 32, 32)
    assert (len(data.train), len(data.val), len(data.test)) == (18, 6, 6)
    assert data.val.labels.bincount().tolist() == [4, 2]
    for image, label in zip(data.val.images, data.val.labels, strict=True):
        assert image[0].unique().tolist() == [40 * int(label)]
    assert len(data.identity["content_hash"]) == 64


def test_given_splits_are_kept_and_a_missing_one_is_split_off(tmp_path: Path) -> None:
    _write_classes(tmp_path / "train", {"a": 10, "b": 10})
    _write_classes(tmp_path / "test", {"a": 3, "b": 4})

    data = load_data(f"folder:{tmp_path}", image_size=8)

    assert (len(data.train), len(data.val), len(data.test)) == (16, 4, 7)
    assert data.test.labels.tolist().count(1) == 4


def test_images_are_converted_and_resized(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for index, (mode, suffix) in enumerate(
            [("L", "png"), ("RGBA", "PNG"), ("RGB", "jpg")] * 3
        ):
            pixels = Image.fromarray(rng.integers(0, 256, (20, 10, 3), dtype=np.uint8))
            pixels.convert(mode).save(tmp_path / name / f"{index}.{suffix}")

    data = load_data(f"folder:{tmp_path}", image_size=(6, 5))

    assert data.input_size == (3, 6, 5)


def test_other_files_are_passed_over_and_sub_folders_read(folder: Path) -> None:
    (folder / "rose" / "notes.txt").write_text("no image")
    (folder / ".cache").mkdir()
    (folder / "readme.md").touch()
    before = load_data(f"folder:{folder}")
    (folder / "rose" / "more").mkdir()
    Image.new("RGB", (8, 8)).save(folder / "rose" / "more" / "x.png")

    after = load_data(f"folder:{folder}")

    total = [sum(map(len, (d.train, d.val, d.test))) for d in (before, after)]
    assert total == [30, 31]
    assert before.identity["content_hash"] != after.identity["content_hash"]


def test_a_corrupted_image_is_named(folder: Path) -> None:
    path = folder / "rose" / "3.png"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ValueError, match=r"'.*rose/3\.png' is damaged or something else"):
        load_data(f"folder:{folder}")


def test_a_text_with_the_name_of_an_image_is_named(folder: Path) -> None:
    (folder / "daisy" / "zero.jpg").write_text("no image")
    with pytest.raises(ValueError, match=r"'.*daisy/zero\.jpg' is damaged") as caught:
        load_data(f"folder:{folder}")
    assert isinstance(caught.value.__cause__, OSError)


def test_an_empty_class_is_named(folder: Path) -> None:
    (folder / "tulip").mkdir()
    with pytest.raises(ValueError, match=r"Every class must have images, but '.*tulip' has none"):
        load_data(f"folder:{folder}")


def test_a_folder_without_classes_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"at least 2 classes, but '.*empty' has 0"):
        load_data(f"folder:{tmp_path / 'empty'}")
    shutil.rmtree(folder / "rose")
    with pytest.raises(ValueError, match=r"at least 2 classes, but '.*flowers' has 1"):
        load_data(f"folder:{folder}")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"folder of images '.*nowhere' must exist"):
        load_data(f"folder:{tmp_path / 'nowhere'}")


def test_a_class_that_is_not_in_train_is_named(tmp_path: Path) -> None:
    _write_classes(tmp_path / "train", {"a": 5, "b": 5})
    _write_classes(tmp_path / "val", {"a": 5, "c": 5})
    with pytest.raises(ValueError, match=r"'.*val' has the class 'c': the classes are a, b"):
        load_data(f"folder:{tmp_path}")


def test_an_empty_split_is_named(tmp_path: Path) -> None:
    _write_classes(tmp_path / "train", {"a": 5, "b": 5})
    (tmp_path / "test").mkdir()
    with pytest.raises(ValueError, match=r"'.*test' must have images, but has none"):
        load_data(f"folder:{tmp_path}")


def test_a_split_of_another_name_is_not_passed_over(tmp_path: Path) -> None:
    _write_classes(tmp_path / "train", {"a": 5, "b": 5})
    _write_classes(tmp_path / "valid", {"a": 5, "b": 5})
    with pytest.raises(ValueError, match=r"no other sub-folders than val/ and test/.*'valid'"):
        load_data(f"folder:{tmp_path}")


def test_the_same_folder_gives_the_same_data(folder: Path) -> None:
    first, again = (load_data(f"folder:{folder}", split_seed=5) for _ in range(2))
    assert first.identity == again.identity
    assert torch.equal(first.train.images, again.train.images)
