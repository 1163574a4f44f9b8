"""Data sets by name: images, tables, and images with masks.

``digits`` is part of scikit-learn and needs no download; its pixels of 0 to 16 become 0 to 255.

References:
    Xiao et al., Fashion-MNIST, arXiv 1708.07747.
    Clanuwat et al., Deep Learning for Classical Japanese Literature (Kuzushiji-MNIST), arXiv
        1812.01718.
    Krizhevsky, Learning Multiple Layers of Features from Tiny Images (CIFAR), 2009.
    Netzer et al., Reading Digits in Natural Images (SVHN), 2011.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypedDict, Unpack, overload

import numpy as np
import torch

from optuna_nas.training.data.images._data import ImageData, assemble
from optuna_nas.training.data.images._datasets import content_hash
from optuna_nas.training.data.images._folder import files_hash, read_folder, stream_folder
from optuna_nas.training.data.images._masks import load_masks
from optuna_nas.training.data.images._pixels import resized
from optuna_nas.training.data.images._split import Split
from optuna_nas.training.data.images._stream import worker_count
from optuna_nas.training.data.tables import TABLES, load_csv, load_table
from optuna_nas.training.data.tensors import TensorData

__all__ = ["load_data"]

_FOLDER, _CSV, _MASKS = "folder:", "csv:", "masks:"
_FOLDER_IMAGE_SIZE = 32
_DEFAULT_ROOT = Path("data")


_Images: TypeAlias = Literal["digits", "fashion-mnist", "kmnist", "cifar10", "cifar100", "svhn"]
_Tables: TypeAlias = Literal[
    "breast-cancer", "california", "diabetes", "digits-table", "iris", "wine"
]


class _Options(TypedDict, total=False):
    """Options of :func:`load_data`."""

    split_seed: int
    train_size: int | None
    val_size: int | None
    test_size: int | None
    root: str | Path | None
    download: bool
    image_size: int | tuple[int, int] | None
    stream: bool
    workers: int | None
    target: str | None
    task: str | None


@overload
def load_data(name: _Images, **options: Unpack[_Options]) -> ImageData: ...


@overload
def load_data(name: _Tables, **options: Unpack[_Options]) -> TensorData: ...


@overload
def load_data(name: str, **options: Unpack[_Options]) -> ImageData | TensorData: ...


def load_data(
    name: str,
    *,
    split_seed: int = 0,
    train_size: int | None = None,
    val_size: int | None = None,
    test_size: int | None = None,
    root: str | Path | None = None,
    download: bool = False,
    image_size: int | tuple[int, int] | None = None,
    stream: bool = False,
    workers: int | None = None,
    target: str | None = None,
    task: str | None = None,
) -> ImageData | TensorData:
    """Load a data set with fixed train, val and test splits.

    | name | examples | splits by default |
    |---|---|---|
    | ``digits`` | 1,797 images, grey 8x8 | 1,079 / 359 / 359 |
    | ``fashion-mnist``, ``kmnist`` | 70,000, grey 28x28 | 54,000 / 6,000 / official 10,000 |
    | ``cifar10``, ``cifar100`` | 60,000, RGB 32x32 | 45,000 / 5,000 / official 10,000 |
    | ``svhn`` | 99,289, RGB 32x32 | 65,932 / 7,325 / official 26,032 |
    | ``folder:PATH`` | RGB, resized to 32x32 | its own, else three fifths / a fifth / a fifth |
    | ``masks:PATH`` | RGB, with a class for each pixel | likewise |
    | ``diabetes`` | 442 rows of 10, regression | three fifths / a fifth / a fifth |
    | ``california`` | 20,640 rows of 8, regression | likewise |
    | ``breast-cancer`` | 569 rows of 30, 2 classes | likewise |
    | ``wine``, ``iris`` | 178 rows of 13, 150 of 4, 3 classes | likewise |
    | ``digits-table`` | 1,797 rows of 64, 10 classes | likewise |
    | ``csv:PATH`` | rows of a file, one ``target`` | likewise |

    Images are an :class:`ImageData`, all else is a :class:`TensorData`: columns of tables are
    standardised. In ``csv:PATH``, columns of texts become one of 0 and 1 for each text, and
    missing numbers the median, both by the training rows.

    Sizes take subsets that keep the proportions of the classes. Where test is not given by the
    data set and ``train_size`` and ``val_size`` are, test is what they leave. The same seed and
    test size give the same test set, whatever the other sizes are.

    Example:
        >>> from optuna_nas.training import load_data
        >>> data = load_data("digits", train_size=640, val_size=800)
        >>> len(data.train), len(data.val), len(data.test), data.input_size
        (640, 800, 357, (1, 8, 8))
        >>> load_data("diabetes").build_arguments
        {'in_features': 10}

    Args:
        name: One of the names above. A folder has one sub-folder per class, or train/, val/ and
            test/ (one of the last two may be missing) with those. Images of 16 bits become 8,
            photographs are turned as their EXIF orientation says, animations are their first
            frame. One of ``masks:`` has images/ and masks/ with equal names, or train/, val/ and
            test/ with those; a mask is a grey or indexed PNG of numbers of classes.
        split_seed: Chooses the splits and subsets, in [0, 2**32).
        train_size: Examples to train with, at least 2.
        val_size: Examples to validate with, at least 1.
        test_size: Examples to test with.
        root: Where torchvision keeps its files, by default ``data`` in the working directory,
            and scikit-learn those of ``california``, by default its own folder.
        download: Whether torchvision or scikit-learn may download what is missing.
        image_size: Pixels, or (height, width), to resize images to.
        stream: Leave the images of a folder in their files and read them while networks train,
            for folders that do not fit into memory. An image is then resized until its central
            7/8 cover ``image_size``, and cut, instead of squeezed. Mean and deviation are those
            of about 1,000 images.
        workers: Processes that read a stream; by default one per processor, at most 8.
        target: Column of ``csv:PATH`` that is predicted; several with commas between them.
        task: "regression" or "classification" of ``csv:PATH``; None: classification of texts, of
            at most 20 different whole numbers, and of several columns of 0 and 1 (then of
            several labels), else regression.

    Raises:
        ValueError: If the name is unknown, an image is damaged or of a kind whose meaning is
            not certain, the layout of a folder or file is another one, or the sizes ask for too
            many.
        FileNotFoundError: If the files are missing and may not, or cannot, be downloaded.
    """
    sizes = {"train": train_size, "val": val_size, "test": test_size}
    _require_used(name, image_size=image_size, stream=stream, target=target, task=task)
    if name.startswith(_FOLDER):
        return _folder(name, sizes, split_seed, image_size, stream, workers)
    if name.startswith(_MASKS):
        return load_masks(name, _path(name), image_size, sizes, split_seed)
    if name.startswith(_CSV):
        return load_csv(name, _path(name), target, task, sizes, split_seed)
    if name in TABLES:
        where = None if root is None else Path(root)
        return load_table(name, sizes, split_seed, root=where, download=download)
    if name == "digits":
        return _assemble_resized(name, *_digits(), sizes, split_seed, image_size)
    if name not in _SOURCES:
        known = ", ".join(["digits", *_SOURCES, "folder:PATH", "masks:PATH", *TABLES, "csv:PATH"])
        raise ValueError(f"`name` must be one of {known}, but got name={name!r}.")
    pools, classes = _torchvision(name, Path(root or _DEFAULT_ROOT), download)
    if val_size is None:
        sizes["val"] = len(pools["train"]) // 10
    return _assemble_resized(name, pools, classes, sizes, split_seed, image_size)


def _require_used(name: str, **options: Any) -> None:
    """Raise for an option that the data has no use for."""
    if options["stream"] and not name.startswith(_FOLDER):
        raise ValueError(f"`stream` is for folder:PATH, but got stream=True and name={name!r}.")
    for option in ("target", "task"):
        if options[option] is not None and not name.startswith(_CSV):
            raise ValueError(
                f"`{option}` is for csv:PATH, but got {option}={options[option]!r} and "
                f"name={name!r}: leave it out."
            )
    if options["image_size"] is not None and (name in TABLES or name.startswith(_CSV)):
        raise ValueError(
            f"`image_size` is for images, but got image_size={options['image_size']!r} and "
            f"name={name!r}: leave it out."
        )


def _path(name: str) -> Path:
    return Path(name.partition(":")[2]).expanduser()


def _folder(
    name: str,
    sizes: Mapping[str, int | None],
    split_seed: int,
    image_size: int | tuple[int, int] | None,
    stream: bool,
    workers: int | None,
) -> ImageData:
    path = _path(name)
    size = _FOLDER_IMAGE_SIZE if image_size is None else image_size
    if stream:
        streams, classes = stream_folder(path, size, worker_count(workers))
        digest = files_hash(streams, path)
        return assemble(name, streams, classes, sizes, split_seed, content_hash=digest)
    found, classes = read_folder(path, size)
    digest = content_hash(found)
    return assemble(name, found, classes, sizes, split_seed, content_hash=digest)


@dataclasses.dataclass(frozen=True)
class _Source:
    """A data set of torchvision.

    Attributes:
        class_name: Its class in ``torchvision.datasets``.
        folder: Where under the root its files stand, for the error.
        files: Files that stand there, for the error.
        convert: Makes uint8 (N, C, H, W) of its ``data``.
        parts: Its arguments for the training and the test set.
        labels: The name of its labels.
    """

    class_name: str
    folder: str
    files: str
    convert: Callable[[Any], torch.Tensor]
    parts: tuple[Mapping[str, Any], Mapping[str, Any]] = ({"train": True}, {"train": False})
    labels: str = "targets"


def _grey(images: torch.Tensor) -> torch.Tensor:
    return images[:, None]


def _channels_first(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


_IDX_FILES = (
    "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
    "t10k-labels-idx1-ubyte, unpacked"
)

_SOURCES = {
    "fashion-mnist": _Source("FashionMNIST", "FashionMNIST/raw", _IDX_FILES, _grey),
    "kmnist": _Source("KMNIST", "KMNIST/raw", _IDX_FILES, _grey),
    "cifar10": _Source(
        "CIFAR10",
        "cifar-10-batches-py",
        "data_batch_1 to data_batch_5, test_batch and batches.meta",
        _channels_first,
    ),
    "cifar100": _Source("CIFAR100", "cifar-100-python", "train, test and meta", _channels_first),
    "svhn": _Source(
        "SVHN",
        "",
        "train_32x32.mat and test_32x32.mat",
        torch.from_numpy,
        parts=({"split": "train"}, {"split": "test"}),
        labels="labels",
    ),
}


def _digits() -> tuple[dict[str, Split], tuple[str, ...]]:
    from sklearn.datasets import load_digits

    found = load_digits()
    pixels = torch.from_numpy(found.images * (255 / 16)).round().to(torch.uint8)
    labels = torch.from_numpy(found.target).to(torch.int64)
    return {"train": Split(pixels[:, None], labels)}, tuple(map(str, found.target_names))


def _torchvision(
    name: str, root: Path, download: bool
) -> tuple[dict[str, Split], tuple[str, ...]]:
    import torchvision

    source = _SOURCES[name]
    dataset_class = getattr(torchvision.datasets, source.class_name)
    try:
        train, test = (dataset_class(root, download=download, **part) for part in source.parts)
    except (RuntimeError, OSError, ValueError, AssertionError, EOFError) as e:
        raise FileNotFoundError(_missing_message(name, root, source, download, e)) from e
    pools = {
        part: Split(
            source.convert(dataset.data),
            torch.as_tensor(getattr(dataset, source.labels), dtype=torch.int64),
        )
        for part, dataset in (("train", train), ("test", test))
    }
    classes = getattr(train, "classes", range(10))  # SVHN names none: they are digits
    return pools, tuple(map(str, classes))


def _missing_message(
    name: str, root: Path, source: _Source, download: bool, error: Exception
) -> str:
    cause = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
    state = "could not be downloaded" if download else "are missing or damaged"
    way_out = "" if download else ", or allow the download (download=True, --download)"
    return (
        f"The files of {name!r} {state} ({cause}): put {source.files} into "
        f"{str(root / source.folder)!r}{way_out}."
    )


def _assemble_resized(
    name: str,
    pools: Mapping[str, Split],
    classes: Sequence[str],
    sizes: Mapping[str, int | None],
    split_seed: int,
    image_size: int | tuple[int, int] | None,
) -> ImageData:
    fitted = {
        part: Split(resized(pool.images, image_size), pool.labels) for part, pool in pools.items()
    }
    return assemble(name, fitted, classes, sizes, split_seed)
