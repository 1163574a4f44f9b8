"""One part of data that a loader reads.

Letters: ``B`` examples in a batch, ``N`` examples in a split.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
)
from torch.utils.data.distributed import DistributedSampler

from optuna_nas._ground.checks import shown
from optuna_nas._ground.inputs import Inputs, length
from optuna_nas.training.data.loaders._batches import keyed_batches, pair_of, process_seeded

__all__ = ["LoaderSplit"]


class LoaderSplit:
    """Examples that a loader reads.

    Args:
        loader: Can be read again and again.
        part: "train", "val" or "test", for messages.
        target: Name of the targets, where batches are dicts.
        steps: Batches that count as one pass; None: all that there are.

    Raises:
        TypeError: If it can be read only once, or not at all.
        ValueError: If it is empty.
    """

    def __init__(
        self, loader: Any, part: str, target: str | None = None, steps: int | None = None
    ) -> None:
        if not hasattr(loader, "__iter__") or hasattr(loader, "__next__"):
            raise TypeError(
                f"`{part}` must be a DataLoader, or something else that can be read again and "
                f"again, but got {shown(loader)}: wrap it into a DataLoader."
            )
        self.loader = loader
        self.part = part
        self.steps = steps
        self._target = target
        self._length: int | None = None

    def __len__(self) -> int:
        """N; a loader that does not tell it is read once to count it."""
        if self._length is None:
            self._length = self._counted()
        return self._length

    def _counted(self) -> int:
        known = self.sizes
        if known is not None:
            examples, batch_size, drops = known
            return examples // batch_size * batch_size if drops else examples
        sizes = (length(inputs) for inputs, _ in self.read(0, 0))
        return sum(sizes) if self.steps is None else next(sizes, 0) * self.steps

    @property
    def batches_in_pass(self) -> int | None:
        """Batches of one pass as the loader tells them; None: it does not."""
        try:
            return len(self.loader)
        except (TypeError, NotImplementedError):  # of an iterable dataset without a length
            return None

    @property
    def sizes(self) -> tuple[int, int, bool] | None:
        """Examples, batch size, and whether a last smaller batch is left out.

        None: The loader does not tell them, or a sampler of one's own makes the batches.
        """
        sampler = getattr(self.loader, "batch_sampler", None)
        if type(sampler) is not BatchSampler:
            return None
        try:
            return len(sampler.sampler), sampler.batch_size, sampler.drop_last  # type: ignore[arg-type]
        except TypeError:  # that of an iterable dataset has no length
            return None

    def read(self, seed: int, epoch: int, number: int = 0) -> Iterator[tuple[Inputs, Inputs]]:
        """Yield inputs and targets of each batch; see :func:`keyed_batches`."""
        for batch in keyed_batches(self.loader, seed, epoch, number):
            yield pair_of(batch, self._target, f"`{self.part}`")

    def batches(self, indices: Iterable[torch.Tensor]) -> Iterator[tuple[Inputs, Inputs]]:
        """Yield inputs and targets of B examples for each tensor of indices (B,).

        Raises:
            ValueError: If the loader cannot be asked for single examples.
        """
        positions = self._positions()
        dataset = self.loader.dataset
        for chosen in indices:
            items = positions[chosen].tolist()
            with process_seeded(0):
                if hasattr(dataset, "__getitems__"):  # as DataLoader asks for them
                    examples = dataset.__getitems__(items)
                else:
                    examples = [dataset[item] for item in items]
                batch = self.loader.collate_fn(examples)
            yield pair_of(batch, self._target, f"`{self.part}`")

    def take(self, indices: torch.Tensor) -> LoaderSplit:
        """Return the examples at ``indices``, to be read by a loader that is else the same.

        It shuffles them if this one does.

        Raises:
            ValueError: If the loader cannot be asked for single examples.
        """
        chosen = self._positions()[indices].tolist()
        loader, sampler = self.loader, self.loader.batch_sampler.sampler
        shuffles = getattr(sampler, "shuffle", not isinstance(sampler, SequentialSampler))
        part: DataLoader[Any] = DataLoader(
            Subset(loader.dataset, chosen),
            batch_size=loader.batch_size,
            shuffle=bool(shuffles and chosen),
            num_workers=loader.num_workers,
            collate_fn=loader.collate_fn,
            pin_memory=loader.pin_memory,
            timeout=loader.timeout,
            worker_init_fn=loader.worker_init_fn,
            multiprocessing_context=loader.multiprocessing_context,
            prefetch_factor=loader.prefetch_factor,
            persistent_workers=loader.persistent_workers,
        )
        return LoaderSplit(part, self.part, self._target)

    def to(self, device: str | torch.device) -> LoaderSplit:
        """Return the split itself: its examples lie on no device."""
        return self

    @property
    def has_positions(self) -> bool:
        """Whether single examples can be taken: the loader reads a fixed set of them."""
        sampler = getattr(getattr(self.loader, "batch_sampler", None), "sampler", None)
        if self.sizes is None:
            return False
        if type(sampler) is RandomSampler:
            return not sampler.replacement and len(sampler) == len(self.loader.dataset)
        return type(sampler) in (SequentialSampler, DistributedSampler, SubsetRandomSampler)

    def _positions(self) -> torch.Tensor:
        """Return the items (N,) of the dataset that the loader reads, in order.

        Raises:
            ValueError: If it does not read a fixed set of them.
        """
        if not self.has_positions:
            raise ValueError(
                f"`{self.part}` must be a DataLoader of a map-style dataset, with shuffle=True or "
                "False, to take single examples from it, as DARTS, weight sharing and proxies do, "
                "but it is not: pass such a loader, or a TensorData."
            )
        sampler = self.loader.batch_sampler.sampler
        if type(sampler) is SubsetRandomSampler:
            return torch.tensor(list(sampler.indices))
        return torch.arange(len(self.loader.dataset))
