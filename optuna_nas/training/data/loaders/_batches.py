"""Batches of any loader: read under seeds of their own, as inputs and targets.

A loader draws from the process's random states: its order, its workers' seeds, and what a dataset
draws itself. Here each step of it runs under a seed that is keyed by (seed, epoch, step), so that
no epoch depends on what ran before it, and a run can go on from any epoch.

Letters: ``B`` examples in a batch.
"""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from optuna_nas._ground.checks import shown
from optuna_nas._ground.inputs import Inputs, parts_of, shapes
from optuna_nas._ground.keyed import derived_seed

__all__ = ["is_dealt_out", "keyed_batches", "pair_of", "process_seeded"]


@contextlib.contextmanager
def process_seeded(seed: int) -> Iterator[None]:
    """Seed torch on the CPU, numpy and Python for the block; afterwards all is as it was.

    Other than ``seeded`` it leaves the streams of accelerators alone, from which the network that
    is being trained draws.
    """
    before = torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - what transforms of others draw from
    random.seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(before[0])
        np.random.set_state(before[1])  # noqa: NPY002
        random.setstate(before[2])


def keyed_batches(loader: Iterable[Any], seed: int, epoch: int, number: int = 0) -> Iterator[Any]:
    """Yield the batches of one pass through a loader.

    Args:
        loader: Its generators are seeded anew, and its samplers told the epoch.
        seed: Any integer.
        epoch: Epoch, at least 0.
        number: How often it has been read in this epoch.
    """
    purpose = f"loader, pass {number}"
    start = derived_seed(seed, epoch, purpose)
    for part in _parts(loader):
        generator = getattr(part, "generator", None)
        if isinstance(generator, torch.Generator):
            generator.manual_seed(start)
        if callable(getattr(part, "set_epoch", None)):
            part.set_epoch(epoch)
    with process_seeded(start):
        batches = iter(loader)
    for step in itertools.count():
        with process_seeded(derived_seed(seed, epoch, f"{purpose}, step {step}")):
            try:
                batch = next(batches)
            except StopIteration:
                return
        yield batch


def is_dealt_out(loader: Any) -> bool:
    """Whether a sampler gives each process examples of its own, as DistributedSampler does."""
    return any(getattr(part, "num_replicas", 1) > 1 for part in _parts(loader))


def _parts(loader: Any) -> list[Any]:
    """Return a loader, its dataset and its samplers, as far as it has them."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    return [
        loader,
        getattr(loader, "dataset", None),
        getattr(loader, "sampler", None),
        batch_sampler,
        getattr(batch_sampler, "sampler", None),
    ]


def pair_of(batch: Any, target: str | None, where: str) -> tuple[Inputs, Inputs]:
    """Return a loader's batch as inputs and targets; float64 becomes float32.

    Args:
        batch: Pair (inputs, targets), or a dict, whose other items are named inputs.
        target: Name of the targets in a dict.
        where: Names the loader in an error, such as "`train`".

    Raises:
        TypeError: If it is none of these.
        ValueError: If tensors are of different lengths.
    """
    if isinstance(batch, Mapping):
        inputs, targets = _of_mapping(batch, target, where)
    elif target is not None:
        raise TypeError(
            f"`target` names the targets within a dict, but a batch of {where} is a "
            f"{type(batch).__name__}: pass target=None."
        )
    elif isinstance(batch, list | tuple) and len(batch) == 2:
        inputs, targets = batch
    else:
        got = f"{len(batch)} parts" if isinstance(batch, list | tuple) else shown(type(batch))
        raise TypeError(
            f"A batch of {where} must be a pair (inputs, targets) or a dict, but is {got}: let "
            "the dataset return ((first, second), target) for several inputs."
        )
    found = _tensors(inputs, f"inputs of {where}"), _tensors(targets, f"targets of {where}")
    if len({len(tensor) for part in found for tensor in parts_of(part)}) > 1:
        raise ValueError(
            f"A batch of {where} must have one target for each example, but has inputs of shape "
            f"{shapes(found[0])} and targets of shape {shapes(found[1])}."
        )
    return found


def _of_mapping(batch: Mapping[str, Any], target: str | None, where: str) -> tuple[Any, Any]:
    names = ", ".join(map(repr, batch))
    if target is None:
        raise TypeError(
            f"`target` must name the targets in the batches of {where}, which are dicts of "
            f"{names}: pass target=..."
        )
    if target not in batch:
        raise ValueError(
            f"`target` must name an item of the batches of {where}, {names}, but got "
            f"target={target!r}."
        )
    return {name: part for name, part in batch.items() if name != target}, batch[target]


def _tensors(value: Any, where: str) -> Inputs:
    if isinstance(value, torch.Tensor):
        return _tensor(value, where)
    if isinstance(value, Mapping) and value:
        return {str(name): _tensor(part, f"{where}, {name!r},") for name, part in value.items()}
    if isinstance(value, list | tuple) and value:
        return tuple(_tensor(part, where) for part in value)
    return _tensor(value, where)


def _tensor(value: Any, where: str) -> torch.Tensor:
    if not isinstance(value, torch.Tensor) or value.ndim == 0:
        got = "one number" if isinstance(value, torch.Tensor) else f"{shown(value)}"
        raise TypeError(
            f"The {where} must be tensors with an axis of examples, but got {got}: let the "
            "dataset return tensors, or give the loader a collate_fn."
        )
    return value.float() if value.dtype == torch.float64 else value
