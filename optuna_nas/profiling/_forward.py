"""One forward pass that leaves a network as it was, with an error that names the input.

Letters: ``B`` images in a batch, ``C`` channels, ``H`` x ``W`` pixels.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

import torch
from torch import nn

__all__ = ["evaluating", "example_input", "run_forward"]


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Switch to eval mode without gradients; afterwards every module has its own mode again."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def example_input(
    model: nn.Module, input_size: tuple[int, ...], *, batch_size: int = 1
) -> torch.Tensor:
    """Return zeros of shape (batch_size, *input_size) where the model's weights are.

    Raises:
        ValueError: If a size is not a positive integer.
    """
    sizes = (batch_size, *input_size)
    if len(sizes) < 2 or not all(_is_positive_int(size) for size in sizes):
        raise ValueError(
            "`input_size` must be the positive sizes of one image such as (3, 224, 224) and "
            f"`batch_size` a positive integer, but got input_size={input_size!r} and "
            f"batch_size={batch_size!r}."
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


def _is_positive_int(size: object) -> bool:
    return isinstance(size, int) and not isinstance(size, bool) and size > 0
