"""Reads a folder of images: one sub-folder per class, or train/, val/ and test/ with those."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import psutil
import torch
from PIL import Image
from torch.utils.data import Dataset

from optuna_nas.training.data.images._layout import (
    PARTS,
    class_names,
    labelled_files,
    part_folders,
)
from optuna_nas.training.data.images._pictures import open_picture
from optuna_nas.training.data.images._pixels import as_size
from optuna_nas.training.data.images._split import Split
from optuna_nas.training.data.images._stream import StreamedSplit

__all__ = ["files_hash", "read_folder", "stream_folder"]

T = TypeVar("T")


def read_folder(
    path: Path, image_size: int | tuple[int, int]
) -> tuple[dict[str, Split | None], tuple[str, ...]]:
    """Return the images of a folder as RGB under "train", "val", "test", and the class names.

    Args:
        path: The folder.
        image_size: Pixels, or (height, width), that every image is resized to.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If an image cannot be read rightly, a class has none, the classes differ, or
            the layout is that of something else.
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
        ValueError: If a class has no image, the classes differ, or the layout is that of
            something else.
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
                digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


class _Pictures(Dataset[Any]):
    """Pairs of (RGB image, label) from files, as in ``torchvision.datasets.ImageFolder``."""

    def __init__(self, files: list[Path], labels: list[int]) -> None:
        self.samples = list(zip(map(str, files), labels, strict=True))

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        name, label = self.samples[index]
        return open_picture(name), label


def _read(
    path: Path, read: Callable[[list[Path], list[int]], T]
) -> tuple[dict[str, T | None], tuple[str, ...]]:
    if not path.is_dir():
        state = "is a file: unpack it and" if path.exists() else "does not:"
        raise FileNotFoundError(
            f"The folder of images {str(path)!r} must exist, but {state} give folder:PATH with "
            "a folder that has one sub-folder of images per class."
        )
    parts = part_folders(path)
    if parts is None:
        classes = class_names(path)
        return {"train": read(*labelled_files(path, classes)), "val": None, "test": None}, classes
    classes = class_names(parts["train"])
    return {
        part: read(*labelled_files(parts[part], classes)) if part in parts else None
        for part in PARTS
    }, classes


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


def _read_image(file: Path, size: tuple[int, int]) -> torch.Tensor:
    """Return an image as uint8 of shape (3, H, W)."""
    from torchvision.transforms.functional import pil_to_tensor

    height, width = size
    fitted = open_picture(file).resize((width, height), Image.Resampling.BILINEAR)
    return torch.as_tensor(pil_to_tensor(fitted))
