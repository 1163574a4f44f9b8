"""One forward pass that leaves a network as it was, with an error that names the input.

A lazy network (``nn.LazyLinear``, ``make_op`` without ``in_channels``) is finished by such a pass.

Letters: ``B`` images in a batch, ``C`` channels, ``H`` x ``W`` pixels.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, is_lazy

from optuna_nas._ground.bounds import MAX_BATCH, MAX_PIXELS
from optuna_nas._ground.checks import is_int, shown

__all__ = ["copied", "evaluating", "example_input", "materialise", "run_forward", "training"]


_BATCH = 2  # batch norm needs two values per channel


def materialise(model: nn.Module, input_size: tuple[int, ...]) -> None:
    """Give every lazy parameter its shape and its first value; a network without stays untouched.

    Modes, batch norm statistics and the random state are as before. Where a supernet mixes all
    its candidates in a forward pass, all of them are finished.

    Args:
        model: A network that takes images of shape (B, *input_size).
        input_size: (channels, height, width) of one image.

    Raises:
        ValueError: If the model cannot take an input of this size, or does not use a lazy module.
    """
    for mode in (evaluating, training):  # an auxiliary head may run in training alone
        if not _lazy_names(model):
            return
        with mode(model), torch.no_grad():
            run_forward(model, example_input(model, input_size, batch_size=_BATCH))
    left = _lazy_names(model)
    if left:
        raise ValueError(
            f"`model` must use all its lazy modules, but a forward pass of {type(model).__name__} "
            f"on {tuple(input_size)} leaves {left} without a shape: give those modules their "
            "sizes, such as `in_channels`, or leave them out."
        )


def copied(model: nn.Module) -> nn.Module:
    """Return a copy, also of a network with lazy buffers, which torch does not copy."""
    memo: dict[int, object] = {
        id(buffer): UninitializedBuffer(  # type: ignore[call-arg]
            device=buffer.device, dtype=buffer.dtype
        )
        for buffer in model.buffers()
        if is_lazy(buffer)
    }
    return copy.deepcopy(model, memo)


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Switch to eval mode without gradients; afterwards every module has its own mode again."""
    with _own_modes(model):
        model.eval()
        with torch.no_grad():
            yield


@contextlib.contextmanager
def training(model: nn.Module) -> Iterator[None]:
    """Switch to train mode; afterwards every module has its own mode and statistics again."""
    lazy = {
        module for module in model.modules() if any(map(is_lazy, module.buffers(recurse=False)))
    }
    buffers = {n: buffer.clone() for n, buffer in model.named_buffers() if not is_lazy(buffer)}
    with _own_modes(model):
        model.train()
        try:
            yield
        finally:
            with torch.no_grad():
                for name, buffer in model.named_buffers():
                    if name in buffers:
                        buffer.copy_(buffers[name])
            for norm in lazy:
                norm.reset_running_stats()  # type: ignore[operator]


@contextlib.contextmanager
def _own_modes(model: nn.Module) -> Iterator[None]:
    """Keep the modes; modules that a lazy one makes meanwhile get that of what holds them."""
    modes = {module: module.training for module in model.modules()}

    def restore(module: nn.Module, inherited: bool) -> None:
        module.training = modes.get(module, inherited)
        for child in module.children():
            restore(child, module.training)

    try:
        yield
    finally:
        restore(model, model.training)


def _lazy_names(model: nn.Module) -> list[str]:
    tensors = itertools.chain(model.named_parameters(), model.named_buffers())
    return [name for name, tensor in tensors if is_lazy(tensor)]


def example_input(
    model: nn.Module, input_size: tuple[int, ...], *, batch_size: int = 1
) -> torch.Tensor:
    """Return zeros of shape (batch_size, *input_size) where the model's weights are.

    Raises:
        ValueError: If a size is not a positive integer.
    """
    sizes = (batch_size, *input_size) if isinstance(input_size, list | tuple) else ()
    if len(sizes) < 2 or not all(_is_positive_int(size) for size in sizes):
        raise ValueError(
            "`input_size` must be the positive sizes of one image such as (3, 224, 224) and "
            f"`batch_size` a positive integer, but got input_size={shown(input_size)} and "
            f"batch_size={shown(batch_size)}."
        )
    if batch_size > MAX_BATCH or math.prod(input_size) > MAX_PIXELS:
        raise ValueError(
            f"`input_size` must have at most {MAX_PIXELS} numbers and `batch_size` be at most "
            f"{MAX_BATCH}, but got input_size={shown(input_size)} and "
            f"batch_size={shown(batch_size)}."
        )
    for tensor in itertools.chain(model.parameters(), model.buffers()):
        if tensor.is_floating_point():
            return torch.zeros(sizes, device=tensor.device, dtype=tensor.dtype)
    return torch.zeros(sizes)


def run_forward(model: nn.Module, images: torch.Tensor) -> None:
    """Run the model on ``images``, shape (B, C, H, W); the random state stays untouched.

    Raises:
        ValueError: If the model cannot take an input of this shape.
        torch.OutOfMemoryError: As torch raises it.
    """
    cuda = [images.device] if images.device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=cuda, device_type="cuda"):
            model(images)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, IndexError) as e:
        raise ValueError(
            f"`input_size` must fit the network, but {type(model).__name__} cannot take an input "
            f"of shape {tuple(images.shape)} ({str(e).splitlines()[0].rstrip('.')}): give the "
            "(channels, height, width) that it was built for."
        ) from e


def _is_positive_int(size: Any) -> bool:
    return is_int(size) and size > 0
