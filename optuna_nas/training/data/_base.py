"""Data that networks are trained and evaluated on, whatever it is of.

Letters: ``B`` examples in a batch, ``N`` examples in a split.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Protocol, Self

import torch

from optuna_nas._ground.inputs import Inputs, InputSpec, map_tensors, moved
from optuna_nas.training._distributed import Processes
from optuna_nas.training._recipe import Recipe
from optuna_nas.training.data._feed import Feed, without_augmentation
from optuna_nas.training.task import Task

__all__ = ["Data", "DataSplit"]


class DataSplit(Protocol):
    """Examples of one part of the data: train, val or test.

    One that has all its targets in memory says them by an attribute ``targets``, a tensor
    (N, ...), from which tasks tell the number of classes.
    """

    def __len__(self) -> int:
        """N, the number of examples."""

    def batches(self, indices: Iterable[torch.Tensor], /) -> Iterator[tuple[Any, Any]]:
        """Yield inputs and targets of B examples for each tensor of indices (B,)."""

    def take(self, indices: torch.Tensor, /) -> Self:
        """Return the examples at ``indices``, in that order."""

    def to(self, device: str | torch.device, /) -> Self:
        """Return the split on another device; itself where it does not lie on one."""


class Data(ABC):
    """Base of all data: a name, three splits, and an identity.

    A class of one's own needs splits with the four methods of :class:`DataSplit`, and
    :attr:`identity`; everything else has a default.

    Example::

        class Windows(Data):
            name = "windows"
            default_task = Task.regression()

            def __init__(self, series):
                self.train, self.val, self.test = (WindowSplit(part) for part in parts(series))

            @property
            def identity(self):
                return {"name": self.name, "train_size": len(self.train)}

    Attributes:
        name: Name of the data, in a study and in messages.
        train: Examples that networks learn from.
        val: Examples that a search evaluates networks on; may be empty in final training.
        test: Examples that a search never sees; may be empty.
        default_task: Task that objectives have unless they are given one; None: it must be given.
        noun: Word for its examples, in messages.
    """

    name: str
    train: Any
    val: Any
    test: Any
    default_task: Task | None = None
    noun: str = "examples"

    _feed_class: ClassVar[type[Feed]] = Feed

    @property
    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Settings that name the data and its splits in a study, ready for JSON."""

    @property
    def _sizes(self) -> dict[str, Any]:
        """Name and sizes of the splits, with which identities begin."""
        sizes = {f"{part}_size": len(getattr(self, part)) for part in ("train", "val", "test")}
        return {"name": self.name, **sizes}

    @property
    def example(self) -> Inputs:
        """Inputs of two examples as a network takes them, on the CPU."""
        count = min(2, len(self.train))
        inputs, _ = next(iter(self.train.batches([torch.arange(count)])))
        return self.prepare(map_tensors(lambda t: t.cpu(), inputs), torch.device("cpu"))

    @property
    def inputs(self) -> InputSpec:
        """Sizes and types of one example's inputs."""
        return InputSpec.of(self.example)

    @property
    def input_size(self) -> tuple[int, ...]:
        """Shape of an example, of networks that take a single input."""
        return self.inputs.input_size

    @property
    def build_arguments(self) -> Mapping[str, Any]:
        """Arguments of networks that the data decides, such as ``in_channels``."""
        return {}

    @property
    def facts(self) -> dict[str, Any]:
        """Facts for the users of a trained network, ready for JSON: identity and inputs."""
        return {**self.identity, "inputs": str(self.inputs)}

    @property
    def described(self) -> dict[str, str]:
        """Rows of a model card on what a network takes, by their names."""
        return {"inputs": self.inputs.words}

    def prepare(self, inputs: Inputs, device: torch.device) -> Inputs:
        """Return inputs of a split as a network takes them, on a device; without augmentation."""
        return moved(inputs, device)

    @property
    def default_recipe(self) -> Recipe:
        """Recipe that networks are trained with unless one is given: AdamW, at its usual rate.

        The default rate of ``Recipe()`` is for images, whose networks have batch norms.
        """
        return Recipe(optimizer="adamw", lr=1e-3, nesterov=False, weight_decay=0.01)

    def suited(self, recipe: Recipe) -> Recipe:
        """Return a published recipe without what the data has no use for, such as crops."""
        return without_augmentation(recipe)

    def feed(
        self,
        recipe: Recipe,
        seed: int,
        device: torch.device,
        processes: Processes,
        *,
        channels_last: bool = False,
        image_size: Callable[[int], int] | None = None,
    ) -> Feed:
        """Return the source of training batches; see :class:`Feed`."""
        return self._feed_class(
            self,
            recipe,
            seed,
            device,
            processes,
            channels_last=channels_last,
            image_size=image_size,
        )

    def evaluation_batches(
        self, split: Any, device: torch.device, processes: Processes, batch_size: int
    ) -> Iterator[tuple[Inputs, Inputs]]:
        """Yield this process's share of a split in batches, as a network takes them."""
        order = torch.arange(processes.rank, len(split), processes.count)
        for inputs, target in split.to(device).batches(torch.split(order, batch_size)):
            yield self.prepare(inputs, device), moved(target, device)

    def merged(self) -> Self:
        """Return the data with its validation examples among the training ones.

        It is for final training; data of one's own override it where they can do it.

        Raises:
            TypeError: By default.
        """
        raise TypeError(
            f"`data` must say how its splits are joined, but {self.name!r} is a "
            f"{type(self).__name__}, which does not: keep the validation {self.noun} "
            "(validate=True, --validate)."
        )

    def to(self, device: str | torch.device) -> Self:
        """Return the data on another device, where many runs can share it."""
        return self.holding(
            train=self.train.to(device), val=self.val.to(device), test=self.test.to(device)
        )

    def holding(self, **splits: Any) -> Self:
        """Return the data with other splits, and all else as it is.

        Args:
            splits: ``train``, ``val`` and ``test``, as far as they change.
        """
        changed = copy.copy(self)
        for name, split in splits.items():
            object.__setattr__(changed, name, split)  # the data may be frozen
        return changed
