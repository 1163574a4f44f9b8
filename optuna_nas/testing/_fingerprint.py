"""Fingerprint of what a network computes, whatever its order of channels and names of layers."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn

from optuna_nas.testing._case import in_double, tensors_in

__all__ = ["Fingerprint", "fingerprint", "same"]


class Fingerprint(NamedTuple):
    """Outputs of a network whose weights depend on their shapes alone.

    Attributes:
        outputs: Output tensors in double precision.
        shapes: Shapes of the parameters that take part, with how often each occurs.
    """

    outputs: list[torch.Tensor]
    shapes: Counter[tuple[int, ...]]


def fingerprint(
    model: nn.Module, x: Any, run: Callable[[nn.Module, Any], Any] | None = None
) -> Fingerprint:
    """Run a network in evaluation mode on weights that depend on their shapes alone.

    All weights of a shape are filled with one number. Two networks that differ in the order of
    channels or in the names of layers then give equal outputs, and nearly all others do not:
    images vary over space, so that kernels, strides and pooling are told apart, and the
    parameters that take part tell shared layers from equal ones.

    Args:
        model: A network; its parameters and buffers are overwritten.
        x: What it is run on.
        run: How it is run: ``run(model, x)``. None: ``model(x)``.
    """
    run = run or (lambda model, x: model(x))
    model.eval()
    with torch.no_grad():
        run(model, x)  # lazy layers get their shapes
        model.double()
        for tensor in (*model.parameters(), *model.buffers()):
            if tensor.is_floating_point():
                tensor.fill_(_number_for(tuple(tensor.shape)))
    outputs = tensors_in(run(model, in_double(x)))
    total = sum(tensor.sum() for tensor in outputs)
    if isinstance(total, torch.Tensor) and total.requires_grad:
        total.backward()  # type: ignore[no-untyped-call]
    taking_part = (tuple(p.shape) for p in model.parameters() if p.grad is not None)
    return Fingerprint([tensor.detach() for tensor in outputs], Counter(taking_part))


def same(one: Fingerprint, other: Fingerprint) -> bool:
    """Tell whether two networks have the same fingerprint, up to rounding."""
    return (
        one.shapes == other.shapes
        and len(one.outputs) == len(other.outputs)
        and all(_close(a, b) for a, b in zip(one.outputs, other.outputs, strict=True))
    )


def _close(one: torch.Tensor, other: torch.Tensor) -> bool:
    if one.shape != other.shape:
        return False
    scale = float(one.abs().max()) if one.numel() else 0.0
    return torch.allclose(one, other, rtol=0.0, atol=1e-8 * scale)


def _number_for(shape: tuple[int, ...]) -> float:
    """Return a number in +-[0.5, 1.5] for a shape, divided by the fan-in to keep signals in scale.

    Vectors (norms, biases, running statistics) are positive, as variances must be.
    """
    share = zlib.crc32(repr(shape).encode()) / 2**32
    if len(shape) < 2:
        return 0.5 + share
    sign = 1.0 if share < 0.5 else -1.0
    return sign * (0.5 + share) / math.sqrt(math.prod(shape[1:]))
