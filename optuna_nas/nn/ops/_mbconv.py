"""Blocks of mobile networks: inverted bottlenecks, squeeze-and-excitation, shortcuts.

Legend: ``B`` batch, ``C`` input channels, ``D`` output channels, ``E`` expanded channels,
``S`` squeezed channels, ``H``/``W`` height and width.

References:
    - Sandler et al. MobileNetV2: Inverted Residuals and Linear Bottlenecks. CVPR 2018.
      arXiv:1801.04381.
    - Hu, Shen, Sun. Squeeze-and-Excitation Networks. CVPR 2018. arXiv:1709.01507.
    - Tan et al. MnasNet. CVPR 2019. arXiv:1807.11626. Where squeeze-and-excitation stands.

Differences from the papers:
    1. ``S`` is a share of the block's input channels, not of the expanded ones, as in the
       releases of MnasNet and EfficientNet.
    2. No paper says what a pooling shortcut is; see :class:`ShortcutBlock`.
"""

from __future__ import annotations

import torch
from torch import nn

from optuna_nas._ground.checks import require_choice
from optuna_nas.nn.ops._drop_path import DropPath
from optuna_nas.nn.ops._ops import ConvNormAct
from optuna_nas.nn.ops._same import pool2d

__all__ = ["ConvBlock", "MBConv", "ShortcutBlock", "SqueezeExcite"]

SHORTCUTS = ("identity", "pool", "none")


class SqueezeExcite(nn.Module):
    """Weigh the channels by what they hold on average: ``(B, C, H, W) -> (B, C, H, W)``.

    Args:
        channels: ``C``.
        squeezed: ``S``.
        act: The activation between the two linear layers.
    """

    def __init__(self, channels: int, squeezed: int, *, act: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, squeezed, 1)
        self.act = act()
        self.expand = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean((2, 3), keepdim=True)  # (B, C, 1, 1)
        weights = self.expand(self.act(self.reduce(mean))).sigmoid()  # (B, C, 1, 1)
        out: torch.Tensor = x * weights
        return out


class ShortcutBlock(nn.Module):
    """A body, and a shortcut around it where the shapes allow one.

    ``(B, C, H, W) -> (B, D, H/stride, W/stride)``, rounded up. With unequal channels there is
    no shortcut, and no identity with a stride.

    Args:
        body: The computation itself.
        in_channels: ``C``.
        out_channels: ``D``.
        stride: Stride of the body.
        skip: ``"identity"`` adds the input, ``"pool"`` its 3x3 average (padding not counted, with
            the block's stride), ``"none"`` nothing.
        drop_prob: Probability that the body of a sample is dropped in training (stochastic
            depth, arXiv:1603.09382); of no effect without shortcut.
        drop_scale: Factor of the probability that :func:`set_drop_path` sets here.

    Raises:
        ValueError: If ``skip`` is something else.
    """

    def __init__(
        self,
        body: nn.Module,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        skip: str = "identity",
        drop_prob: float = 0.0,
        drop_scale: float = 1.0,
    ) -> None:
        super().__init__()
        require_choice("skip", skip, SHORTCUTS)
        self.body = body
        self.shortcut: nn.Module | None = None
        if in_channels == out_channels:
            if skip == "pool":
                self.shortcut = pool2d("avg", 3, stride=stride)
            elif skip == "identity" and stride == 1:
                self.shortcut = nn.Identity()
        self.drop_path = DropPath(drop_prob, scale=drop_scale)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.body(x)
        if self.shortcut is None:
            return out
        total: torch.Tensor = self.drop_path(out) + self.shortcut(x)
        return total


class ConvBlock(ShortcutBlock):
    """Convolution, batch norm, activation, with a shortcut: ``(B, C, H, W) -> (B, D, ...)``.

    Args:
        in_channels: ``C``.
        out_channels: ``D``.
        kernel_size: Odd side of the kernel.
        stride: Stride of the convolution.
        skip: See :class:`ShortcutBlock`.
        act: The activation.
        drop_prob: See :class:`ShortcutBlock`.
        drop_scale: See :class:`ShortcutBlock`.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        skip: str = "identity",
        act: type[nn.Module] = nn.ReLU,
        drop_prob: float = 0.0,
        drop_scale: float = 1.0,
    ) -> None:
        kernel, strides = (kernel_size, kernel_size), (stride, stride)
        body = ConvNormAct(in_channels, out_channels, kernel, stride=strides, act=act)
        super().__init__(
            body,
            in_channels,
            out_channels,
            stride=stride,
            skip=skip,
            drop_prob=drop_prob,
            drop_scale=drop_scale,
        )


class MBConv(ShortcutBlock):
    """The inverted bottleneck: widen, filter each channel, weigh, narrow without activation.

    ``(B, C, H, W) -> (B, D, H/stride, W/stride)`` through ``E = expansion * C`` channels. With
    ``expansion=1`` nothing is widened: a depthwise separable convolution.

    Args:
        in_channels: ``C``.
        out_channels: ``D``.
        kernel_size: Odd side of the depthwise kernel.
        expansion: ``E / C``.
        stride: Stride of the depthwise convolution.
        se_ratio: ``S = max(1, int(C * se_ratio))``; 0 for no squeeze-and-excitation.
        skip: See :class:`ShortcutBlock`.
        act: The activation, such as ``nn.SiLU`` in EfficientNet.
        drop_prob: See :class:`ShortcutBlock`.
        drop_scale: See :class:`ShortcutBlock`.

    Example::

        import torch
        from optuna_nas.nn import MBConv

        block = MBConv(16, 24, 5, expansion=6, stride=2, se_ratio=0.25)
        assert block(torch.zeros(2, 16, 9, 9)).shape == (2, 24, 5, 5)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        expansion: int = 6,
        stride: int = 1,
        se_ratio: float = 0.0,
        skip: str = "identity",
        act: type[nn.Module] = nn.ReLU,
        drop_prob: float = 0.0,
        drop_scale: float = 1.0,
    ) -> None:
        wide = in_channels * expansion
        kernel, strides = (kernel_size, kernel_size), (stride, stride)
        body = nn.Sequential()
        if expansion != 1:
            body.append(ConvNormAct(in_channels, wide, (1, 1), act=act))
        body.append(ConvNormAct(wide, wide, kernel, stride=strides, groups=wide, act=act))
        if se_ratio > 0.0:
            body.append(SqueezeExcite(wide, max(1, int(in_channels * se_ratio)), act=act))
        body.append(ConvNormAct(wide, out_channels, (1, 1), act=False))
        super().__init__(
            body,
            in_channels,
            out_channels,
            stride=stride,
            skip=skip,
            drop_prob=drop_prob,
            drop_scale=drop_scale,
        )
