"""Operations that a user brings: made by a factory, checked wherever they are used.

Legend: ``B`` batch, ``C`` input channels, ``D`` output channels, ``H``/``W`` height and width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import torch
from torch import nn

from optuna_nas.nn.ops._ops import ReLUConvBN

__all__ = ["OpFactory", "OwnOp", "make_own_op", "our_modules"]

OpFactory: TypeAlias = Callable[[int, int], nn.Module]  # (channels, stride)


class OwnOp(nn.Module):
    """A user's operation: ``(B, D, H, W) -> (B, D, H/stride, W/stride)``, rounded up.

    Args:
        name: The user's name for it.
        op: The module.
        channels: ``D``.
        stride: By which it must divide height and width.

    Raises:
        ValueError: In ``forward``, if the module fails, or its output has another shape.
        TypeError: In ``forward``, if the module returns no tensor.
    """

    def __init__(self, name: str, op: nn.Module, channels: int, stride: int) -> None:
        super().__init__()
        self.name = name
        self.op = op
        self.channels = channels
        self.stride = stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        try:
            out = self.op(x)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            raise ValueError(
                f"The operation `{self.name}`, made for channels={self.channels} and "
                f"stride={self.stride}, failed on a map of {tuple(x.shape)} "
                f"({type(error).__name__}: {error})."
            ) from error
        self._check(x, out)
        result: torch.Tensor = out
        return result

    def _check(self, x: torch.Tensor, out: object) -> None:
        if not isinstance(out, torch.Tensor):
            raise TypeError(
                f"The operation `{self.name}` must return a tensor, but returned a "
                f"{type(out).__name__}. Its module's forward takes and gives one map."
            )
        height, width = (-(-size // self.stride) for size in x.shape[2:])
        expected = (x.shape[0], self.channels, height, width)
        if out.shape != expected:
            raise ValueError(
                f"The operation `{self.name}`, made for channels={self.channels} and "
                f"stride={self.stride}, must turn a map of {tuple(x.shape)} into one of "
                f"{expected}, but gave {tuple(out.shape)}. {self._way_out(x, out, expected)}"
            )

    def _way_out(
        self, x: torch.Tensor, out: torch.Tensor, expected: tuple[int, int, int, int]
    ) -> str:
        if out.dim() != x.dim() or out.shape[0] != x.shape[0]:
            return "It must keep the four dimensions and the batch."
        if out.shape[1] != self.channels:
            return "Give it as many output channels as its factory is given as `channels`."
        if self.stride > 1 and out.shape[2:] == x.shape[2:]:
            return "It ignores its stride: use the `stride` that its factory is given."
        floored = tuple(size // self.stride for size in x.shape[2:])
        if self.stride > 1 and out.shape[2:] == floored:
            return (
                "Odd sizes are rounded up: pad a kernel of k by k // 2, or give a pool "
                "ceil_mode=True."
            )
        return (
            f"Height and width must be those of its input divided by the stride, "
            f"{expected[2]}x{expected[3]}: pad a kernel of k by k // 2."
        )

    def extra_repr(self) -> str:
        return f"{self.name}, {self.channels}, stride={self.stride}"


def make_own_op(
    name: str, factory: OpFactory, channels: int, *, stride: int, in_channels: int
) -> nn.Module:
    """Make a user's operation: ``(B, C, H, W) -> (B, D, H/stride, W/stride)``.

    Args:
        name: The user's name for it.
        factory: ``factory(channels, stride)``, a module that keeps the number of channels.
        channels: ``D``.
        stride: 1 or 2.
        in_channels: ``C``. If it is not ``D``, the operation reads a projection (ReLU, 1x1
            convolution, batch norm).

    Raises:
        ValueError: If the factory fails.
        TypeError: If it does not return a module.
    """
    own = OwnOp(name, _made(name, factory, channels, stride), channels, stride)
    if in_channels == channels:
        return own
    return nn.Sequential(ReLUConvBN(in_channels, channels, 1), own)


def our_modules(module: nn.Module) -> Iterator[nn.Module]:
    """Give all modules within ``module`` but those that a user brought."""
    yield module
    if not isinstance(module, OwnOp):
        for child in module.children():
            yield from our_modules(child)


def _made(name: str, factory: OpFactory, channels: int, stride: int) -> nn.Module:
    try:
        op: Any = factory(channels, stride)
    except Exception as error:
        raise ValueError(
            f"The operation `{name}` could not be made: its factory was called with "
            f"(channels, stride) = ({channels}, {stride}) and raised "
            f"{type(error).__name__}: {error}"
        ) from error
    if not isinstance(op, nn.Module):
        what = "None; is its `return` missing?" if op is None else f"{op!r}."
        raise TypeError(
            f"The factory of the operation `{name}` must return a torch.nn.Module, but "
            f"returned {what}"
        )
    return op
