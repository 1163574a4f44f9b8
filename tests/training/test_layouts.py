"""Layouts of folders that people have: read as they are meant, or named with the way out."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest
import torch
from PIL import Image

from optuna_nas.training import load_data


def _write(root: Path, *folders: str, count: int = 5, suffix: str = "png") -> Path:
    """Write images of one shade per folder."""
    for number, folder in enumerate(folders):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            image = Image.new("L", (4, 4), 10 * number + index)
            image.save(root / folder / f"{index}.{suffix}")
    return root


def _sizes(root: Path) -> dict[str, tuple[int, ...]]:
    """Return the classes and the images of each split, the same from memory and streamed."""
    memory = load_data(f"folder:{root}", image_size=4)
    stream = load_data(f"folder:{root}", image_size=4, stream=True, workers=0)
    assert memory.classes == stream.classes
    for part in ("train", "val", "test"):
        assert torch.equal(getattr(memory, part).labels, getattr(stream, part).labels)
    counts = {
        part: tuple(getattr(memory, part).labels.bincount(minlength=memory.num_classes).tolist())
        for part in ("train", "val", "test")
    }
    return {"classes": memory.classes, **counts}  # type: ignore[dict-item]


def _refused(root: Path, message: str) -> None:
    for stream in (False, True):
        with pytest.raises(ValueError, match=message):
            load_data(f"folder:{root}", image_size=4, stream=stream, workers=0)


def test_classes_are_folders_and_splits_are_around_them(tmp_path: Path) -> None:
    flat = _sizes(_write(tmp_path / "flat", "cat", "dog"))
    assert flat == {"classes": ("cat", "dog"), "train": (3, 3), "val": (1, 1), "test": (1, 1)}
    whole = [f"{part}/{name}" for part in ("train", "val", "test") for name in ("cat", "dog")]
    assert _sizes(_write(tmp_path / "splits", *whole))["val"] == (5, 5)
    assert _sizes(_write(tmp_path / "no_val", *whole[:2], *whole[4:])) == {
        "classes": ("cat", "dog"),
        "train": (4, 4),
        "val": (1, 1),
        "test": (5, 5),
    }


def test_a_split_without_a_class_is_read(tmp_path: Path) -> None:
    root = _write(tmp_path, "train/cat", "train/dog", "val/dog")
    assert _sizes(root)["val"] == (0, 5)


@pytest.mark.parametrize(
    ("splits", "named"),
    [
        (("train", "valid"), "'valid'"),
        (("train", "validation", "test"), "'validation'"),
        (("train", "testing"), "'testing'"),
        (("Training", "Testing"), "'Testing', 'Training'"),  # Kaggle's brain tumours
        (("TRAIN", "TEST", "TEST_SIMPLE"), "'TEST', 'TEST_SIMPLE', 'TRAIN'"),  # its blood cells
        (("seg_train", "seg_test", "seg_pred"), None),  # its scenes
        (("train_images", "test_images"), "'test_images', 'train_images'"),
        (("train", "test", "extra"), "'extra'"),
    ],
)
def test_splits_of_other_names_are_not_taken_for_classes(
    splits: tuple[str, ...], named: str | None, tmp_path: Path
) -> None:
    root = _write(tmp_path, *[f"{part}/{name}" for part in splits for name in ("cat", "dog")])
    if named is None:  # "pred" is no word for a split: but every class holds the same classes
        with pytest.warns(UserWarning, match=r"each has the sub-folders cat, dog, whose images"):
            load_data(f"folder:{root}", image_size=4)
    else:
        _refused(root, rf"no other sub-folders than val/ and test/, but '.*' has {named}: rename")


def test_splits_without_train_are_named(tmp_path: Path) -> None:
    root = _write(tmp_path, "val/cat", "val/dog", "test/cat", "test/dog")
    _refused(root, r"must have train/, but '.*' has only test/ and val/")


def test_a_class_may_be_a_train_or_a_test(tmp_path: Path) -> None:
    assert _sizes(_write(tmp_path / "1", "car", "train"))["classes"] == ("car", "train")
    assert _sizes(_write(tmp_path / "2", "exam", "test"))["classes"] == ("exam", "test")


def test_splits_inside_classes_are_named(tmp_path: Path) -> None:
    root = _write(tmp_path, "cat/train", "cat/test", "dog/train", "dog/test")
    _refused(root, r"Splits must be the outermost.* but '.*cat' has 'test', 'train' inside a cla")


def test_a_folder_around_all_is_named_with_what_is_inside(tmp_path: Path) -> None:
    root = _write(tmp_path, "flowers/daisy", "flowers/rose")
    _refused(root, r"at least 2 classes, but '.*' has 1 \('flowers'; if that holds the classes, g")
    assert _sizes(root / "flowers")["classes"] == ("daisy", "rose")
    only_train = _write(tmp_path / "only", "train/daisy", "train/rose")
    _refused(only_train, r"has 1 \('train'; if that holds the classes, give its path\)")


@pytest.mark.parametrize("masks", ["labels", "masks", "Annotations"])
def test_labels_and_masks_beside_images_are_no_class(masks: str, tmp_path: Path) -> None:
    message = rf"has .*'{masks}'.* a layout for detection or segmentation: sort"
    _refused(_write(tmp_path / "top", "images", masks), message)
    _refused(_write(tmp_path / "split", "train/images", f"train/{masks}", "val/images"), message)
    inside = [f"{name}/{kind}" for name in ("COVID", "Normal") for kind in ("images", masks)]
    _refused(_write(tmp_path / "inside", *inside), message)


def test_a_mask_may_be_a_class(tmp_path: Path) -> None:
    assert _sizes(_write(tmp_path, "mask", "no_mask"))["classes"] == ("mask", "no_mask")


def test_the_classes_once_more_inside_one_are_named(tmp_path: Path) -> None:
    root = _write(tmp_path, "daisy", "rose", "flowers/daisy", "flowers/rose")
    _refused(root, r"must not hold other classes, but '.*flowers' has .* 'daisy' and 'rose'")


def test_the_same_folders_in_each_class_are_read_with_a_warning(tmp_path: Path) -> None:
    names = [f"{kind}/{name}" for kind in ("color", "grayscale") for name in ("apple", "corn")]
    root = _write(tmp_path, *names)
    with pytest.warns(UserWarning, match=r"are color, grayscale, and each has .* apple, corn"):
        data = load_data(f"folder:{root}", image_size=4)
    assert data.classes == ("color", "grayscale")


def test_folders_inside_a_class_are_read_as_of_the_class(tmp_path: Path) -> None:
    root = _write(tmp_path, "animals/cat", "animals/dog/small", "cars/red")
    (root / "animals" / "dog" / "more").symlink_to(root / "animals" / "cat")
    assert [sum(pair) for pair in zip(*list(_sizes(root).values())[1:], strict=True)] == [15, 5]


def test_what_systems_leave_is_passed_over(tmp_path: Path) -> None:
    root = _write(tmp_path, "cat", "dog")
    before = load_data(f"folder:{root}", image_size=4).identity
    for name in ("__MACOSX/cat", ".cache", "cat/.ipynb_checkpoints", "dog/@eaDir/0.png"):
        _write(root, name)
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._0.png", "labels.csv", "notes.TXT"):
        for folder in (root, root / "cat"):
            (folder / name).write_bytes(b"no image")
    assert load_data(f"folder:{root}", image_size=4).identity == before


def test_extensions_of_any_case_are_read_and_other_images_named(tmp_path: Path) -> None:
    root = _write(tmp_path, "cat", "dog", suffix="PnG")
    assert _sizes(root)["train"] == (3, 3)
    (root / "dog" / "photo.HEIC").write_bytes(b"...")
    _refused(root, r"of a format that is read, but '.*dog/photo\.HEIC' is not: convert it to PNG")


def test_a_class_of_one_image_is_for_training(tmp_path: Path) -> None:
    root = _write(tmp_path, "cat", "dog", count=9)
    _write(root, "rare", count=1)
    assert _sizes(root)["train"][2] == 1


def test_an_empty_class_is_named_in_any_split(tmp_path: Path) -> None:
    root = _write(tmp_path, "train/cat", "train/dog", "val/cat")
    (root / "val" / "dog").mkdir()
    _refused(root, r"Every class must have images, but '.*val/dog' has none ending in")


def test_a_split_of_images_without_classes_is_named(tmp_path: Path) -> None:
    root = _write(tmp_path, "train/cat", "train/dog", "test")
    _refused(root, r"'.*test' must have images, but has none in sub-folders of classes: sort")


def test_links_are_followed_and_loops_named(tmp_path: Path) -> None:
    root = _write(tmp_path / "here", "cat", "dog")
    _write(tmp_path, "elsewhere")
    (root / "elk").symlink_to(tmp_path / "elsewhere")
    (root / "dog" / "more.png").symlink_to(root / "dog" / "0.png")
    assert _sizes(root)["classes"] == ("cat", "dog", "elk")
    (root / "dog" / "again").symlink_to(root / "dog")
    _refused(root, r"must not hold itself, but the link '.*dog/again' leads to '.*dog', in whi")


@pytest.mark.parametrize("target", ["gone", "eel"])
def test_a_link_that_leads_nowhere_is_no_missing_class(target: str, tmp_path: Path) -> None:
    root = _write(tmp_path, "cat", "dog")
    (root / "eel").symlink_to(root / target)
    _refused(root, r"must lead somewhere, but '.*eel' does not: mend or remove it")


def test_names_that_are_no_utf_8_are_read_for_files_and_named_for_classes(tmp_path: Path) -> None:
    root = _write(tmp_path, "cat", "dog")
    odd = os.fsdecode(b"\xff\xe4.png")
    try:
        (root / "dog" / "0.png").rename(root / "dog" / odd)
    except OSError:
        pytest.skip("the file system takes UTF-8 only")
    assert _sizes(root)["train"] == (3, 3)
    (root / "dog" / odd).write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"'.*dog/\\udcff\\udce4\.png' is damaged") as caught:
        load_data(f"folder:{root}")
    assert str(caught.value).encode()
    (root / "dog").rename(root / os.fsdecode(b"d\xf6g"))
    _refused(root, r"name of a class must be UTF-8 text, but '.*' has 'd\\udcf6g': rename")


def test_an_archive_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "flowers.zip").write_bytes(b"PK")
    with pytest.raises(FileNotFoundError, match=r"must exist, but is a file: unpack it and give"):
        load_data(f"folder:{tmp_path / 'flowers.zip'}")


def test_an_ordinary_folder_warns_of_nothing(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _sizes(_write(tmp_path, "cat/day", "cat/night", "dog"))
