"""Data of any kind that lie in memory as tensors, split into train, val and test.

Letters: ``B`` examples in a batch, ``N`` examples, ``F`` columns of a table, ``C`` channels,
``K`` classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch

from optuna_nas._ground.checks import require_bool, shown
from optuna_nas._ground.inputs import Inputs, arranged, moved, parts_of
from optuna_nas.training._recipe import Recipe
from optuna_nas.training.data._base import Data
from optuna_nas.training.data._partition import partition
from optuna_nas.training.data.tensors._pools import Pools, read_pools
from optuna_nas.training.data.tensors._split import TensorSplit
from optuna_nas.training.data.tensors._standardise import Standardiser
from optuna_nas.training.data.tensors._targets import require_fitting, strata_of
from optuna_nas.training.recipes import TABLE
from optuna_nas.training.task import Task

__all__ = ["TensorData"]


class TensorData(Data):
    """Data of tensors, arrays or frames: tables, series, texts as tokens, several inputs.

    Inputs are one array, a tuple of them, which a network takes in order, or a dict, which it
    takes by name. Arrays are torch's, numpy's, lists of numbers, or frames and series of pandas
    or the like, and are copied. Floats become float32, of tensors, too: networks are built of
    that type. Integers become int64, truth values stay; a frame of numbers becomes float32 as a
    whole. Targets that are texts become the numbers of their classes.

    What is not given is split off ``train`` at random, a fifth of it each. Series whose examples
    overlap or follow each other in time are better split by hand.

    Example:
        >>> import numpy as np
        >>> from optuna_nas.training import Task, TensorData
        >>> rng = np.random.default_rng(0)
        >>> series, table, sales = rng.random((50, 24, 2)), rng.random((50, 5)), rng.random(50)
        >>> data = TensorData("sales", ((series, table), sales), task=Task.regression())
        >>> len(data.train), len(data.val), len(data.test), str(data.inputs)
        (30, 10, 10, '24x2,5')

    Args:
        name: Name of the data, in a study and in messages.
        train: Pair (inputs, targets).
        val: Likewise, of the same form.
        test: Likewise.
        task: Task that objectives have unless they are given one; None: classification if there
            are classes, else it must be given.
        standardise: Whether inputs of floats (N, F) get mean 0 and deviation 1 per column, those
            of ``train`` (see :attr:`standardisers`).
        split_seed: Chooses what is split off, and subsets, in [0, 2**32).
        train_size: Examples to train with, at least 2; None: all that are left.
        val_size: Examples to validate with, at least 1.
        test_size: Examples to test with, at least 0.
        stratify: Whether splits keep the proportions of the targets, which must be integers (N,);
            None: those of classes, that is where the task is classification, or there is none
            and at most a fifth of the targets differ.
        classes: Names of the K classes; None: the texts among the targets of ``train``.

    Attributes:
        columns: Names of the columns of the only input, where it was a frame; else ``()``.
        classes: Names of the classes; None: they have none. The target is the position.
        standardisers: For each input its :class:`Standardiser`, or None; ``()`` without
            ``standardise``. A network that leaves the package sees raw inputs again: hand it
            ``data.prepare(inputs, device)``.
        content_hash: SHA-256 of all that was given.
        origin: Further items of the identity, such as the target of a file.

    Raises:
        TypeError: If something is no pair, or holds no numbers.
        ValueError: If lengths or forms differ, numbers are not finite, targets do not fit the
            task, or the sizes ask for more examples than there are.
    """

    train: TensorSplit
    val: TensorSplit
    test: TensorSplit

    def __init__(
        self,
        name: str,
        train: Any,
        val: Any = None,
        test: Any = None,
        *,
        task: Task | None = None,
        standardise: bool = False,
        split_seed: int = 0,
        train_size: int | None = None,
        val_size: int | None = None,
        test_size: int | None = None,
        stratify: bool | None = None,
        classes: Sequence[str] | None = None,
    ) -> None:
        require_bool("standardise", standardise)
        if not isinstance(name, str):
            raise TypeError(
                f"`name` must be a text that names the data in a study, but got {shown(name)}."
            )
        pools = read_pools({"train": train, "val": val, "test": test}, classes)
        self.name = name
        self.columns = pools.columns
        self.classes = pools.classes
        self.content_hash = pools.content_hash
        self.split_seed = split_seed
        self.origin: Mapping[str, Any] = {}
        self.default_task = (
            Task.classification() if task is None and self.classes is not None else task
        )
        require_fitting(pools, self.default_task)
        sizes = {"train": train_size, "val": val_size, "test": test_size}
        self._split(pools, sizes, stratify)
        self._standardises = standardise
        self.standardisers: tuple[Standardiser | None, ...] = ()
        if standardise:
            self.standardisers = self._measured()

    def _split(self, pools: Pools, sizes: Mapping[str, int | None], stratify: bool | None) -> None:
        train = pools.by_part["train"]
        assert train is not None
        strata = strata_of(train, self.default_task, stratify)
        self.stratified = strata is not None

        def of_pool(pool: TensorSplit) -> np.ndarray:
            found = strata_of(pool, self.default_task, self.stratified)
            return np.zeros(len(pool), dtype=np.int64) if found is None else found

        splits = partition(self.name, pools.by_part, sizes, self.split_seed, strata=of_pool)
        self.train, self.val, self.test = splits["train"], splits["val"], splits["test"]

    def _measured(self) -> tuple[Standardiser | None, ...]:
        """Return the standardisers of the inputs of ``train``."""
        found = tuple(
            Standardiser.of(part) if part.ndim == 2 and part.is_floating_point() else None
            for part in parts_of(self.train.inputs)
        )
        if not any(found):
            raise ValueError(
                "`standardise` needs inputs of floats of shape (N, F), but those of "
                f"{self.name!r} are {self.inputs}: pass standardise=False."
            )
        return found

    @property
    def num_classes(self) -> int | None:
        """K, the number of classes that have names; None: tasks tell it by the targets."""
        return None if self.classes is None else len(self.classes)

    @property
    def identity(self) -> dict[str, Any]:
        """Settings that name the data and its splits in a study, ready for JSON.

        Equal identities mean equal splits.
        """
        identity: dict[str, Any] = {
            **self._sizes,
            "split_seed": self.split_seed,
            "stratified": self.stratified,
            "inputs": str(self.inputs),
            "content_hash": self.content_hash,
        }
        if self._standardises:
            identity["standardise"] = True
        if self.classes is not None:
            identity["classes"] = list(self.classes)
        return {**identity, **self.origin}

    @property
    def build_arguments(self) -> Mapping[str, Any]:
        """Arguments of networks that a single input decides.

        ``in_features`` of a table (N, F); ``in_channels`` of floats (N, C, ...).
        """
        inputs = self.train.inputs
        if not isinstance(inputs, torch.Tensor) or not inputs.is_floating_point():
            return {}
        if inputs.ndim == 2:
            return {"in_features": inputs.shape[1]}
        return {"in_channels": inputs.shape[1]} if inputs.ndim > 2 else {}

    @property
    def default_recipe(self) -> Recipe:
        """``recipes.TABLE`` for a table (N, F) of floats alone, else that of other data."""
        return TABLE if "in_features" in self.build_arguments else super().default_recipe

    def prepare(self, inputs: Inputs, device: torch.device) -> Inputs:
        """Return inputs of a split as a network takes them, on a device: standardised."""
        here = moved(inputs, device)
        if not self.standardisers:
            return here
        both = zip(parts_of(here), self.standardisers, strict=True)
        return arranged((x if change is None else change(x) for x, change in both), here)

    def merged(self) -> Self:
        """Return the data with its validation examples among those for training.

        It is for final training; columns are standardised by both.

        Example:
            >>> from optuna_nas.training import load_data
            >>> merged = load_data("iris").merged()
            >>> len(merged.train), len(merged.val), len(merged.test)
            (120, 0, 30)
        """
        none = self.val.take(torch.arange(0))
        changed = self.holding(train=self.train.joined(self.val), val=none)
        if self._standardises:
            changed.standardisers = changed._measured()
        return changed
