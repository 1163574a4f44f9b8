"""The operations of cell spaces by name: NASNet's 13, AmoebaNet's, PNAS's, ENAS's and DARTS's.

A name means the same operation everywhere, but papers define some of them differently: a
*family* says whose definition is built. ``make_op`` is the only place that knows.

Legend: ``B`` batch, ``C`` input channels, ``D`` output channels, ``H``/``W`` height and width.

References:
    - Zoph et al. Learning Transferable Architectures for Scalable Image Recognition. CVPR 2018.
      arXiv:1707.07012 (family ``"nasnet"``, also for PNAS, arXiv:1712.00559).
    - Real et al. Regularized Evolution for Image Classifier Architecture Search. AAAI 2019.
      arXiv:1802.01548 (family ``"amoebanet"``).
    - Pham et al. Efficient Neural Architecture Search via Parameter Sharing. ICML 2018.
      arXiv:1802.03268 (family ``"enas"``).
    - Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019.
      arXiv:1806.09055 (family ``"darts"``).

Differences from the papers:
    1. NASNet's text gives no more than "3x3 dilated convolution" and "1x7 then 7x1": they are one
       full convolution of dilation 2 and two convolutions, each with its ReLU and batch norm.
    2. AmoebaNet's text has a dilated *separable* convolution, applied twice like its others; the
       released code has a full one with a bottleneck. The text is followed. The bottlenecks of
       its 3x3, 1x3-3x1 and 1x7-7x1 convolutions are those of the release.
    3. Operations that a paper does not list are built in its padding, with NASNet's definition.
    4. Where ``C`` and ``D`` differ, every family projects as the NASNet builder does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn

from optuna_nas._ground.checks import require_choice, require_int
from optuna_nas.nn.ops._factorized import FactorizedReduction
from optuna_nas.nn.ops._lazy import LazyOp
from optuna_nas.nn.ops._ops import ReLUConvBN, ReLUSepConvBN
from optuna_nas.nn.ops._same import conv2d, pool2d

__all__ = ["FAMILIES", "IDENTITIES", "OPS", "Zero", "make_op"]

FAMILIES = ("nasnet", "amoebanet", "enas", "darts")
IDENTITIES = ("identity", "skip_connect")  # two names of one operation


@dataclass(frozen=True)
class _Shape:
    """Channels, stride and family of an operation, whatever its name."""

    in_channels: int
    channels: int
    stride: int
    affine: bool
    family: str

    @property
    def same(self) -> bool:
        return self.family != "darts"

    def conv(self, kernel_size: int | tuple[int, int] = 1, **options: int) -> ReLUConvBN:
        """ReLU, convolution with the stride, batch norm: ``C -> D``."""
        return self.between(self.in_channels, self.channels, kernel_size, self.stride, **options)

    def between(
        self,
        in_channels: int,
        channels: int,
        kernel_size: int | tuple[int, int] = 1,
        stride: int | tuple[int, int] = 1,
        **options: int,
    ) -> ReLUConvBN:
        return ReLUConvBN(
            in_channels,
            channels,
            kernel_size,
            stride=stride,
            affine=self.affine,
            same=self.same,
            **options,  # type: ignore[arg-type]
        )


class Zero(nn.Module):
    """DARTS's ``none``: zeros of the right shape, ``(B, C, H, W) -> (B, D, H/stride, W/stride)``.

    Args:
        channels: ``D``.
        stride: By which the size is divided, rounded up.
    """

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.channels = channels
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = (-(-size // self.stride) for size in x.shape[2:])
        return x.new_zeros(x.shape[0], self.channels, height, width)

    def extra_repr(self) -> str:
        return f"{self.channels}, stride={self.stride}"


def make_op(
    name: str,
    channels: int,
    *,
    stride: int = 1,
    in_channels: int | None = None,
    affine: bool = True,
    family: str = "darts",
) -> nn.Module:
    """Make an operation by its name: ``(B, C, H, W) -> (B, D, H/stride, W/stride)``, rounded up.

    Example::

        from torch import nn
        from optuna_nas.nn import make_op

        model = nn.Sequential(make_op("sep_conv_5x5", 32, stride=2), make_op("max_pool_3x3", 64))

    Args:
        name: One of ``none``, ``identity`` (also called ``skip_connect``), ``sep_conv_3x3``,
            ``sep_conv_5x5``, ``sep_conv_7x7``, ``dil_conv_3x3``, ``dil_conv_5x5``,
            ``avg_pool_3x3``, ``max_pool_2x2``, ``max_pool_3x3``, ``max_pool_5x5``,
            ``max_pool_7x7``, ``conv_1x1``, ``conv_3x3``, ``conv_1x3_3x1``, ``conv_1x7_7x1`` and
            ``conv_7x1_1x7``, which in every family is DARTS's 1x7 and 7x1 without anything
            between.
        channels: ``D``.
        stride: 1 or 2.
        in_channels: ``C``. If None, the first input decides; until then the shapes of some
            parameters are unknown, but an optimizer may already hold them.
        affine: Whether the batch norms have weights.
        family: Family whose definition is used: ``"darts"`` (symmetric padding; an identity of
            stride 2 needs even sizes), ``"nasnet"`` (also PNAS), ``"amoebanet"`` or ``"enas"``
            (these pad as TensorFlow does and take any size).

    Raises:
        ValueError: If the name or the family is unknown, or a number is below 1.
    """
    if not isinstance(name, str):
        str(name)  # an open decision of a supernet says here what it is, and how to decide it
    require_choice("name", name, OPS)
    require_choice("family", family, FAMILIES)
    require_int("stride", stride, at_most=2)
    require_int("channels", channels)  # of a place within a network: no bound of its own
    make = partial(_make, name, channels=channels, stride=stride, affine=affine, family=family)
    if in_channels is None:
        return LazyOp(make, channels, name)
    require_int("in_channels", in_channels)
    return make(in_channels)


def _make(name: str, in_channels: int, **shape: Any) -> nn.Module:
    return OPS[name](_Shape(in_channels, **shape))


def _none(shape: _Shape) -> nn.Module:
    return Zero(shape.channels, shape.stride)


def _identity(shape: _Shape) -> nn.Module:
    if shape.stride > 1 and shape.family in ("darts", "enas"):
        darts = shape.family == "darts"  # ENAS's release has no ReLU here, and pads
        return FactorizedReduction(
            shape.in_channels, shape.channels, act=darts, affine=shape.affine, padded=not darts
        )
    if shape.stride > 1 or shape.in_channels != shape.channels:
        return shape.conv()
    return nn.Identity()


def _pool(kind: str, kernel_size: int, shape: _Shape) -> nn.Module:
    pool = pool2d(kind, kernel_size, stride=shape.stride, same=shape.same)
    if shape.in_channels == shape.channels:
        return pool
    act = shape.family == "enas"
    return nn.Sequential(pool, *shape.between(shape.in_channels, shape.channels, act=act))


def _conv(kernel_size: int, shape: _Shape) -> nn.Module:
    if shape.family == "amoebanet" and kernel_size > 1:
        return _bottleneck(shape, shape.channels // 4, [((kernel_size,) * 2, (shape.stride,) * 2)])
    return shape.conv(kernel_size)


def _crossed_conv(kernel_size: int, shape: _Shape) -> nn.Module:
    """``1 x k`` with the horizontal stride, then ``k x 1`` with the vertical one."""
    if shape.family == "darts":
        return _plain_crossed_conv(kernel_size, shape)
    kernels = [((1, kernel_size), (1, shape.stride)), ((kernel_size, 1), (shape.stride, 1))]
    if shape.family == "amoebanet":
        narrow = 3 * shape.channels // 8 if kernel_size == 3 else shape.channels // 4
        return _bottleneck(shape, narrow, kernels)
    return _stacked(shape, shape.channels, kernels)


def _plain_crossed_conv(kernel_size: int, shape: _Shape) -> nn.Module:
    c, d, same = shape.in_channels, shape.channels, shape.same
    return nn.Sequential(
        nn.ReLU(),
        conv2d(c, d, (1, kernel_size), stride=(1, shape.stride), same=same),
        conv2d(d, d, (kernel_size, 1), stride=(shape.stride, 1), same=same),
        nn.BatchNorm2d(d, affine=shape.affine),
    )


Kernels = list[tuple[tuple[int, int], tuple[int, int]]]


def _stacked(shape: _Shape, channels: int, kernels: Kernels) -> nn.Sequential:
    """One convolution after the other, each with its ReLU and batch norm."""
    inputs = [shape.in_channels, *[channels] * (len(kernels) - 1)]
    return nn.Sequential(
        *(shape.between(c, channels, k, s) for c, (k, s) in zip(inputs, kernels, strict=True))
    )


def _bottleneck(shape: _Shape, narrow: int, kernels: Kernels) -> nn.Sequential:
    """The same in ``narrow`` channels between two 1x1 convolutions, as AmoebaNet's release."""
    if narrow < 1:  # the release leaves the bottleneck out, too
        return _stacked(shape, shape.channels, kernels)
    return nn.Sequential(
        shape.between(shape.in_channels, narrow),
        *(shape.between(narrow, narrow, k, s) for k, s in kernels),
        shape.between(narrow, shape.channels),
    )


