"""A depthwise and a pointwise convolution that keep nothing of what lies between them.

Legend: ``B`` batch, ``C`` and ``D`` channels, ``H``/``W`` height and width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional

__all__ = ["Geometry", "are_separable", "separable"]

_POINTWISE = ([1, 1], [0, 0], [1, 1])


class Geometry(NamedTuple):
    """Geometry of a depthwise convolution.

    Attributes:
        stride: Vertical and horizontal stride.
        padding: Pixels on both sides of each axis.
        dilation: Dilation of the kernel.
    """

    stride: Sequence[int]
    padding: Sequence[int]
    dilation: Sequence[int]


def are_separable(first: nn.Module, second: nn.Module, kind: type[nn.Conv2d] = nn.Conv2d) -> bool:
    """Whether two layers are such a pair, without biases; ``kind`` is that of the first."""
    return (
        type(first) is kind
        and type(second) is nn.Conv2d
        and first.groups == first.in_channels == first.out_channels > 1
        and second.kernel_size == second.stride == (1, 1)
        and second.groups == 1
        and first.bias is second.bias is None
        and not isinstance(first.padding, str)
    )


def separable(
    x: torch.Tensor, depthwise: torch.Tensor, pointwise: torch.Tensor, geometry: Geometry
) -> torch.Tensor:
    """Convolve ``(B, C, H, W)`` with ``(C, 1, k, k)`` and then with ``(D, C, 1, 1)``.

    The backward pass computes the depthwise result again instead of keeping it.
    """
    result: torch.Tensor = _Separable.apply(x, depthwise, pointwise, geometry)
    return result


class _Separable(torch.autograd.Function):
    """Both convolutions as one node of the graph, since autograd would keep what lies between.

    ``x (B, C, H, W), depthwise (C, 1, k, k), pointwise (D, C, 1, 1) -> (B, D, H', W')``. A
    supernet would hold such a map for every candidate; computing one again costs a depthwise
    convolution, the cheaper half.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(
        x: torch.Tensor, depthwise: torch.Tensor, pointwise: torch.Tensor, geometry: Geometry
    ) -> torch.Tensor:
        return functional.conv2d(_between(x, depthwise, geometry), pointwise)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        x, depthwise, pointwise, ctx.geometry = inputs
        ctx.shape = x.shape
        # The gradient of ``x`` needs the weights alone: frozen ones spare the map.
        learns = any(ctx.needs_input_grad[1:3])
        ctx.save_for_backward(x if learns else None, depthwise, pointwise)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        (gradient,) = gradients
        x, depthwise, pointwise = ctx.saved_tensors
        for_x, for_depthwise, for_pointwise, _ = ctx.needs_input_grad
        batch, channels, *_ = ctx.shape
        if for_pointwise:
            between = _between(x, depthwise, ctx.geometry)
        else:  # convolution_backward wants a map of that shape, but does not read it
            between = gradient.new_empty(1).expand(batch, channels, *gradient.shape[2:])
        between_slope, pointwise_slope = _backward(
            gradient, between, pointwise, Geometry(*_POINTWISE), 1, (True, for_pointwise)
        )
        del between  # before the second one, which needs as much memory
        if x is None:
            x = gradient.new_empty(1).expand(ctx.shape)
        x_slope, depthwise_slope = _backward(
            between_slope, x, depthwise, ctx.geometry, channels, (for_x, for_depthwise)
        )
        return x_slope, depthwise_slope, pointwise_slope, None


def _between(x: torch.Tensor, depthwise: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    return functional.conv2d(x, depthwise, None, *geometry, x.shape[1])


def _backward(
    gradient: torch.Tensor,
    x: torch.Tensor,
    weight: torch.Tensor,
    geometry: Geometry,
    groups: int,
    wanted: tuple[bool, bool],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients of a convolution's input and weight, None where they are not wanted."""
    found = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, *geometry, False, [0, 0], groups, [*wanted, False]
    )
    return found[0], found[1]
