"""Convolutions and pools that pad as TensorFlow's ``SAME`` or as PyTorch code usually does.

The two differ at stride 2 on even maps: ``SAME`` puts the odd pixel of padding below and on the
right, a symmetric padding of ``k // 2`` puts it above and on the left. Both give ``ceil(H /
stride)``. Averages never count the padding.

Legend: ``B`` batch, ``C`` channels, ``H``/``W`` height and width, ``k`` kernel size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from optuna_nas.nn.ops._phased import PhasedConv2d

__all__ = ["SameConv2d", "SamePool2d", "conv2d", "pool2d", "same_padding"]

Pair = tuple[int, int]


def pair(value: int | Pair) -> Pair:
    """The same number for height and width, unless two are given."""
    return (value, value) if isinstance(value, int) else value


def same_padding(size: int, kernel_size: int, stride: int, dilation: int = 1) -> Pair:
    """Padding before and after one axis of length ``size``, as TensorFlow's ``SAME``."""
    # From the first to the last pixel that the kernel reads when the output has ceil(size /
    # stride) of them; what that exceeds the map by is padded, the odd pixel behind it.
    covered = (-(-size // stride) - 1) * stride + dilation * (kernel_size - 1) + 1
    total = max(covered - size, 0)
    return total // 2, total - total // 2


def conv2d(
    in_channels: int,
    out_channels: int,
    kernel_size: int | Pair,
    *,
    stride: int | Pair = 1,
    dilation: int = 1,
    groups: int = 1,
    same: bool = False,
    padded: bool = True,
) -> nn.Conv2d:
    """A convolution without bias: ``(B, C, H, W) -> (B, D, H/stride, W/stride)``, rounded up.

    Args:
        in_channels: ``C``.
        out_channels: ``D``.
        kernel_size: Odd height and width of the kernel.
        stride: Vertical and horizontal stride.
        dilation: Distance of the kernel's elements.
        groups: Groups of channels; ``C`` of them make the convolution depthwise.
        same: Pad as ``SAME``; otherwise symmetrically.
        padded: Whether the map is padded; if not, it loses ``k - 1`` pixels.
    """
    kernel, strides = pair(kernel_size), pair(stride)
    strided = any(k > 1 and s > 1 for k, s in zip(kernel, strides, strict=True))
    # At stride 1 both paddings are the same, and nn.Conv2d pads without a copy.
    layer: type[nn.Conv2d] = SameConv2d if same and strided else nn.Conv2d
    if layer is nn.Conv2d and dilation > 1 and groups == in_channels == out_channels:
        layer = PhasedConv2d
    if kernel == (1, 1) and strides != (1, 1):
        layer = SubsampledConv2d
    padding = (dilation * (kernel[0] - 1) // 2, dilation * (kernel[1] - 1) // 2)
    if layer is SameConv2d or not padded:
        padding = (0, 0)
    return layer(
        in_channels,
        out_channels,
        kernel,
        stride=strides,
        padding=padding,
        dilation=dilation,
        groups=groups,
        bias=False,
    )


def pool2d(kind: str, kernel_size: int, *, stride: int = 1, same: bool = False) -> nn.Module:
    """A pool: ``(B, C, H, W) -> (B, C, H/stride, W/stride)``, rounded up.

    Args:
        kind: ``"avg"`` or ``"max"``.
        kernel_size: Side of the square kernel; an even one is always padded as ``SAME``.
        stride: Stride of the pool.
        same: Pad as ``SAME``; otherwise symmetrically.
    """
    if kernel_size % 2 == 0 or (same and stride > 1):
        return SamePool2d(kind, kernel_size, stride=stride)
    padding = kernel_size // 2
    if kind == "max":
        return nn.MaxPool2d(kernel_size, stride=stride, padding=padding)
    return nn.AvgPool2d(kernel_size, stride=stride, padding=padding, count_include_pad=False)


class SameConv2d(nn.Conv2d):
    """A convolution whose padding depends on the size of its input."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(_pad(input, self.kernel_size, self.stride, self.dilation))


class SubsampledConv2d(nn.Conv2d):
    """A strided 1x1 convolution, which reads only the pixels that count.

    PyTorch's own, in channels_last on a CPU, overwrites foreign memory in its backward pass where
    channels are few (seen with 2 to 6 of them in version 2.14).
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        vertical, horizontal = self.stride
        pixels = input[:, :, ::vertical, ::horizontal]
        return F.conv2d(pixels, self.weight, self.bias, groups=self.groups)


class SamePool2d(nn.Module):
    """A pool whose padding depends on the size of its input: ``(B, C, H, W)``.

    Args:
        kind: ``"avg"`` or ``"max"``.
        kernel_size: Side of the square kernel.
        stride: Stride of the pool.
    """

    def __init__(self, kind: str, kernel_size: int, *, stride: int) -> None:
        super().__init__()
        self.kind = kind
        self.kernel_size = kernel_size
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kernel, stride = pair(self.kernel_size), pair(self.stride)
        if self.kind == "max":
            return F.max_pool2d(_pad(x, kernel, stride, value=-torch.inf), kernel, stride)
        # Sums divided by how many pixels each window has within the map: F.avg_pool2d itself
        # would count the padding, which stands outside of it here.
        total = F.avg_pool2d(_pad(x, kernel, stride), kernel, stride, divisor_override=1)
        ones = x.new_ones(1, 1, *x.shape[2:])
        return total / F.avg_pool2d(_pad(ones, kernel, stride), kernel, stride, divisor_override=1)

    def extra_repr(self) -> str:
        return f"{self.kind}, kernel_size={self.kernel_size}, stride={self.stride}"


def _pad(
    x: torch.Tensor,
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...] = (1, 1),
    *,
    value: float = 0.0,
) -> torch.Tensor:
    vertical, horizontal = (
        same_padding(x.shape[2 + axis], kernel_size[axis], stride[axis], dilation[axis])
        for axis in (0, 1)
    )
    return F.pad(x, (*horizontal, *vertical), value=value)
