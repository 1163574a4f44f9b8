"""Axes of a program whose sizes may be others than those that it was made with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import torch
from torch import nn

from optuna_nas._ground.checks import is_int, shown
from optuna_nas._ground.inputs import Inputs, InputSpec, parts_of
from optuna_nas.export._runs import answer_of

__all__ = ["Axes", "axes_of", "resized"]

Axes: TypeAlias = tuple[Mapping[int, str], ...]
"""For each input, the names of its axes; 0 is the batch."""


def axes_of(dynamic_axes: Mapping[Any, Any] | None, spec: InputSpec) -> Axes:
    """Read the axes that a person chose, and add the batch.

    Args:
        dynamic_axes: ``{axis: name}`` for a single input; ``{input: {axis: name}}`` for several,
            where an input is its name or its place.
        spec: What the network takes.

    Raises:
        ValueError: If it is anything else, or there is no such input or axis.
    """
    chosen = dynamic_axes or {}
    keys: tuple[Any, ...] = spec.names or tuple(range(len(spec.parts)))
    by_input = {0: chosen} if spec.single else chosen
    if not isinstance(by_input, Mapping) or not {*by_input} <= {*keys}:
        raise _wrong(dynamic_axes, spec)
    found = []
    for key, part in zip(keys, spec.parts, strict=True):
        names = by_input.get(key, {})
        if not isinstance(names, Mapping) or not all(
            is_int(axis)
            and 1 <= axis <= len(part.size)
            and part.size[axis - 1] > 1  # torch takes an axis of one for a constant
            and isinstance(name, str)
            and name.isidentifier()
            for axis, name in names.items()
        ):
            raise _wrong(dynamic_axes, spec)
        found.append({0: "batch", **names})
    return tuple(found)


def resized(model: nn.Module, inputs: Inputs, spec: InputSpec, axes: Axes) -> Inputs | None:
    """Return a batch with other sizes along the chosen axes; None if none was chosen.

    Twice the sizes are taken, or half of them where the network does not take twice as much.

    Raises:
        ValueError: If the network takes neither.
    """
    if all(len(names) == 1 for names in axes):
        return None
    reason: Exception | None = None
    for change in (_twice, _half):
        batch = spec.arranged(_changed(parts_of(inputs), axes, change))
        try:
            answer_of(model, batch)
        except ValueError as e:
            reason = reason or e
        else:
            return batch
    raise ValueError(
        f"`dynamic_axes` must be axes whose size may change, but {type(model).__name__} takes "
        f"neither twice nor half the sizes of {spec} along {_chosen(axes)}: leave them out."
    ) from reason


def _changed(parts: tuple[torch.Tensor, ...], axes: Axes, change: Any) -> Iterator[torch.Tensor]:
    for part, names in zip(parts, axes, strict=True):
        for axis in [*names][1:]:
            part = change(part, axis)
        yield part


def _twice(tensor: torch.Tensor, axis: int) -> torch.Tensor:
    return torch.cat([tensor, tensor], axis)


def _half(tensor: torch.Tensor, axis: int) -> torch.Tensor:
    return tensor.narrow(axis, 0, max(1, tensor.shape[axis] // 2))


def _chosen(axes: Axes) -> str:
    return shown(sorted({name for names in axes for axis, name in names.items() if axis}))


def _wrong(dynamic_axes: Any, spec: InputSpec) -> ValueError:
    example = '{1: "time"}' if spec.single else '{"image": {2: "height"}}'
    if not spec.single and not spec.names:
        example = '{0: {1: "time"}}'
    return ValueError(
        f"`dynamic_axes` must name axes from 1 on, of size 2 or more, such as {example}, for "
        f"inputs of {spec} (axis 0 is the batch, which may always change), but got "
        f"{shown(dynamic_axes)}."
    )