def _sep_conv(kernel_size: int, shape: _Shape, *, dilation: int = 1) -> nn.Sequential:
    """A separable convolution, applied twice; the first has the stride."""
    first = _separable(kernel_size, shape, shape.in_channels, shape.stride, dilation)
    return nn.Sequential(first, _separable(kernel_size, shape, shape.channels, 1, dilation))


def _separable(
    kernel_size: int, shape: _Shape, in_channels: int, stride: int, dilation: int
) -> ReLUSepConvBN:
    return ReLUSepConvBN(
        in_channels,
        shape.channels,
        kernel_size,
        stride=stride,
        dilation=dilation,
        affine=shape.affine,
        same=shape.same,
    )


def _dil_conv(kernel_size: int, shape: _Shape) -> nn.Module:
    if shape.family == "darts":
        return _separable(kernel_size, shape, shape.in_channels, shape.stride, 2)
    if shape.family == "amoebanet":
        return _sep_conv(kernel_size, shape, dilation=2)
    return shape.conv(kernel_size, dilation=2)


OPS: dict[str, Callable[[_Shape], nn.Module]] = {
    "none": _none,
    **dict.fromkeys(IDENTITIES, _identity),
    "sep_conv_3x3": partial(_sep_conv, 3),
    "sep_conv_5x5": partial(_sep_conv, 5),
    "sep_conv_7x7": partial(_sep_conv, 7),
    "dil_conv_3x3": partial(_dil_conv, 3),
    "dil_conv_5x5": partial(_dil_conv, 5),
    "avg_pool_3x3": partial(_pool, "avg", 3),
    "max_pool_2x2": partial(_pool, "max", 2),
    "max_pool_3x3": partial(_pool, "max", 3),
    "max_pool_5x5": partial(_pool, "max", 5),
    "max_pool_7x7": partial(_pool, "max", 7),
    "conv_1x1": partial(_conv, 1),
    "conv_3x3": partial(_conv, 3),
    "conv_1x3_3x1": partial(_crossed_conv, 3),
    "conv_1x7_7x1": partial(_crossed_conv, 7),
    "conv_7x1_1x7": partial(_plain_crossed_conv, 7),
}
