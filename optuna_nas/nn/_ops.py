"""Operations that networks are made of; each exists once, here.

Legend: ``B`` batch, ``C`` input channels, ``D`` output channels, ``H``/``W`` height and width.
"""

from __future__ import annotations

from torch import nn

__all__ = ["ConvNormAct", "ReLUConvBN", "avg_pool"]


class ReLUConvBN(nn.Sequential):
    """ReLU, convolution without bias, batch norm: ``(B, C, H, W) -> (B, D, H/stride, W/stride)``.

    The order of NAS-Bench-201 (arXiv:2001.00326) and of the NASNet family, where an operation
    starts with its activation. Odd sizes are rounded up.

    Args:
        in_channels: ``C``.
        out_channels: ``D``.
        kernel_size: Odd side of the square kernel; padded to keep the size at stride 1.
        stride: Of the convolution.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1
    ) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(
                in_channels,
                out_channels,
                kernel_size,
                stride=stride,
                padding=kernel_size // 2,
                bias=False,
            ),
            nn.BatchNorm2d(out_channels),
        )


class ConvNormAct(nn.Sequential):
    """Convolution without bias, batch norm and, unless ``act=False``, ReLU.

    ``(B, C, H, W) -> (B, D, H/stride, W/stride)``, rounded up. The layer of NAS-RL
    (arXiv:1611.01578) and, without activation, the stem of NAS-Bench-201.

    Args:
        in_channels: ``C``.
        out_channels: ``D``.
        kernel_size: Odd height and width of the kernel; padded by ``(k - 1) / 2``.
        stride: Vertical and horizontal stride.
        act: Whether a ReLU follows.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, int],
        *,
        stride: tuple[int, int] = (1, 1),
        act: bool = True,
    ) -> None:
        height, width = kernel_size
        conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=(height // 2, width // 2),
            bias=False,
        )
        layers: list[nn.Module] = [conv, nn.BatchNorm2d(out_channels)]
        super().__init__(*layers, *([nn.ReLU()] if act else []))


def avg_pool(kernel_size: int) -> nn.AvgPool2d:
    """Average pooling that keeps the size and does not count the padding: ``(B, C, H, W)``."""
    return nn.AvgPool2d(kernel_size, stride=1, padding=kernel_size // 2, count_include_pad=False)
