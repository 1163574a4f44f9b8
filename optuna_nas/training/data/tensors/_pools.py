"""Pairs of inputs and targets, of arrays of any library, as checked tensors.

Letters: ``N`` examples, ``K`` classes.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from optuna_nas._ground.checks import shown
from optuna_nas._ground.inputs import Inputs, parts_of, shapes
from optuna_nas.training.data.tensors._arrays import as_tensor, as_texts
from optuna_nas.training.data.tensors._split import TensorSplit

__all__ = ["Pools", "read_pools"]


@dataclasses.dataclass(frozen=True)
class Pools:
    """The examples that are given.

    Attributes:
        by_part: Under "train", "val" and "test"; None: to be taken from those for training.
        columns: Names of the columns of the only input, where it was a frame.
        classes: Names of the K classes, where targets were texts, or as they are given.
    """

    by_part: Mapping[str, TensorSplit | None]
    columns: tuple[str, ...]
    classes: tuple[str, ...] | None

    @property
    def content_hash(self) -> str:
        """SHA-256 of all examples."""
        digest = hashlib.sha256()
        for part, pool in sorted(self.by_part.items()):
            if pool is not None:
                for tensor in (*parts_of(pool.inputs), *parts_of(pool.target)):
                    digest.update(f"{part} {tensor.dtype} {tuple(tensor.shape)}".encode())
                    digest.update(tensor.numpy().tobytes())
        return digest.hexdigest()


def read_pools(given: Mapping[str, Any], classes: Sequence[str] | None) -> Pools:
    """Read the pairs (inputs, targets) of each part.

    Args:
        given: Under "train", "val" and "test"; None: there is none.
        classes: Names of the classes; None: told by targets that are texts.

    Raises:
        TypeError: If something is no pair, or holds no numbers.
        ValueError: If lengths or forms differ, or numbers are not finite.
    """
    pairs = {part: _pair(pair, part) for part, pair in given.items() if pair is not None}
    texts = {part: as_texts(pair[1], f"`{part}` targets") for part, pair in pairs.items()}
    names = None if classes is None else tuple(map(str, classes))
    if names is None and texts["train"] is not None:
        names = tuple(np.unique(texts["train"]).tolist())
    columns: dict[str, tuple[str, ...]] = {}
    pools: dict[str, TensorSplit | None] = dict.fromkeys(given)
    for part, (inputs, target) in pairs.items():
        read, columns[part] = _read(inputs, f"`{part}` inputs")
        labels = texts[part]
        if labels is not None:
            numbers: Inputs = _encoded(labels, names or (), part)
        else:
            numbers, _ = _read(target, f"`{part}` targets")
        pools[part] = _checked(TensorSplit(read, numbers), part)
    train = pools["train"]
    assert train is not None
    for part, pool in pools.items():
        if pool is not None and part != "train":
            _require_like(train, pool, part)
            _require_columns(columns["train"], columns[part], part)
    return Pools(pools, columns["train"], names)


def _pair(pair: Any, part: str) -> tuple[Any, Any]:
    if isinstance(pair, list | tuple) and len(pair) == 2:
        return pair[0], pair[1]
    got = f"{len(pair)} parts" if isinstance(pair, list | tuple) else shown(pair)
    raise TypeError(
        f"`{part}` must be a pair (inputs, targets), but got {got}: several inputs of a network "
        "go into a tuple or a dict of their own, such as ((series, table), targets)."
    )


def _read(value: Any, where: str) -> tuple[Inputs, tuple[str, ...]]:
    """Return tensors in the form of ``value``, and the names of the only one's columns."""
    if isinstance(value, Mapping):
        for name in value:
            if not isinstance(name, str) or not name.isidentifier():
                raise ValueError(
                    f"{where} must have names of arguments, but one is {shown(name)}: rename it."
                )
        _require_some(value, where)
        return {n: as_tensor(v, f"{where} {n!r}").tensor for n, v in value.items()}, ()
    if isinstance(value, tuple):
        _require_some(value, where)
        return tuple(as_tensor(v, f"{where} {i}").tensor for i, v in enumerate(value)), ()
    found = as_tensor(value, where)
    return found.tensor, found.names


def _require_some(parts: Any, where: str) -> None:
    if not len(parts):
        raise ValueError(f"{where} must be at least one array, but there are none.")


def _encoded(texts: np.ndarray, names: tuple[str, ...], part: str) -> torch.Tensor:
    """Return texts (N,) as their positions among the classes."""
    numbers = {name: number for number, name in enumerate(names)}
    for row, text in enumerate(texts.tolist()):
        if text not in numbers:
            raise ValueError(
                f"`{part}` targets must be among the classes of `train`, {shown(list(names))}, "
                f"but that in row {row} is {text!r}: leave it out, or give all `classes`."
            )
    return torch.tensor([numbers[text] for text in texts.tolist()], dtype=torch.int64)


def _checked(split: TensorSplit, part: str) -> TensorSplit:
    lengths = [len(tensor) for tensor in (*parts_of(split.inputs), *parts_of(split.target))]
    if len({*lengths}) > 1:
        raise ValueError(
            f"`{part}` must have one target per example in all its arrays, but the inputs are of "
            f"shape {shapes(split.inputs)} and the targets of shape {shapes(split.target)}."
        )
    return split


def _form(inputs: Inputs, describe: Callable[[torch.Tensor], Any]) -> Any:
    if isinstance(inputs, dict):
        return {name: describe(tensor) for name, tensor in inputs.items()}
    if isinstance(inputs, tuple):
        return tuple(map(describe, inputs))
    return describe(inputs)


def _one(tensor: torch.Tensor) -> tuple[tuple[int, ...], str]:
    return tuple(tensor.shape[1:]), str(tensor.dtype).removeprefix("torch.")


def _require_like(train: TensorSplit, other: TensorSplit, part: str) -> None:
    for what in ("inputs", "target"):
        first = _form(getattr(train, what), _one)
        second = _form(getattr(other, what), _one)
        if first != second:
            plural = "inputs" if what == "inputs" else "targets"
            raise ValueError(
                f"`{part}` {plural} must have the shape and type of those of `train` for each "
                f"example, {shown(first)}, but have {shown(second)}: prepare both alike."
            )


def _require_columns(first: tuple[str, ...], second: tuple[str, ...], part: str) -> None:
    if first and second and first != second:
        raise ValueError(
            f"`{part}` inputs must have the columns of `train` in their order, {shown(first)}, "
            f"but have {shown(second)}: pick them, as in frame[train.columns]."
        )
