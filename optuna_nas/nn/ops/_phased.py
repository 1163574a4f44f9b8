"""Dilated depthwise convolutions that learn fast on a CPU.

PyTorch's backward pass of a dilated depthwise convolution is 10 to 30 times slower there than
that of one without dilation. But the pixels that lie ``d`` apart are a smaller map of their own,
on which the convolution is not dilated: with the ``d * d`` of them side by side in the batch,
the plain convolution gives the same result.

Legend: ``B`` batch, ``C`` channels, ``H``/``W`` height and width, ``d`` dilation.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from optuna_nas.nn.ops._separable import Geometry

__all__ = ["PhasedConv2d", "from_phases", "to_phases"]


class PhasedConv2d(nn.Conv2d):
    """A dilated convolution of equal strides and dilations on both axes: ``(B, C, H, W)``.

    It is ``nn.Conv2d`` in all but the way in which gradients are computed on a CPU.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        d, height, width = self.dilation[0], *input.shape[2:]
        if not self.has_phases(input):
            return super().forward(input)
        if self.stride[0] == d:
            return self.plain(input[:, :, ::d, ::d])  # the other phases are not read
        out = from_phases(self.plain(to_phases(input, d)), d)
        return out[:, :, :height, :width] if (height % d or width % d) else out

    def has_phases(self, x: torch.Tensor) -> bool:
        """Whether ``x`` is a map on which it pays to compute phases."""
        d, stride = self.dilation[0], self.stride[0]
        # Only the backward pass is slow, on CPUs. A padding that d does not divide would put its
        # zeros into some phases only, and a stride other than 1 and d would mix phases.
        learns = torch.is_grad_enabled() and (x.requires_grad or self.weight.requires_grad)
        here = x.device.type == "cpu" and learns and not torch.compiler.is_compiling()
        return here and stride in (1, d) and all(padding % d == 0 for padding in self._paddings)

    def plain(self, phases: torch.Tensor) -> torch.Tensor:
        """The convolution without dilation, of stride 1."""
        return F.conv2d(phases, self.weight, self.bias, *self.phase_geometry, self.groups)

    @property
    def phase_geometry(self) -> Geometry:
        """Padding of the convolution without dilation."""
        d = self.dilation[0]
        return Geometry([1, 1], [padding // d for padding in self._paddings], [1, 1])

    @property
    def _paddings(self) -> tuple[int, int]:
        assert not isinstance(self.padding, str)
        return self.padding[0], self.padding[1]


def to_phases(x: torch.Tensor, d: int) -> torch.Tensor:
    """``(B, C, H, W) -> (d * d * B, C, H/d, W/d)``: pixels that lie ``d`` apart, zeros added."""
    # Zeros below and on the right are as the padding of the convolution: they change no result
    # within the map, and what they give beyond it is cut off.
    below, right = -x.shape[2] % d, -x.shape[3] % d
    if below or right:
        x = F.pad(x, (0, right, 0, below))
    batch, channels, height, width = x.shape
    # Channels last throughout: then the copy moves whole pixels, and the result is a view.
    parts = x.permute(0, 2, 3, 1).reshape(batch, height // d, d, width // d, d, channels)
    phases = parts.permute(2, 4, 0, 1, 3, 5)  # (d, d, B, H/d, W/d, C)
    return phases.reshape(-1, height // d, width // d, channels).permute(0, 3, 1, 2)


def from_phases(x: torch.Tensor, d: int) -> torch.Tensor:
    """``(d * d * B, C, H/d, W/d) -> (B, C, H, W)``: the way back from :func:`to_phases`."""
    phases, channels, height, width = x.shape
    parts = x.permute(0, 2, 3, 1).reshape(d, d, phases // d**2, height, width, channels)
    whole = parts.permute(2, 3, 0, 4, 1, 5)  # (B, H/d, d, W/d, d, C)
    return whole.reshape(-1, height * d, width * d, channels).permute(0, 3, 1, 2)
