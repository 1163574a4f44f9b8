"""Weights in files that are whole, checked, and read without running code from them.

A file is what ``torch.save`` writes, with a checksum behind it: plain
``torch.load(path, weights_only=True)`` reads it too.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from optuna_nas.stores import DamagedFileError, read_checked, write_checked

__all__ = ["load_weights", "packed", "save_weights", "unpacked"]


def save_weights(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Write the ``state_dict`` of a model, whole or not at all.

    Args:
        model: On any device; the tensors are stored as they are.
        path: Where the file shall stand, such as ``best.pt``. Its folder must exist.

    Raises:
        FileNotFoundError: If the folder does not exist.
        OSError: If the folder cannot be written to or the disk is full.
    """
    write_checked(path, packed(model.state_dict()))


def load_weights(
    path: str | os.PathLike[str], *, map_location: str | torch.device = "cpu"
) -> dict[str, Any]:
    """Return a ``state_dict`` for ``model.load_state_dict``.

    Example:
        >>> import pathlib, tempfile
        >>> import torch
        >>> from optuna_nas.training import load_weights, save_weights
        >>> model = torch.nn.Linear(2, 2)
        >>> path = pathlib.Path(tempfile.mkdtemp(), "linear.pt")
        >>> save_weights(model, path)
        >>> model.load_state_dict(load_weights(path))
        <All keys matched successfully>

    Args:
        path: A file of :func:`save_weights`.
        map_location: The device for the tensors.

    Raises:
        FileNotFoundError: If there is no such file.
        DamagedFileError: If it is damaged, truncated, or not such a file.
    """
    state = unpacked(
        read_checked(path),
        map_location,
        f"The file {str(path)!r} must hold weights written by save_weights, but holds something "
        "else.",
    )
    if not isinstance(state, dict):
        raise DamagedFileError(
            f"The file {str(path)!r} must hold a state_dict, but holds a {type(state).__name__}."
        )
    return state


def packed(state: dict[str, Any]) -> bytes:
    """Return what ``torch.save`` writes."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def unpacked(content: bytes, map_location: str | torch.device, error: str) -> Any:
    """Return what was given to :func:`packed`, without running code from it.

    Args:
        content: The bytes that it returned.
        map_location: The device for the tensors.
        error: Message for anything else.

    Raises:
        DamagedFileError: If it is something else.
    """
    try:
        room = _stored_bytes(content)
        state = torch.load(io.BytesIO(content), map_location=map_location, weights_only=True)
        _check_room(state, room)
    except Exception as e:  # a pickle can raise anything
        raise DamagedFileError(error) from e
    return state


def _stored_bytes(content: bytes) -> int:
    """Size of what ``torch.save`` wrote, which packs files without compressing them.

    Raises:
        ValueError: If it is packed otherwise: a small file could then fill the memory.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = archive.infolist()
    size = sum(file.file_size for file in files)
    if size > len(content) or any(file.compress_type != zipfile.ZIP_STORED for file in files):
        raise ValueError("It is compressed.")
    return size


def _check_room(state: object, room: int) -> None:
    """Raise unless the file had room for all tensors: a few bytes can claim any shape.

    Raises:
        ValueError: If it had not, or a tensor has no data.
    """
    storages: dict[int, int] = {}
    for tensor in _tensors(state):
        if tensor.is_meta or tensor.numel() * tensor.element_size() > room:
            raise ValueError(f"It has no data of the shape {tuple(tensor.shape)}.")
        if tensor.layout == torch.strided:
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    if sum(storages.values()) > room:
        raise ValueError("It has less data than it claims.")


def _tensors(state: object) -> Iterator[torch.Tensor]:
    """All tensors of nested containers; each container is looked into once."""
    waiting, seen = [state], set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, dict | list | tuple | set) and id(value) not in seen:
            seen.add(id(value))
            waiting += [*value.keys(), *value.values()] if isinstance(value, dict) else value
