"""Data that any loaders read: files of one's own, streams, augmentations of one's own.

Letters: ``B`` examples in a batch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from optuna_nas._ground.checks import require_int, shown
from optuna_nas._ground.inputs import Inputs, length, map_tensors, moved
from optuna_nas.training._distributed import Processes
from optuna_nas.training.data._base import Data
from optuna_nas.training.data.loaders._batches import is_dealt_out
from optuna_nas.training.data.loaders._feed import LoaderFeed, own_rows
from optuna_nas.training.data.loaders._split import LoaderSplit
from optuna_nas.training.task import Task

__all__ = ["LoaderData"]


class LoaderData(Data):
    """Data of any DataLoaders: their order, batches and augmentation count.

    ``recipe.batch_size`` is not used: that of the loaders is. A batch is a pair (inputs,
    targets), or a dict with the targets among its items; inputs are a tensor, a tuple or a dict.
    float64 becomes float32.

    Every step of a loader runs under a seed of its own, by which it shuffles and its workers draw,
    and its generator is seeded at each epoch, so that runs can be repeated and resumed. Only
    persistent workers, and generators that a dataset has of its own, go on from epoch to epoch.
    Under ``torchrun`` each process takes its rows of every batch, unless the loader has a
    DistributedSampler.

    DARTS, weight sharing and proxies take single examples: that needs map-style datasets, and
    shuffle=True or False instead of a sampler of one's own.

    Example:
        >>> import torch
        >>> from torch.utils.data import DataLoader, TensorDataset
        >>> from optuna_nas.training import LoaderData, Task
        >>> dataset = TensorDataset(torch.rand(50, 24), torch.rand(50))
        >>> train = DataLoader(dataset, batch_size=16, shuffle=True)
        >>> data = LoaderData("noise", train, DataLoader(dataset, 50), task=Task.regression())
        >>> len(data.train), str(data.inputs)
        (50, '24')

    Args:
        name: Name of the data, in a study and in messages.
        train: Loader of the training examples.
        val: Loader of the validation examples; it must end.
        test: Loader of the test examples; it must end. None: there are none.
        task: Task that objectives have unless they are given one; None: it must be given.
        steps: Batches of an epoch, at least 1; None: those of one pass, where the loader tells
            them. Every epoch begins the loader anew, and again if it ends.
        target: Name of the targets, where batches are dicts.
        identity: Settings that name the examples in a study, ready for JSON, such as a version;
            they cannot be told from loaders.
        build: Arguments of networks that the data decides, such as ``{"num_classes": 3}``, which
            also tells tasks the number of classes.

    Raises:
        TypeError: If a loader can be read only once, or the identity is not ready for JSON.
        ValueError: If the loader of the training examples is empty, or does not tell how many
            batches it has and ``steps`` does not either.
    """

    train: LoaderSplit
    val: LoaderSplit
    test: LoaderSplit
    _feed_class = LoaderFeed

    def __init__(
        self,
        name: str,
        train: Any,
        val: Any,
        test: Any = None,
        *,
        task: Task | None = None,
        steps: int | None = None,
        target: str | None = None,
        identity: Mapping[str, Any] | None = None,
        build: Mapping[str, Any] | None = None,
    ) -> None:
        if steps is not None:
            require_int("steps", steps)
        self.name = name
        self.train = LoaderSplit(train, "train", target, steps)
        self.val = LoaderSplit(val, "val", target)
        self.test = LoaderSplit([] if test is None else test, "test", target)
        if self.train.batches_in_pass == 0:
            raise ValueError(
                "`train` must be a loader with batches, but has none: its dataset is empty, or "
                "drop_last=True leaves nothing of it."
            )
        if steps is None and self.train.batches_in_pass is None:
            raise ValueError(
                f"`steps` must be given for {name!r}, whose training loader does not tell how "
                "many batches it has: pass steps=..., the batches of an epoch."
            )
        self.default_task = task
        self._build = dict(build or {})
        self._identity = dict(identity or {})
        self._example: Inputs | None = None
        try:
            json.dumps(self._identity)
        except (TypeError, ValueError) as e:
            raise TypeError(
                f"`identity` must be ready for JSON, but got {shown(identity)} ({e})."
            ) from e

    @property
    def num_classes(self) -> int | None:
        """Number of classes that ``build`` names; None: it does not."""
        return self._build.get("num_classes")

    @property
    def example(self) -> Inputs:
        """Inputs of two examples as a network takes them, on the CPU."""
        if self._example is None:
            self._example = self._first()
        return self._example

    def _first(self) -> Inputs:
        """Read the first examples: alone if the loader lets one, else those of a batch."""
        if self.train.has_positions:
            return super().example
        found = next(self.train.read(0, 0), None)
        if found is None:
            raise ValueError(
                f"`train` must be a loader with batches, but that of {self.name!r} has none."
            )
        inputs = map_tensors(lambda t: t[:2].cpu(), found[0])
        return self.prepare(inputs, torch.device("cpu"))

    @property
    def identity(self) -> dict[str, Any]:
        """Settings that name the data in a study, ready for JSON."""
        identity: dict[str, Any] = {**self._sizes, "inputs": str(self.inputs)}
        batch_size = getattr(self.train.loader, "batch_size", None)
        if batch_size is not None:
            identity["batch_size"] = batch_size
        if self.train.steps is not None:
            identity["steps"] = self.train.steps
        return {**identity, **self._identity}

    @property
    def build_arguments(self) -> Mapping[str, Any]:
        """Arguments of networks that the data decides, as they were given."""
        return self._build

    def evaluation_batches(
        self, split: LoaderSplit, device: torch.device, processes: Processes, batch_size: int
    ) -> Iterator[tuple[Inputs, Inputs]]:
        """Yield this process's rows of the loader's batches; their size is the loader's."""
        alone = Processes() if is_dealt_out(split.loader) else processes
        for inputs, target in split.read(0, 0):
            rows, targets = own_rows(inputs, alone), own_rows(target, alone)
            if length(rows):
                yield self.prepare(rows, device), moved(targets, device)
