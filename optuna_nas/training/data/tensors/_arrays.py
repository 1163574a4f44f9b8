"""Arrays of any library as tensors of the types that networks are built for.

Letters: ``N`` examples, ``F`` columns.
"""

from __future__ import annotations

import dataclasses
from numbers import Real
from typing import Any

import numpy as np
import torch

from optuna_nas._ground.checks import shown

__all__ = ["Columns", "as_tensor", "as_texts", "require_finite"]

_MAX_NAMED = 5  # columns that a message names


@dataclasses.dataclass(frozen=True)
class Columns:
    """A tensor with the names of its columns, where it was a frame.

    Attributes:
        tensor: Of shape (N, ...): float32, int64 or bool.
        names: Names of its F columns; ``()``: it has none.
    """

    tensor: torch.Tensor
    names: tuple[str, ...] = ()


def as_tensor(value: Any, where: str) -> Columns:
    """Return an array on the CPU; floats as float32, integers as int64.

    Args:
        value: A tensor, an array, a list of numbers, or a frame or a series of pandas or the like.
            A frame becomes float32, whatever numbers its columns hold.
        where: Names it in an error, such as "`train` inputs".

    Raises:
        TypeError: If it holds something else than numbers.
        ValueError: If it is empty, ragged, or not finite.
    """
    if isinstance(value, torch.Tensor):
        found = Columns(_plain_tensor(value, where))
    elif _is_frame(value):
        found = _frame(value, where)
    else:
        found = Columns(_plain_array(_array(value, where), where))
    if found.tensor.ndim == 0 or found.tensor.numel() == 0:
        raise ValueError(
            f"{where} must have at least one example, the first axis of an array, but have the "
            f"shape {tuple(found.tensor.shape)}."
        )
    require_finite(found, where)
    return found


def as_texts(value: Any, where: str) -> np.ndarray | None:
    """Return a column of texts as an array (N,); None if it is something else.

    Args:
        value: As for :func:`as_tensor`.
        where: Names it in an error.

    Raises:
        ValueError: If some of the texts are missing.
    """
    if isinstance(value, torch.Tensor | dict | tuple):
        return None
    if _is_frame(value):
        names = list(value.columns)
        if len(names) != 1:
            return None
        value = value[names[0]]
    array = _array(value, where)
    if array.ndim != 1 or not len(array) or _kind(array) != "text":
        return None
    for row, item in enumerate(array.tolist()):
        if not isinstance(item, str):
            raise ValueError(
                f"{where} must all be texts, but that in row {row} is {shown(item)}: fill in or "
                "leave out such examples."
            )
    return array.astype(str)


def require_finite(columns: Columns, where: str) -> None:
    """Raise for the first number that is NaN or infinite, with its row and column."""
    tensor = columns.tensor
    if not tensor.is_floating_point():
        return
    finite = torch.isfinite(tensor)
    if bool(finite.all()):
        return
    place = (~finite).nonzero()[0].tolist()
    value = float(tensor[tuple(place)])
    if len(place) == 1:
        spot = f"row {place[0]}"
    elif len(place) == 2:
        name = f" ({columns.names[place[1]]!r})" if columns.names else ""
        spot = f"row {place[0]}, column {place[1]}{name}"
    else:
        spot = f"index {tuple(place)}"
    raise ValueError(
        f"{where} must be finite float32 numbers, but {spot} is {value}: fill in or leave out "
        "such examples."
    )


def _is_frame(value: Any) -> bool:
    """Whether it is a table of pandas or the like, which need not be imported to tell."""
    return hasattr(value, "columns") and hasattr(value, "to_numpy")


def _frame(frame: Any, where: str) -> Columns:
    names = [str(name) for name in frame.columns]
    if len({*names}) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f"{where} must have columns of different names, but {twice!r} stands there twice: "
            "rename one."
        )
    arrays = [np.asarray(frame[name].to_numpy()) for name in frame.columns]
    texts = [name for name, array in zip(names, arrays, strict=True) if _kind(array) == "text"]
    if texts:
        more = f" and {len(texts) - _MAX_NAMED} more" if len(texts) > _MAX_NAMED else ""
        raise TypeError(
            f"{where} must be numbers, but the columns {', '.join(map(repr, texts[:_MAX_NAMED]))}"
            f"{more} hold text: encode them, such as with pandas.get_dummies or scikit-learn's "
            "OneHotEncoder."
        )
    tensors = [
        _plain_array(array, f"{where} in column {name!r}").float()
        for name, array in zip(names, arrays, strict=True)
    ]
    table = torch.stack(tensors, dim=1) if tensors else torch.empty(0)
    return Columns(table, tuple(names))


def _array(value: Any, where: str) -> np.ndarray:
    if hasattr(value, "toarray"):
        raise TypeError(
            f"{where} must be a dense array, but are a {type(value).__name__}: pass .toarray()."
        )
    try:
        return np.asarray(value.to_numpy() if hasattr(value, "to_numpy") else value)
    except ValueError as e:  # rows of different lengths
        raise ValueError(
            f"{where} must be an array, whose rows have the same length, but are "
            f"{shown(value)} ({e}): pad or cut them."
        ) from e


def _plain_tensor(tensor: torch.Tensor, where: str) -> torch.Tensor:
    tensor = tensor.detach().cpu()
    if tensor.is_floating_point():
        return tensor.to(torch.float32)
    if tensor.dtype == torch.bool:
        return tensor
    if tensor.is_complex() or tensor.is_quantized or tensor.is_sparse:
        raise _no_numbers(where, str(tensor.dtype))
    return tensor.to(torch.int64)


def _plain_array(array: np.ndarray, where: str) -> torch.Tensor:
    kind = _kind(array)
    if kind == "numbers":  # as objects
        array = np.array(array.tolist())
        kind = array.dtype.kind
    if kind in "iub":
        wanted: type = np.bool_ if kind == "b" else np.int64
        if kind == "u" and array.size and int(array.max()) > np.iinfo(np.int64).max:
            raise ValueError(
                f"{where} must be at most {np.iinfo(np.int64).max}, but {int(array.max())} is "
                "among them: make them floats."
            )
        return torch.from_numpy(np.array(array, dtype=wanted))
    if kind == "f":
        with np.errstate(over="ignore"):  # told of as infinite
            return torch.from_numpy(np.array(array, dtype=np.float32))
    if kind == "missing":
        row = next(i for i, item in enumerate(array.reshape(-1)) if not _is_real(item))
        raise ValueError(
            f"{where} must have no missing values, but that at {row} is: fill in or leave out "
            "such examples."
        )
    raise _no_numbers(where, "text" if kind == "text" else str(array.dtype))


def _kind(array: np.ndarray) -> str:
    """numpy's letter; of objects and texts "text", "numbers", "missing" or "O"."""
    if array.dtype.kind in ("U", "S", "T"):
        return "text"
    if array.dtype.kind != "O":
        return array.dtype.kind
    items = array.reshape(-1).tolist()
    if any(isinstance(item, str) for item in items):
        return "text"
    if items and all(map(_is_real, items)):
        return "numbers"
    real_or_none = all(_is_real(item) or _is_missing(item) for item in items)
    return "missing" if items and real_or_none else "O"


def _is_real(item: object) -> bool:
    return isinstance(item, Real | np.bool_)


def _is_missing(item: object) -> bool:
    return item is None or type(item).__name__ in ("NAType", "NaTType")  # pandas' marks


def _no_numbers(where: str, what: str) -> TypeError:
    return TypeError(
        f"{where} must be real numbers or truth values, but are {what}: turn them into numbers "
        "first."
    )
