"""Reads folders of images and masks: a class for each pixel.

Letters: ``N`` images, ``H`` x ``W`` pixels, ``K`` classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import psutil
import torch
from PIL import Image

from optuna_nas.training.data.images._pictures import (
    UnreadableImageError,
    damaged,
    open_picture,
    require_image_file,
)
from optuna_nas.training.data.images._pixels import as_size
from optuna_nas.training.data.tensors import TensorData
from optuna_nas.training.task import Task

__all__ = ["load_masks"]

_PARTS = ("train", "val", "test")
_IMAGES, _MASKS = "images", "masks"
_NUMBERED = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L", "I;16N")  # modes of one number a pixel
_LOSSY = ("JPEG", "WEBP", "JPEG2000")
_LAYOUT = (
    "masks:PATH needs a folder with images/ and masks/, whose files have the same names, or with "
    "train/, val/ and test/ that have those"
)


@dataclasses.dataclass(frozen=True)
class _Pair:
    image: Path
    mask: Path


def load_masks(
    name: str,
    path: Path,
    image_size: int | tuple[int, int] | None,
    sizes: Mapping[str, int | None],
    split_seed: int,
) -> TensorData:
    """Return images as floats in [0, 1] of shape (N, 3, H, W), and masks (N, H, W).

    Args:
        name: Name of the data.
        path: The folder.
        image_size: Pixels, or (height, width), that images are resized to by interpolation, and
            masks by their nearest pixels; None: as they are.
        sizes: Images wanted under "train", "val" and "test".
        split_seed: Chooses the splits.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If the layout is another one, a file is no image or no mask, sizes differ, or
            a class is in no mask.
    """
    size = None if image_size is None else as_size(image_size)
    pairs = {part: _pairs(folder) for part, folder in _folders(path).items()}
    read: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    first = open_picture(pairs["train"][0].image).size[::-1] if size is None else size
    _require_memory(sum(map(len, pairs.values())), first)
    for part, files in pairs.items():
        found = [_read(pair, size, first) for pair in files]
        images, masks = zip(*found, strict=True)
        read[part] = torch.stack(images), torch.stack(masks)
    _require_all_classes({part: masks for part, (_, masks) in read.items()}, pairs)
    data = TensorData(
        name,
        read["train"],
        read.get("val"),
        read.get("test"),
        task=Task.segmentation(),
        split_seed=split_seed,
        train_size=sizes["train"],
        val_size=sizes["val"],
        test_size=sizes["test"],
        stratify=False,
    )
    if size is not None:
        data.origin = {"image_size": list(size)}
    return data


def _folders(path: Path) -> dict[str, Path]:
    if not path.is_dir():
        raise FileNotFoundError(f"{_LAYOUT}, but there is no folder {str(path)!r}.")
    if (path / _IMAGES).is_dir():
        return {"train": path}
    found = {part: path / part for part in _PARTS if (path / part).is_dir()}
    if "train" not in found:
        raise ValueError(f"{_LAYOUT}, but {str(path)!r} has neither images/ nor train/.")
    return found


def _pairs(folder: Path) -> list[_Pair]:
    """Return the images of a folder with their masks, by name."""
    images, masks = _files(folder / _IMAGES), _files(folder / _MASKS)
    alone = sorted(images.keys() ^ masks.keys())
    if alone:
        has = _IMAGES if alone[0] in images else _MASKS
        lacks = _MASKS if has == _IMAGES else _IMAGES
        raise ValueError(
            f"{_LAYOUT}, but {alone[0]!r} of {str(folder)!r} is in {has}/ and not in {lacks}/: "
            "add it there, or remove it here."
        )
    if not images:
        raise ValueError(f"{_LAYOUT}, but {str(folder / _IMAGES)!r} is empty.")
    return [_Pair(images[name], masks[name]) for name in sorted(images)]


def _files(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by their names without suffix."""
    if not folder.is_dir():
        raise ValueError(f"{_LAYOUT}, but there is no {str(folder)!r}.")
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        if file.name.startswith("."):
            continue
        if file.stem in found:
            raise ValueError(
                f"{_LAYOUT}, but {str(folder)!r} has both {found[file.stem].name!r} and "
                f"{file.name!r}: remove one."
            )
        found[file.stem] = file
    return found


def _require_memory(images: int, size: tuple[int, int]) -> None:
    needed = images * size[0] * size[1] * (2 * 3 * 4 + 2 * 8)  # single ones, and all in a tensor
    available = psutil.virtual_memory().available
    if needed > available:
        raise ValueError(
            f"The images of masks:PATH must fit into memory, but {images:,} of {size[0]}x{size[1]}"
            f" pixels need {needed / 1e9:.3g} GB and {available / 1e9:.3g} GB are free: load them "
            "with a smaller image_size, or by a LoaderData."
        )


def _read(
    pair: _Pair, size: tuple[int, int] | None, first: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return an image (3, H, W) in [0, 1], and its mask (H, W)."""
    image, mask = open_picture(pair.image), _open_mask(pair.mask)
    if image.size != mask.size:
        raise ValueError(
            f"A mask must have the size of its image, but {str(pair.mask)!r} has "
            f"{mask.width}x{mask.height} pixels and {str(pair.image)!r} "
            f"{image.width}x{image.height}."
        )
    if size is not None:
        wanted = (size[1], size[0])
        image = image.resize(wanted, Image.Resampling.BILINEAR)
        mask = mask.resize(wanted, Image.Resampling.NEAREST)
    elif (image.height, image.width) != first:
        raise ValueError(
            f"All images must have the same size, but {str(pair.image)!r} has "
            f"{image.height}x{image.width} pixels and the first one {first[0]}x{first[1]}: pass "
            "image_size=... to resize them."
        )
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    numbers = torch.from_numpy(np.array(mask).astype(np.int64))
    return (pixels.float() / 255).contiguous(), numbers


def _open_mask(file: Path) -> Image.Image:
    """Return a mask as it is stored: its values are numbers of classes."""
    require_image_file(file)
    try:
        with Image.open(file) as opened:
            kind, mode = opened.format, opened.mode
            mask = opened.copy()
    except Exception as e:  # a decoder may raise anything at the bytes of a damaged file
        raise damaged(repr(str(file)), e) from e
    if kind in _LOSSY or mode not in _NUMBERED:
        raise UnreadableImageError(
            f"A mask must be a grey or indexed image without loss, whose values are the numbers "
            f"of the classes, but {str(file)!r} is a {kind} of mode {mode}: save it as a grey PNG."
        )
    return mask


def _require_all_classes(
    masks: Mapping[str, torch.Tensor], pairs: Mapping[str, list[_Pair]]
) -> None:
    """Raise if a class up to the highest is in no mask: then the values are something else."""
    present = [np.unique(mask.numpy()) for mask in masks.values()]
    found = np.unique(np.concatenate(present)).tolist()
    if found == list(range(len(found))):
        return
    missing = next(number for number in range(found[-1]) if number not in found)
    part, place = next(
        (part, place)
        for part, mask in masks.items()
        for place in range(len(mask))
        if int(mask[place].max()) == found[-1]
    )
    raise ValueError(
        f"Masks must number the classes from 0 without gaps, but {str(pairs[part][place].mask)!r} "
        f"has {found[-1]} and none has {missing}: number them anew, as with 0 and 1 for black and "
        "white."
    )
