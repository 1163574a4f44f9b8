"""Images as tensors of bytes, split into train, val and test.

Small data sets fit into memory as uint8, a quarter of their size as floats; they are normalised
and augmented in batches on the device where they lie. Large ones are read image by image while a
network trains: see :mod:`optuna_nas.training.data.images._stream`.

Letters: ``N`` images, ``C`` channels, ``H`` x ``W`` pixels, ``K`` classes.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from optuna_nas._ground.inputs import Inputs, InputSpec
from optuna_nas.training._recipe import Recipe
from optuna_nas.training.data._base import Data
from optuna_nas.training.data._partition import partition
from optuna_nas.training.data.images._augment import Normaliser
from optuna_nas.training.data.images._datasets import content_hash, pools_of
from optuna_nas.training.data.images._feed import ImageFeed
from optuna_nas.training.data.images._split import AnySplit, Split, joined, statistics
from optuna_nas.training.task import Task

if TYPE_CHECKING:
    from torch.utils.data import Dataset

__all__ = ["ImageData", "assemble"]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class ImageData(Data):
    """A data set with fixed splits. :func:`load_data` and :meth:`from_datasets` make one.

    Attributes:
        name: Name under which it was loaded, such as "cifar10" or "folder:flowers".
        train: Images on which networks are trained.
        val: Images on which a search evaluates networks; empty in :meth:`merged` data.
        test: Images that a search never sees; may be empty.
        classes: Names of the K classes; the label is the position.
        mean: Per channel over ``train``, pixels in [0, 1].
        std: Per channel over ``train``, pixels in [0, 1]; 1 for a constant channel.
        split_seed: The seed that chose the splits.
        content_hash: SHA-256 of all images and labels, for data that its name does not define.
    """

    name: str
    train: AnySplit
    val: AnySplit
    test: AnySplit
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    split_seed: int
    content_hash: str | None = None

    default_task = Task.classification()
    noun = "images"
    _feed_class = ImageFeed

    @property
    def num_classes(self) -> int:
        """K, the number of classes."""
        return len(self.classes)

    @property
    def in_channels(self) -> int:
        """C, the channels of an image."""
        return self.train.image_shape[0]

    @property
    def image_size(self) -> tuple[int, int]:
        """(H, W), the pixels of an image."""
        return self.train.image_shape[1:]

    @property
    def input_size(self) -> tuple[int, int, int]:
        """(C, H, W), what a network takes per image."""
        return self.in_channels, *self.image_size

    @property
    def identity(self) -> dict[str, Any]:
        """Settings that name the data and its splits in a study, ready for JSON.

        Equal identities mean equal splits.
        """
        identity: dict[str, Any] = {
            **self._sizes,
            "split_seed": self.split_seed,
            "image_size": list(self.image_size),
            "in_channels": self.in_channels,
            "num_classes": self.num_classes,
        }
        if self.content_hash is not None:
            identity["content_hash"] = self.content_hash
        if not isinstance(self.train, Split):
            identity["stream"] = True  # cut and resized in another way than in memory
        return identity

    @property
    def inputs(self) -> InputSpec:
        """Size of one image."""
        return InputSpec.of(self.input_size)

    @property
    def build_arguments(self) -> Mapping[str, Any]:
        """Arguments of networks that the images decide."""
        return {"in_channels": self.in_channels}

    @property
    def facts(self) -> dict[str, Any]:
        """Facts for the users of a trained network: identity, inputs, classes, normalisation."""
        facts = {"classes": list(self.classes), "mean": list(self.mean), "std": list(self.std)}
        return {**super().facts, **facts}

    @property
    def described(self) -> dict[str, str]:
        """Rows of a model card: image, pixels and classes."""
        return {
            "image": self.inputs.words,
            "pixels": f"in [0, 1], minus {list(self.mean)}, divided by {list(self.std)}",
            "classes": ", ".join(self.classes),
        }

    def prepare(self, inputs: Inputs, device: torch.device) -> torch.Tensor:
        """Return uint8 images (B, C, H, W) as normalised floats on a device."""
        assert isinstance(inputs, torch.Tensor)
        images = inputs.to(device, non_blocking=True)
        return _normaliser(self.mean, self.std, device)(images)

    @property
    def default_recipe(self) -> Recipe:
        """``Recipe()``, which is for images."""
        return Recipe()

    def suited(self, recipe: Recipe) -> Recipe:
        """Return a published recipe as it is: it was published for images."""
        return recipe

    def resized(self, image_size: int | tuple[int, int]) -> ImageData:
        """Return the same splits with images of another size, for a network that grows with them.

        Always start from the original images: each resizing loses something.

        Example:
            >>> from optuna_nas.training import load_data
            >>> load_data("digits").resized(12).input_size
            (1, 12, 12)

        Args:
            image_size: Pixels, or (height, width).
        """
        return self._measured(
            train=self.train.resized(image_size),
            val=self.val.resized(image_size),
            test=self.test.resized(image_size),
        )

    def merged(self) -> ImageData:
        """Return the data with its validation images among the training images.

        It is for final training, where papers use all images but those of the test: there is
        nothing left to validate with, so :func:`fit` gives no validation accuracy.

        Example:
            >>> from optuna_nas.training import load_data
            >>> merged = load_data("digits", train_size=640, val_size=800).merged()
            >>> len(merged.train), len(merged.val), len(merged.test)
            (1440, 0, 357)
        """
        none = self.val.take(torch.arange(0))
        return self._measured(train=joined(self.train, self.val), val=none, test=self.test)

    def _measured(self, *, train: AnySplit, val: AnySplit, test: AnySplit) -> ImageData:
        """Return the data with other splits, and the mean and deviation of their ``train``."""
        mean, std = statistics(train)
        return dataclasses.replace(self, train=train, val=val, test=test, mean=mean, std=std)

    @classmethod
    def from_datasets(
        cls,
        name: str,
        train: Dataset[Any],
        test: Dataset[Any] | None = None,
        val: Dataset[Any] | None = None,
        *,
        split_seed: int = 0,
        train_size: int | None = None,
        val_size: int | None = None,
        test_size: int | None = None,
        classes: Sequence[str] | None = None,
        image_size: int | tuple[int, int] | None = None,
        stream: bool = False,
        workers: int | None = None,
    ) -> ImageData:
        """Read map-style datasets of (image, label) into memory, or while networks train.

        An image is a PIL image or a tensor of shape (C, H, W), of uint8, uint16, bool, or float
        in [0, 1], before any normalisation or augmentation. PIL images of 16 bits become 8,
        photographs are turned as their EXIF orientation says, and ``ImageFolder`` opens its files
        as :func:`load_data` does, unless it has a loader of yours. What is not given is split off
        ``train``, stratified by class: a fifth of it each.

        Example:
            >>> import torch
            >>> from optuna_nas.training import ImageData
            >>> images, labels = torch.rand(50, 3, 8, 8), torch.arange(50) % 2
            >>> dataset = torch.utils.data.TensorDataset(images, labels)
            >>> data = ImageData.from_datasets("noise", dataset)
            >>> len(data.train), len(data.val), len(data.test)
            (30, 10, 10)

        Args:
            name: How the data is called in a study.
            train: The training set.
            test: The test set.
            val: The validation set.
            split_seed: Chooses what is split off, and subsets.
            train_size: Images to keep for training; None: all that are left.
            val_size: Images to keep for validation.
            test_size: Images to keep for the test.
            classes: Names of the classes; by default ``train.classes``, else the labels.
            image_size: Pixels, or (height, width), to resize to; None: as they are.
            stream: Leave the images where they are and read them while networks train, for data
                that does not fit into memory; see :func:`load_data`. Needs ``image_size``.
            workers: Processes that read a stream.

        Raises:
            TypeError: If a dataset has no length.
            ValueError: If an image or label is not of this form, images differ in shape, a class
                has no image in ``train``, or the sizes ask for more images than there are.
        """
        pools, names = pools_of(
            {"train": train, "val": val, "test": test},
            classes=classes,
            image_size=image_size,
            stream=stream,
            workers=workers,
        )
        sizes = {"train": train_size, "val": val_size, "test": test_size}
        return assemble(name, pools, names, sizes, split_seed, content_hash=content_hash(pools))


@functools.lru_cache(maxsize=8)  # batches follow each other: no copy to the device for each
def _normaliser(
    mean: tuple[float, ...], std: tuple[float, ...], device: torch.device
) -> Normaliser:
    return Normaliser(mean, std, device)


def assemble(
    name: str,
    pools: Mapping[str, AnySplit | None],
    classes: Sequence[str],
    sizes: Mapping[str, int | None],
    split_seed: int,
    *,
    content_hash: str | None = None,
) -> ImageData:
    """Return the data with its splits.

    Args:
        name: How the data is called.
        pools: See :func:`partition`, as for ``sizes`` and ``split_seed``.
        classes: Names of the classes.
        sizes: Images wanted of each part.
        split_seed: Chooses the splits.
        content_hash: See :class:`ImageData`.

    Raises:
        ValueError: If the sizes ask for more images than there are.
    """
    splits: dict[str, AnySplit] = partition(
        name, pools, sizes, split_seed, strata=_labels, noun="images"
    )
    mean, std = statistics(splits["train"])
    return ImageData(
        name=name,
        train=splits["train"],
        val=splits["val"],
        test=splits["test"],
        classes=tuple(classes),
        mean=mean,
        std=std,
        split_seed=split_seed,
        content_hash=content_hash,
    )


def _labels(pool: AnySplit) -> np.ndarray:
    return pool.labels.numpy()
