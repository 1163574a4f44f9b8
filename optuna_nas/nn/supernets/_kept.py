"""Tensors kept for the backward pass, made smaller at no change in the gradients.

Legend: ``B`` batch, ``C`` channels, ``H``/``W`` height and width.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional

__all__ = ["can_be_made_again", "casts", "made_again", "small_indices"]


def casts(x: torch.Tensor) -> bool:
    """Whether autocast is on for ``x``: a backward pass would compute again in other types."""
    kind = x.device.type
    return torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)


def can_be_made_again(norm: nn.Module, reader: nn.Module, x: torch.Tensor) -> bool:
    """Whether the map between a batch norm with ReLU and its reader need not be kept.

    The batch norm keeps its own input anyway, from which the map is made with little arithmetic.
    The reader keeps it where its weight learns.
    """
    return (
        type(norm) is nn.BatchNorm2d
        and norm.weight is None
        and (norm.training or norm.running_mean is None)
        and isinstance(reader, nn.Conv2d)
        and reader.weight.requires_grad
        and torch.is_grad_enabled()
        and not casts(x)
        and not torch.compiler.is_compiling()
    )


@contextlib.contextmanager
def made_again(norm: nn.Module, x: torch.Tensor) -> Iterator[torch.Tensor]:
    """Give ``relu(norm(x))`` to a reader that is called within the block.

    What the reader and ReLU would keep of it is made from ``x`` when the backward pass asks.

    Args:
        norm: Batch norm for which :func:`can_be_made_again` holds.
        x: ``(B, C, H, W)``.
    """
    assert isinstance(norm, nn.BatchNorm2d)
    normed = norm(x)
    # Autograd tells only which tensor it keeps, so this map is recognised by its storage; the
    # in-place ReLU below keeps that, whatever views the reader makes.
    place, again = _place(normed), _Again(x.detach(), norm.eps)

    def pack(tensor: torch.Tensor) -> torch.Tensor | _Again:  # lives on: must not hold the map
        return again if _place(tensor) == place else tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, _unpacked):
        yield normed.relu_()


def _place(tensor: torch.Tensor) -> int:
    """Where a tensor lies, on torch's meta device too."""
    place: int = tensor.untyped_storage()._cdata
    return place


class _Again:
    """``relu(norm(x))``, made for the reader, and then handed on to ReLU, which asks next."""

    def __init__(self, x: torch.Tensor, eps: float) -> None:
        self._x = x
        self._eps = eps
        self._waiting: torch.Tensor | None = None

    def read(self) -> torch.Tensor:
        # Two nodes keep the map, the reader's and ReLU's, and ask one after the other: the first
        # makes it, the second takes it, and then it is free.
        if self._waiting is not None:
            made, self._waiting = self._waiting, None
            return made
        with torch.no_grad():
            made = functional.batch_norm(self._x, None, None, training=True, eps=self._eps)
            self._waiting = made.relu_()
        return self._waiting


def _unpacked(kept: torch.Tensor | _Again) -> torch.Tensor:
    return kept.read() if isinstance(kept, _Again) else kept


def small_indices(x: torch.Tensor) -> contextlib.AbstractContextManager[None]:
    """Have max pooling of ``x``, called within the block, keep 2 bytes for a maximum, not 8."""
    # An index is a pixel's number within its map, so 16 bits do for maps of up to 181 x 181.
    if x.shape[-2] * x.shape[-1] > torch.iinfo(torch.int16).max or torch.compiler.is_compiling():
        return contextlib.nullcontext()
    return torch.autograd.graph.saved_tensors_hooks(_narrow, _wide)


def _narrow(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to(torch.int16) if tensor.dtype == torch.int64 else tensor


def _wide(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to(torch.int64) if tensor.dtype == torch.int16 else tensor
