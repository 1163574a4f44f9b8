"""Splits into examples for training, validation and the test: a function of a seed.

Examples are put into one stratified order, in which every stretch has the classes in their
proportions; the test set is taken from its front, then the validation set, then the training
set. So the test set of a seed does not depend on how many examples are used for training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import torch

from optuna_nas._ground.checks import is_int, require_int, shown

__all__ = ["partition", "stratified_order"]

_PARTS = ("test", "val", "train")  # in the order in which they are taken
_SMALLEST = {"test": 0, "val": 1, "train": 2}


class _Pool(Protocol):
    """Examples that splits are taken from."""

    def __len__(self) -> int: ...

    def take(self, indices: torch.Tensor, /) -> Any: ...  # the same kind of pool


P = TypeVar("P", bound=_Pool)


def partition(
    name: str,
    pools: Mapping[str, P | None],
    sizes: Mapping[str, int | None],
    seed: int,
    *,
    strata: Callable[[P], np.ndarray],
    noun: str = "examples",
) -> dict[str, P]:
    """Return the splits under "train", "val" and "test".

    Args:
        name: How the data is called, for messages.
        pools: The examples there are under "train"; "val" and "test" are their own pools, or None
            to be taken from the training pool.
        sizes: Examples wanted under "train", "val", "test". None stands for all examples of an
            own pool, and else for a fifth of the training pool (val, test) or what is left
            (train; and test where all other sizes are given).
        seed: In [0, 2**32).
        strata: Gives the classes (N,) of a pool, integers from 0, whose proportions are kept.
        noun: Word for the examples, in messages.

    Raises:
        ValueError: If the sizes ask for more examples than there are.
    """
    _check(sizes, seed)
    splits: dict[str, P] = {}
    shared = [part for part in _PARTS if part == "train" or pools.get(part) is None]
    for part in _PARTS:
        pool = pools.get(part)
        if part not in shared and pool is not None:
            wanted = {part: len(pool) if sizes[part] is None else sizes[part]}
            filled = _filled(name, len(pool), wanted, noun)
            splits |= _take(pool, filled, strata(pool), seed)
    pool = pools["train"]
    assert pool is not None
    wanted = _shared_sizes(len(pool), shared, sizes)
    filled = _filled(name, len(pool), wanted, noun)
    return splits | _take(pool, filled, strata(pool), seed)


def stratified_order(labels: np.ndarray, seed: int) -> np.ndarray:
    """Return a shuffled order of the examples, shape (N,), with the classes evenly spread.

    The r-th of the n examples of a class stands at the fraction (r + 1/2) / n of the order.
    """
    shuffled = np.random.RandomState(seed).permutation(len(labels))  # a frozen stream
    shuffled_labels = labels[shuffled]
    by_class = np.argsort(shuffled_labels, kind="stable")
    counts = np.bincount(shuffled_labels)
    starts = np.cumsum(counts) - counts
    ranks = np.empty(len(labels), dtype=np.int64)
    ranks[by_class] = np.arange(len(labels)) - np.repeat(starts, counts)
    fractions = (ranks + 0.5) / counts[shuffled_labels]
    order: np.ndarray = shuffled[np.argsort(fractions, kind="stable")]
    return order


def _check(sizes: Mapping[str, int | None], seed: int) -> None:
    for part, size in sizes.items():
        if size is not None:
            require_int(f"{part}_size", size, at_least=_SMALLEST[part])
    if not is_int(seed) or not 0 <= seed < 2**32:
        raise ValueError(f"`split_seed` must lie in [0, 2**32), but got split_seed={shown(seed)}.")


def _shared_sizes(
    total: int, parts: Sequence[str], sizes: Mapping[str, int | None]
) -> dict[str, int | None]:
    """Return the sizes of what is taken from the training pool, None for the rest."""
    wanted = {part: sizes[part] for part in parts}
    if "test" in wanted and None not in [wanted[part] for part in parts if part != "test"]:
        return wanted  # the test set takes what is left
    return {
        part: total // 5 if size is None and part != "train" else size
        for part, size in wanted.items()
    }


def _filled(name: str, total: int, wanted: Mapping[str, int | None], noun: str) -> dict[str, int]:
    """Return the sizes with the one that is None, at most one, as the rest."""
    fixed = sum(size for size in wanted.values() if size is not None)
    filled = {part: total - fixed if size is None else size for part, size in wanted.items()}
    if fixed > total or any(size < _SMALLEST[part] for part, size in filled.items()):
        asked = ", ".join(
            f"{part}_size={'rest' if n is None else n}" for part, n in wanted.items()
        )
        raise ValueError(
            f"The sizes taken together must leave at least 2 {noun} to train with and be at most "
            f"the {total:,} {noun} that {name!r} has for them, but are {asked}: ask for fewer."
        )
    return filled


def _take(pool: P, sizes: Mapping[str, int], strata: np.ndarray, seed: int) -> dict[str, P]:
    """Cut the parts off the stratified order."""
    order = torch.from_numpy(stratified_order(strata, seed))
    parts = torch.split(order, [*sizes.values(), len(pool) - sum(sizes.values())])
    return {part: pool.take(indices) for part, indices in zip(sizes, parts, strict=False)}
