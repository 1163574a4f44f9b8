"""Operations that networks are made of; each exists once, here.

Legend: ``B`` batch, ``C`` input channels, ``D`` output channels, ``H``/``W`` height and width.
"""

from __future__ import annotations

from torch import nn

from optuna_nas.nn.ops._same import Pair, conv2d, pool2d

__all__ = ["ConvNormAct", "ReLUConvBN", "ReLUSepConvBN", "avg_pool"]


class ReLUConvBN(nn.Sequential):
    """ReLU, convolution without bias, batch norm: ``(B, C, H, W) -> (B, D, H/stride, W/stride)``.

    The order of NAS-Bench-201 (arXiv:2001.00326) and of the NASNet family, where an operation
    starts with its activation. Odd sizes are rounded up.

    Args:
        in_channels: ``C``.
        out_channels: ``D``.
        kernel_size: Odd side, or height and width, of the kernel; padded to keep the size at
            stride 1.
        stride: Stride of the convolution.
        dilation: Dilation of the kernel.
        affine: Whether the batch norm has weights.
        same: Pad as TensorFlow's ``SAME``; otherwise symmetrically.
        act: Whether the ReLU is there.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        *,
        stride: int | Pair = 1,
        dilation: int = 1,
        affine: bool = True,
        same: bool = False,
        act: bool = True,
    ) -> None:
        conv = conv2d(
            in_channels, out_channels, kernel_size, stride=stride, dilation=dilation, same=same
        )
        layers: list[nn.Module] = [conv, nn.BatchNorm2d(out_channels, affine=affine)]
        super().__init__(*([nn.ReLU()] if act else []), *layers)


class ReLUSepConvBN(nn.Sequential):
    """ReLU, depthwise and pointwise convolution, batch norm: ``(B, C, H, W) -> (B, D, ...)``.

    Nothing stands between the two convolutions, as in the NASNet family (arXiv:1707.07012) and
    DARTS (arXiv:1806.09055).

    Args:
        in_channels: ``C``.
        out_channels: ``D``.
        kernel_size: Odd side of the depthwise kernel.
        stride: Stride of the depthwise convolution.
        dilation: Dilation of the depthwise kernel.
        affine: Whether the batch norm has weights.
        same: Pad as TensorFlow's ``SAME``; otherwise symmetrically.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        affine: bool = True,
        same: bool = False,
    ) -> None:
        depthwise = conv2d(
            in_channels,
            in_channels,
            kernel_size,
            stride=stride,
            dilation=dilation,
            groups=in_channels,
            same=same,
        )
        super().__init__(
            nn.ReLU(),
            depthwise,
            conv2d(in_channels, out_channels, 1),
            nn.BatchNorm2d(out_channels, affine=affine),
        )


class ConvNormAct(nn.Sequential):
    """Convolution without bias, batch norm and, unless ``act=False``, ReLU.

    ``(B, C, H, W) -> (B, D, H/stride, W/stride)``, rounded up. The layer of NAS-RL
    (arXiv:1611.01578) and, without activation, the stem of NAS-Bench-201 and the NASNet family.

    Args:
        in_channels: ``C``.
        out_channels: ``D``.
        kernel_size: Odd height and width of the kernel; padded by ``(k - 1) / 2``.
        stride: Vertical and horizontal stride.
        groups: Groups of channels; ``groups=in_channels`` makes it depthwise.
        act: Whether an activation follows: True for ReLU, False for none, or a class such as
            ``nn.SiLU``.
        padded: Whether the map is padded; if not, it loses ``k - 1`` pixels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, int],
        *,
        stride: tuple[int, int] = (1, 1),
        groups: int = 1,
        act: bool | type[nn.Module] = True,
        padded: bool = True,
    ) -> None:
        conv = conv2d(
            in_channels, out_channels, kernel_size, stride=stride, groups=groups, padded=padded
        )
        layers: list[nn.Module] = [conv, nn.BatchNorm2d(out_channels)]
        if act:
            layers.append(nn.ReLU() if act is True else act())
        super().__init__(*layers)


def avg_pool(kernel_size: int) -> nn.Module:
    """Average pooling that keeps the size and does not count the padding: ``(B, C, H, W)``."""
    return pool2d("avg", kernel_size)
