"""Operations whose number of input channels is that of their first input.

Legend: ``B`` batch, ``C`` input channels, ``D`` output channels, ``H``/``W`` height and width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter, is_lazy

from optuna_nas.nn.ops._norms import take_over_norms

__all__ = ["LazyOp"]


class LazyOp(nn.Module):
    """An operation ``(B, C, H, W) -> (B, D, ...)`` that is finished when ``C`` is seen.

    ``C`` is that of the first input, or of the state that is loaded. Its parameters exist from the
    start and stay the same objects, so that an optimizer may be made before the first forward
    pass; those whose shape depends on ``C`` are ``UninitializedParameter`` until then. Layers that
    do not depend on ``C``, such as batch norms, stay the same modules, with the settings and the
    hooks that they have been given. A projection that turns out not to be needed, because
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
        self.channels = channels
        self.in_channels: int | None = None
        self.op = make(channels + 1)  # with the projection that only C == D can spare
        other = dict(make(channels + 2).named_parameters())
        for path, parameter in list(self.op.named_parameters()):
            if other[path].shape != parameter.shape:
                _set(self.op, path, UninitializedParameter())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.in_channels is None:
            self._finish(x.shape[1], x.device)
        elif x.shape[1] != self.in_channels:
            raise ValueError(
                f"`{self.name}` read {self.in_channels} channels at first, but got {x.shape[1]}. "
                "Make one operation for each place where it is used."
            )
        out: torch.Tensor = self.op(x)
        return out

    def _finish(self, in_channels: int, device: torch.device) -> None:
        self.in_channels = in_channels
        op = self._make(in_channels).to(device).train(self.training)
        before = dict(self.op.named_modules())
        for path, module in list(op.named_modules()):
            if path in before and _has_equal_shapes(module, before[path]):
                _set(op, path, before[path])
        mine = dict(self.op.named_parameters())
        for path, parameter in list(op.named_parameters()):
            kept = mine[path]
            if isinstance(kept, UninitializedParameter):
                kept.materialize(parameter.shape, device=device)
                with torch.no_grad():
                    kept.copy_(parameter)
            _set(op, path, kept)
        take_over_norms(op, self.op)  # a recipe or shared weights may have set them up
        self.op = op

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, metadata: Mapping[str, Any], *args: Any
    ) -> None:
        """Take ``C`` from the state, before the parts of the operation load theirs."""
        if self.in_channels is None:
            with torch.random.fork_rng(devices=[]):  # what is drawn is loaded over
                in_channels = self._in_channels_of(state_dict, f"{prefix}op.", metadata)
                if in_channels is not None:
                    self._finish(in_channels, next(self.op.parameters()).device)
        super()._load_from_state_dict(state_dict, prefix, metadata, *args)

    def _in_channels_of(
        self, state_dict: Mapping[str, Any], prefix: str, metadata: Mapping[str, Any]
    ) -> int | None:
        """Read ``C`` off the shapes that depend on it, which grow evenly with it."""
        base, more = (dict(self._make(self.channels + n).named_parameters()) for n in (1, 2))
        lazy = [path for path in base if base[path].shape != more[path].shape]
        for path in lazy:
            shape: tuple[int, ...] = getattr(state_dict.get(prefix + path), "shape", ())
            sizes = zip(shape, base[path].shape, more[path].shape, strict=False)
            for size, at_base, at_more in sizes:
                if at_more != at_base:
                    return self.channels + 1 + (size - at_base) // (at_more - at_base)
        # The state of an operation that has none of them is that of C == D, without projection.
        return self.channels if lazy and "version" in metadata else None

    def __repr__(self) -> str:
        if self.in_channels is None:  # what is within has a number of channels to stand in
            return f"{type(self).__name__}({self.extra_repr()})"
        return super().__repr__()

    def extra_repr(self) -> str:
        return f"{self.name}, in_channels={self.in_channels or 'of the first input'}"


def _has_equal_shapes(module: nn.Module, other: nn.Module) -> bool:
    """Whether two layers have tensors of their own, and all of them are alike in shape."""
    shapes = _shapes(module)
    return type(module) is type(other) and bool(shapes) and shapes == _shapes(other)


def _shapes(module: nn.Module) -> dict[str, torch.Size | None]:
    tensors = chain(module.named_parameters(recurse=False), module.named_buffers(recurse=False))
    return {name: None if is_lazy(tensor) else tensor.shape for name, tensor in tensors}


def _set(module: nn.Module, path: str, value: torch.Tensor | nn.Module) -> None:
    """Put a parameter or a layer in the place of another one."""
    owner, _, name = path.rpartition(".")
    setattr(module.get_submodule(owner), name, value)
