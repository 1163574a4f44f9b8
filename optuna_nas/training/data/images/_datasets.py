"""Reads torch datasets of (image, label), and says which item is wrong."""

from __future__ import annotations

import copy
import functools
import hashlib
import operator
from collections.abc import Callable, Mapping, Sequence, Sized
from typing import Any

import torch
from torch.utils.data import ConcatDataset, Subset

from optuna_nas.training.data.images._pictures import (
    READ_ERRORS,
    UnreadableImageError,
    damaged,
    open_picture,
)
from optuna_nas.training.data.images._pixels import as_bytes, as_size, resized
from optuna_nas.training.data.images._split import AnySplit, Split
from optuna_nas.training.data.images._stream import StreamedSplit, worker_count

__all__ = ["content_hash", "pools_of"]


def pools_of(
    datasets: Mapping[str, Any],
    *,
    classes: Sequence[str] | None,
    image_size: int | tuple[int, int] | None,
    stream: bool,
    workers: int | None,
) -> tuple[dict[str, AnySplit | None], tuple[str, ...]]:
    """Return the images of datasets under "train", "val", "test", and the class names.

    The arguments are those of :meth:`ImageData.from_datasets`.
    """
    read: Callable[[Any, str], AnySplit]
    if not stream:
        read = functools.partial(_read, image_size=image_size)
    elif image_size is not None:
        read = functools.partial(_stream, size=as_size(image_size), workers=worker_count(workers))
    else:
        raise ValueError(
            "`image_size` must be given for a stream, but got image_size=None and stream=True."
        )
    pools = {
        part: None if dataset is None else read(_with_own_loader(dataset), part)
        for part, dataset in datasets.items()
    }
    names = _class_names(datasets["train"], pools, classes)
    for part, pool in pools.items():
        if pool is not None:
            _check_pool(part, pool, names, pools["train"])
    return pools, names


def content_hash(pools: Mapping[str, AnySplit | None]) -> str:
    """Return a SHA-256 of all images and labels; of streams, whose images are not read, labels."""
    digest = hashlib.sha256()
    for part, pool in sorted(pools.items()):
        if isinstance(pool, Split):
            digest.update(f"{part} {tuple(pool.images.shape)}".encode())
            digest.update(pool.images.numpy().tobytes())
            digest.update(pool.labels.numpy().tobytes())
        elif pool is not None:
            digest.update(part.encode() + pool.labels.numpy().tobytes())
    return digest.hexdigest()


def _stream(dataset: Any, part: str, size: tuple[int, int], workers: int) -> StreamedSplit:
    """Return a dataset as a stream; its labels come from ``targets``, else from all its items."""
    _require_items(dataset, part)
    first, _ = _item(dataset, 0, part)
    channels = as_bytes(first, f"Image 0 of `{part}`").shape[0]
    targets = getattr(dataset, "targets", None)
    if targets is None:
        targets = [_item(dataset, index, part)[1] for index in range(len(dataset))]
    labels = [_label(label, index, part) for index, label in enumerate(targets)]
    if len(labels) != len(dataset):
        raise ValueError(
            f"`{part}` must have one label per image, but its `targets` are {len(labels)} for "
            f"{len(dataset)} images."
        )
    whole = torch.arange(len(labels))
    return StreamedSplit(dataset, whole, torch.tensor(labels), (channels, *size), workers)


def _require_items(dataset: Any, part: str) -> None:
    if not isinstance(dataset, Sized):
        raise TypeError(
            f"`{part}` must be a map-style dataset with a length, but got "
            f"{type(dataset).__name__}."
        )
    if len(dataset) == 0:
        raise ValueError(f"`{part}` must have images, but is empty.")


