"""Brings the batches of a loader to the network.

Letters: ``B`` examples in a batch.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch

from optuna_nas._ground.inputs import Inputs, length, map_tensors, moved
from optuna_nas.training._distributed import Processes
from optuna_nas.training.data._feed import Batch, Feed
from optuna_nas.training.data.loaders._batches import is_dealt_out
from optuna_nas.training.data.loaders._split import LoaderSplit

__all__ = ["LoaderFeed", "own_rows"]


class LoaderFeed(Feed):
    """Batches of a loader, as many in each epoch; arguments as for ``Feed``.

    Raises:
        ValueError: If the loader has too few examples.
    """

    def _count_steps(self) -> int:
        train: LoaderSplit = self._data.train
        if train.steps is not None:
            return train.steps
        known = train.sizes
        if known is None:
            batches = train.batches_in_pass
            assert batches is not None  # else there were no data
            return batches
        examples, batch_size, drops = known
        rest = 0 if drops else examples % batch_size
        steps = examples // batch_size + (rest > 0 and rest >= self._least)
        if steps == 0:
            raise ValueError(
                f"`train` must have a batch of at least {self._least} examples, but its loader "
                f"has {examples} examples in batches of {batch_size}, drop_last={drops}."
            )
        return steps

    @property
    def _is_dealt_out(self) -> bool:
        return self._processes.count > 1 and is_dealt_out(self._data.train.loader)

    @property
    def _least(self) -> int:
        """Fewest examples of a batch: two in each process, for batch norm, unless B is smaller."""
        count = 1 if self._is_dealt_out else self._processes.count
        known = self._data.train.sizes
        return 2 * count if known is not None and known[1] >= 2 * count else count

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch, counted from 1; a loader that ends is read again."""
        done = 0
        for number in itertools.count():
            before = done
            for inputs, target in self._train.read(self._seed, epoch, number):
                whole = length(inputs)
                if whole < self._least:
                    continue
                if self._is_dealt_out:
                    whole *= self._processes.count
                else:
                    inputs = own_rows(inputs, self._processes)
                    target = own_rows(target, self._processes)
                ready = map_tensors(self._formatted, self._data.prepare(inputs, self._device))
                yield Batch(ready, moved(target, self._device), whole)
                done += 1
                if done == self.steps:
                    return
            if done == before:
                raise ValueError(
                    f"`train` must have a batch of at least {self._least} examples, but the "
                    f"loader of {self._data.name!r} has none."
                )


def own_rows(batch: Inputs, processes: Processes) -> Inputs:
    """Return the examples of this process: each count-th one."""
    if processes.count == 1:
        return batch

    def rows(tensor: torch.Tensor) -> torch.Tensor:
        return tensor[processes.rank :: processes.count]

    return map_tensors(rows, batch)
