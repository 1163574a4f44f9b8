"""Operations whose number of input channels is that of their first input.

Legend: ``B`` batch, ``C`` input channels, ``D`` output channels, ``H``/``W`` height and width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from optuna_nas.nn._norms import take_over_norms

__all__ = ["LazyOp"]


class LazyOp(nn.Module):
    """An operation ``(B, C, H, W) -> (B, D, ...)`` that is finished when ``C`` is seen.

    Its parameters exist from the start and stay the same objects, so that an optimizer may be
    made before the first forward pass; those whose shape depends on ``C`` are
    ``UninitializedParameter`` until then. A projection that turns out not to be needed, because
    ``C == D``, loses its parameters.

    Args:
        make: The operation for a given ``C``.
        channels: ``D``.
        name: For messages and the printed form.

    Raises:
        ValueError: In ``forward``, if a later input has other channels than the first.
    """

    def __init__(self, make: Callable[[int], nn.Module], channels: int, name: str) -> None:
        super().__init__()
        self._make = make
        self.name = name
        self.in_channels: int | None = None
        self.op = make(channels + 1)  # with the projection that only C == D can spare
        other = dict(make(channels + 2).named_parameters())
        for path, parameter in list(self.op.named_parameters()):
            if other[path].shape != parameter.shape:
                _set_parameter(self.op, path, UninitializedParameter())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.in_channels is None:
            self._finish(x)
        elif x.shape[1] != self.in_channels:
            raise ValueError(
                f"`{self.name}` read {self.in_channels} channels at first, but got {x.shape[1]}. "
                "Make one operation for each place where it is used."
            )
        out: torch.Tensor = self.op(x)
        return out

    def _finish(self, x: torch.Tensor) -> None:
        self.in_channels = x.shape[1]
        op = self._make(self.in_channels).to(x.device).train(self.training)
        mine = dict(self.op.named_parameters())
        for path, parameter in list(op.named_parameters()):
            kept = mine[path]
            if isinstance(kept, UninitializedParameter):
                kept.materialize(parameter.shape, device=x.device)
                with torch.no_grad():
                    kept.copy_(parameter)
            _set_parameter(op, path, kept)
        take_over_norms(op, self.op)  # a recipe or shared weights may have set them up
        self.op = op

    def __repr__(self) -> str:
        if self.in_channels is None:  # what is within has a number of channels to stand in
            return f"{type(self).__name__}({self.extra_repr()})"
        return super().__repr__()

    def extra_repr(self) -> str:
        return f"{self.name}, in_channels={self.in_channels or 'of the first input'}"


def _set_parameter(module: nn.Module, path: str, parameter: torch.Tensor) -> None:
    owner, _, name = path.rpartition(".")
    setattr(module.get_submodule(owner), name, parameter)