def _read(dataset: Any, part: str, image_size: int | tuple[int, int] | None) -> Split:
    _require_items(dataset, part)
    images, labels = [], []
    for index in range(len(dataset)):
        image, label = _item(dataset, index, part)
        pixels = as_bytes(image, f"Image {index} of `{part}`")
        images.append(resized(pixels[None], image_size))
        labels.append(_label(label, index, part))
        if images[-1].shape != images[0].shape:
            raise ValueError(
                f"All images must have the same shape, but image {index} of `{part}` has shape "
                f"{tuple(images[-1].shape[1:])} and image 0 {tuple(images[0].shape[1:])}: pass "
                "image_size=... to resize them, and convert them to the same mode."
            )
    return Split(torch.cat(images), torch.tensor(labels))


def _with_own_loader(dataset: Any) -> Any:
    """Return torchvision's folders so that they open files as :func:`load_data` does.

    Their default loader clips images of 16 bits at 255, leaves photographs on their side, and
    waits forever at a pipe. A loader that a user has chosen stays.
    """
    from torchvision.datasets import DatasetFolder
    from torchvision.datasets.folder import default_loader

    changed: dict[str, Any]
    if isinstance(dataset, DatasetFolder) and dataset.loader is default_loader:
        changed = {"loader": open_picture}
    elif isinstance(dataset, Subset):
        changed = {"dataset": _with_own_loader(dataset.dataset)}
    elif isinstance(dataset, ConcatDataset):
        changed = {"datasets": [_with_own_loader(part) for part in dataset.datasets]}
    else:
        return dataset
    dataset = copy.copy(dataset)  # the user's own stays as it is
    vars(dataset).update(changed)
    return dataset


def _item(dataset: Any, index: int, part: str) -> tuple[Any, Any]:
    """Return the pair (image, label) of a dataset at an index."""
    try:
        item = dataset[index]
    except UnreadableImageError:
        raise
    except READ_ERRORS as e:
        raise damaged(f"Image {index} of `{part}`", e) from e
    try:
        image, label = item
    except (TypeError, ValueError) as e:
        raise ValueError(
            f"Item {index} of `{part}` must be a pair (image, label), but is a "
            f"{type(item).__name__}."
        ) from e
    return image, label


def _label(label: Any, index: int, part: str) -> int:
    try:
        number = operator.index(label)
    except TypeError as e:
        raise ValueError(f"Label {index} of `{part}` must be an integer, but is {label!r}.") from e
    if not 0 <= number < 2**31:
        raise ValueError(
            f"Label {index} of `{part}` must be at least 0, but is {number}: number the classes "
            "from 0."
        )
    return number


def _class_names(
    train: Any, pools: Mapping[str, AnySplit | None], classes: Sequence[str] | None
) -> tuple[str, ...]:
    if classes is None:
        classes = getattr(train, "classes", None)
    if classes is not None:
        return tuple(map(str, classes))
    highest = max(int(pool.labels.max()) for pool in pools.values() if pool is not None)
    images = len(train)
    if highest >= images:
        raise ValueError(
            f"Every class must have an image in `train`, but there is a label {highest} and only "
            f"{images} images: number the classes from 0 without gaps."
        )
    return tuple(map(str, range(highest + 1)))


def _check_pool(part: str, pool: AnySplit, names: Sequence[str], train: AnySplit | None) -> None:
    assert train is not None
    outside = (pool.labels >= len(names)).nonzero()
    if len(outside):
        index = int(outside[0])
        raise ValueError(
            f"Labels must lie in 0..{len(names) - 1} for {len(names)} classes, but label {index} "
            f"of `{part}` is {int(pool.labels[index])}: correct it, or give all `classes`."
        )
    if pool.image_shape != train.image_shape:
        raise ValueError(
            f"All images must have the same shape, but those of `{part}` have "
            f"{pool.image_shape} and those of `train` {train.image_shape}: pass image_size=... "
            "to resize them."
        )
    counts = torch.bincount(train.labels, minlength=len(names))
    if bool((counts == 0).any()):
        empty = int((counts == 0).nonzero()[0])
        raise ValueError(
            f"Every class must have an image in `train`, but class {empty} ({names[empty]!r}) "
            f"of {len(names)} has none: number the classes from 0 without gaps."
        )
