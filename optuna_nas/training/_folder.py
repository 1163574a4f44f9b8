"""Reads a folder of images: one sub-folder per class, or train/, val/ and test/ with those."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psutil
import torch
from torch.utils.data import Dataset

from optuna_nas.training._data import Split
from optuna_nas.training._pixels import as_size
from optuna_nas.training._stream import StreamedSplit

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["files_hash", "read_folder", "stream_folder"]

T = TypeVar("T")

_EXTENSIONS = frozenset(
    (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)
_PARTS = ("train", "val", "test")
_ALIASES = ("valid", "validation")


def read_folder(
    path: Path, image_size: int | tuple[int, int]
) -> tuple[dict[str, Split | None], tuple[str, ...]]:
    """Return the images of a folder as RGB under "train", "val", "test", and the class names.

    Args:
        path: The folder.
        image_size: Pixels, or (height, width), that every image is resized to.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If a file is no image, a class has none, or the classes differ.
    """
    size = as_size(image_size)
    return _read(path, lambda files, labels: _read_files(files, labels, size))


def stream_folder(
    path: Path, image_size: int | tuple[int, int], workers: int
) -> tuple[dict[str, StreamedSplit | None], tuple[str, ...]]:
    """Return the images of a folder like :func:`read_folder`, but leave them in their files.

    Args:
        path: The folder.
        image_size: Pixels, or (height, width), that every image is cut and resized to.
        workers: Processes that read.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If a class has no image, or the classes differ.
    """
    shape = (3, *as_size(image_size))
    return _read(
        path,
        lambda files, labels: StreamedSplit(
            _Pictures(files, labels),
            torch.arange(len(files)),
            torch.tensor(labels),
            shape,
            workers,
        ),
    )


def files_hash(pools: Mapping[str, StreamedSplit | None], path: Path) -> str:
    """Return a SHA-256 of the names and sizes of all files, which is read without the images."""
    digest = hashlib.sha256()
    for part, pool in sorted(pools.items()):
        if pool is not None:
            for name, label in pool.dataset.samples:
                file = Path(name)
                line = (
                    f"{part} {file.relative_to(path).as_posix()} {file.stat().st_size} {label}\n"
                )
                digest.update(line.encode())
    return digest.hexdigest()


class _Pictures(Dataset[Any]):
    """Pairs of (RGB image, label) from files, as in ``torchvision.datasets.ImageFolder``."""

    def __init__(self, files: list[Path], labels: list[int]) -> None:
        self.samples = list(zip(map(str, files), labels, strict=True))

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        from PIL import Image

        name, label = self.samples[index]
        with Image.open(name) as image:
            return image.convert("RGB"), label


def _read(
    path: Path, read: Callable[[list[Path], list[int]], T]
) -> tuple[dict[str, T | None], tuple[str, ...]]:
    if not path.is_dir():
        raise FileNotFoundError(
            f"The folder of images {str(path)!r} must exist, but does not: give folder:PATH with "
            "a folder that has one sub-folder of images per class."
        )
    parts = _part_folders(path)
    if parts is None:
        classes = _class_names(path)
        return {"train": read(*_labelled(path, classes)), "val": None, "test": None}, classes
    classes = _class_names(parts["train"])
    return {
        part: read(*_labelled(parts[part], classes)) if part in parts else None for part in _PARTS
    }, classes


def _part_folders(path: Path) -> dict[str, Path] | None:
    """Return train/, val/ and test/ where the folder has them."""
    found = {folder.name: folder for folder in _sub_folders(path)}
    if "train" not in found or not {"val", "test", *_ALIASES} & set(found):
        return None
    others = sorted(set(found) - set(_PARTS))
    if others:
        raise ValueError(
            f"A folder with train/ must have no other sub-folders than val/ and test/, but "
            f"{str(path)!r} has {others[0]!r}: rename or move it."
        )
    return found


def _sub_folders(path: Path) -> list[Path]:
    folders = (entry for entry in path.iterdir() if entry.is_dir())
    return sorted(folder for folder in folders if not folder.name.startswith("."))


def _class_names(path: Path) -> tuple[str, ...]:
    names = tuple(folder.name for folder in _sub_folders(path))
    if len(names) < 2:
        raise ValueError(
            f"A folder of images must have a sub-folder for each of at least 2 classes, but "
            f"{str(path)!r} has {len(names)}."
        )
    return names


def _labelled(path: Path, classes: tuple[str, ...]) -> tuple[list[Path], list[int]]:
    """Return the image files of a folder of classes, and their labels."""
    unknown = {folder.name for folder in _sub_folders(path)} - set(classes)
    if unknown:
        raise ValueError(
            f"Every class must be in train/ too, but {str(path)!r} has the class "
            f"{min(unknown)!r}: the classes are {', '.join(classes)}."
        )
    found: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        if not (path / name).exists():
            continue  # only possible in val/ and test/
        files = _image_files(path / name)
        found += files
        labels += [label] * len(files)
    if not found:
        raise ValueError(f"The folder {str(path)!r} must have images, but has none.")
    return found, labels


def _read_files(files: list[Path], labels: list[int], size: tuple[int, int]) -> Split:
    needed = 2 * 3 * size[0] * size[1] * len(files)  # single images, and all of them in one tensor
    available = psutil.virtual_memory().available
    if needed > available:
        raise ValueError(
            f"The images of a folder must fit into memory, but {len(files):,} images of {size[0]}x"
            f"{size[1]} pixels need {needed / 1e9:.3g} GB and {available / 1e9:.3g} GB are free: "
            "load them with stream=True, or with a smaller image_size."
        )
    return Split(torch.stack([_read_image(file, size) for file in files]), torch.tensor(labels))


def _image_files(folder: Path) -> list[Path]:
    files = sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in _EXTENSIONS and not file.name.startswith(".")
    )
    if not files:
        raise ValueError(
            f"Every class must have images, but {str(folder)!r} has none ending in "
            f"{', '.join(sorted(_EXTENSIONS))}: add some or remove the folder."
        )
    return files


def _read_image(file: Path, size: tuple[int, int]) -> torch.Tensor:
    """Return an image as uint8 of shape (3, H, W)."""
    from PIL import Image
    from torchvision.transforms.functional import pil_to_tensor

    try:
        with Image.open(file) as image:
            return torch.as_tensor(pil_to_tensor(_fitted(image, size)))
    except (OSError, SyntaxError, ValueError) as e:
        raise ValueError(
            f"Every file must be an image that can be read, but {str(file)!r} is damaged or "
            f"something else ({e}): replace or remove it."
        ) from e


def _fitted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    from PIL import Image

    height, width = size
    return image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
