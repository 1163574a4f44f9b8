"""Inputs of a network: one tensor, several in order, or several by name, of any dtype.

A batch of inputs is what a network is called with: a tensor; a tuple, whose parts are positional
arguments; or a dict, whose parts are named ones. An :class:`InputSpec` describes one example of
it without a batch, as a value that is written and read as text.

Letters: ``B`` examples in a batch.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import torch

from optuna_nas._ground.bounds import MAX_PIXELS
from optuna_nas._ground.checks import is_int, shown

__all__ = [
    "InputPart",
    "InputSpec",
    "Inputs",
    "arranged",
    "call",
    "join",
    "length",
    "map_tensors",
    "moved",
    "parts_of",
    "shapes",
    "split",
]

Inputs: TypeAlias = torch.Tensor | tuple[torch.Tensor, ...] | dict[str, torch.Tensor]
"""A batch: a tensor (B, ...), a tuple of them (positional), or a dict of them (named)."""

_MAX_PARTS = 100
_FLOAT = "float"  # whatever the network's own weights have
_DTYPES: dict[str, torch.dtype] = {
    name: getattr(torch, name)
    for name in (
        *("float16", "bfloat16", "float32", "float64", "complex64", "complex128", "bool"),
        *("uint8", "int8", "int16", "int32", "int64"),
    )
}
_PART = re.compile(
    r"(?:(?P<name>[A-Za-z_]\w*)=)?(?P<size>\d+(?:x\d+)*|scalar)(?::(?P<dtype>\w+))?"
)


def call(model: Callable[..., Any], inputs: Inputs) -> Any:
    """Run a network on a batch: parts of a tuple are positional, those of a dict named."""
    if isinstance(inputs, torch.Tensor):
        return model(inputs)
    return model(**inputs) if isinstance(inputs, Mapping) else model(*inputs)


def parts_of(inputs: Inputs) -> tuple[torch.Tensor, ...]:
    """Return the tensors of a batch, in order."""
    if isinstance(inputs, torch.Tensor):
        return (inputs,)
    return tuple(inputs.values() if isinstance(inputs, Mapping) else inputs)


def map_tensors(change: Callable[[torch.Tensor], torch.Tensor], inputs: Inputs) -> Inputs:
    """Return a batch of the same form with every tensor changed."""
    return arranged(map(change, parts_of(inputs)), inputs)


def moved(inputs: Inputs, device: torch.device | str) -> Inputs:
    """Return a batch on a device, without waiting for it."""
    return map_tensors(lambda tensor: tensor.to(device, non_blocking=True), inputs)


def length(inputs: Inputs) -> int:
    """B, the number of examples in a batch."""
    return len(parts_of(inputs)[0])


def join(batches: list[Inputs]) -> Inputs:
    """Return batches of the same form as one."""
    return arranged(map(torch.cat, zip(*map(parts_of, batches), strict=True)), batches[0])


def split(inputs: Inputs, parts: int) -> list[Inputs]:
    """Return a batch in so many parts of the same form, one after the other."""
    pieces = [part.tensor_split(parts) for part in parts_of(inputs)]
    return [arranged(piece, inputs) for piece in zip(*pieces, strict=True)]


def arranged(tensors: Iterable[torch.Tensor], form: Inputs) -> Inputs:
    """Return tensors in the form of a batch: one, a tuple, or a dict with the same names."""
    if isinstance(form, torch.Tensor):
        return next(iter(tensors))
    return dict(zip(form, tensors, strict=True)) if isinstance(form, Mapping) else tuple(tensors)


def shapes(inputs: Inputs) -> str:
    """Write the shapes of a batch, for messages."""
    if isinstance(inputs, torch.Tensor):
        return str(tuple(inputs.shape))
    if isinstance(inputs, Mapping):
        return ", ".join(f"{name}={tuple(part.shape)}" for name, part in inputs.items())
    return ", ".join(str(tuple(part.shape)) for part in inputs)


@dataclasses.dataclass(frozen=True)
class InputPart:
    """One tensor of an example.

    Attributes:
        size: Its shape without the batch; ``()`` for a single number.
        dtype: torch's name of its type, such as "int64"; "float": that of the network's weights.
    """

    size: tuple[int, ...]
    dtype: str = _FLOAT

    def __str__(self) -> str:
        size = "x".join(map(str, self.size)) or "scalar"
        return size if self.dtype == _FLOAT else f"{size}:{self.dtype}"

    def type_in(self, dtype: torch.dtype) -> torch.dtype:
        """Return torch's type of it in a network whose weights have ``dtype``."""
        return _DTYPES.get(self.dtype, dtype)


@dataclasses.dataclass(frozen=True)
class InputSpec:
    """Description of one example of a network's inputs.

    Example:
        >>> from optuna_nas.profiling import InputSpec
        >>> InputSpec.of((3, 32, 32)).input_size
        (3, 32, 32)
        >>> spec = InputSpec.of("image=1x64x48, table=5, words=32:int64")
        >>> spec.names, str(spec.parts[2])
        (('image', 'table', 'words'), '32:int64')

    Attributes:
        parts: Its tensors.
        names: Their names, where they are named arguments; else ``()``.
        single: Whether the network takes one tensor.
    """

    parts: tuple[InputPart, ...]
    names: tuple[str, ...] = ()
    single: bool = True

    @classmethod
    def of(cls, inputs: Any) -> InputSpec:
        """Read a description.

        Args:
            inputs: An ``InputSpec``; a size such as ``(3, 32, 32)``; a text such as ``"24x2"``,
                ``"32:int64"`` or ``"image=1x64x48,table=5"``; a tensor (B, ...), which is an
                example batch; or a tuple or list (positional) or dict (named) of sizes, texts and
                tensors.

        Raises:
            ValueError: If it is none of these, or a size is not positive or too large.
        """
        if isinstance(inputs, InputSpec):
            return inputs
        if isinstance(inputs, str):
            return _read_text(inputs)
        if isinstance(inputs, torch.Tensor) or _is_size(inputs):
            return cls((_part(inputs),))
        if isinstance(inputs, Mapping) and 0 < len(inputs) <= _MAX_PARTS:
            names = tuple(inputs)
            if all(isinstance(name, str) and name.isidentifier() for name in names):
                return cls(tuple(map(_part, inputs.values())), names, single=False)
        elif isinstance(inputs, list | tuple) and 0 < len(inputs) <= _MAX_PARTS:
            return cls(tuple(map(_part, inputs)), single=False)
        raise _unreadable(inputs)

    @property
    def input_size(self) -> tuple[int, ...]:
        """Shape of a single input.

        Raises:
            ValueError: If the network takes several.
        """
        if not self.single:
            raise ValueError(f"`input_size` is that of a single input, but there are {self}.")
        return self.parts[0].size

    def zeros(self, *, batch_size: int, dtype: torch.dtype, device: torch.device | str) -> Inputs:
        """Return a batch of zeros, which are legal indices, too.

        Args:
            batch_size: B.
            dtype: Type of parts that have the network's own.
            device: Where they lie.
        """
        return self.arranged(
            torch.zeros((batch_size, *part.size), dtype=part.type_in(dtype), device=device)
            for part in self.parts
        )

    def arranged(self, tensors: Iterable[torch.Tensor]) -> Inputs:
        """Return tensors, one for each part, as a batch of this form."""
        if self.single:
            only: torch.Tensor = next(iter(tensors))
            return only
        return dict(zip(self.names, tensors, strict=True)) if self.names else tuple(tensors)

    @property
    def words(self) -> str:
        """Description for people to read: "3 x 32 x 32", "image 1 x 64 x 48, words 7 (int64)"."""
        parts = [_in_words(part) for part in self.parts]
        if self.names:
            parts = [f"{name} {part}" for name, part in zip(self.names, parts, strict=True)]
        return ", ".join(parts)

    def __str__(self) -> str:
        if self.names:
            named = zip(self.names, self.parts, strict=True)
            return ",".join(f"{name}={part}" for name, part in named)
        # A text of one positional input would be read as a single one, which is the same call.
        return ",".join(map(str, self.parts))


def _in_words(part: InputPart) -> str:
    size = " x ".join(map(str, part.size)) or "scalar"
    return size if part.dtype == _FLOAT else f"{size} ({part.dtype})"


def _is_size(value: Any) -> bool:
    return isinstance(value, list | tuple | torch.Size) and all(map(is_int, value))


def _part(value: Any) -> InputPart:
    if isinstance(value, torch.Tensor) and value.ndim:
        dtype = str(value.dtype).removeprefix("torch.")
        if dtype in _DTYPES and all(value.shape[1:]):
            return InputPart(tuple(value.shape[1:]), _FLOAT if dtype == "float32" else dtype)
    if isinstance(value, InputPart):
        return value
    if isinstance(value, str):
        spec = _read_text(value)
        if spec.single:
            return spec.parts[0]
    elif _is_size(value) and all(size > 0 for size in value):
        if math.prod(value) <= MAX_PIXELS:
            return InputPart(tuple(value))
        raise ValueError(
            f"`inputs` must have at most {MAX_PIXELS} numbers each, but got {shown(value)}."
        )
    raise _unreadable(value)


def _read_text(text: str) -> InputSpec:
    words = [word.strip() for word in text.split(",")]
    found = [_PART.fullmatch(word) for word in words[:_MAX_PARTS]]
    names = tuple(match["name"] for match in found if match and match["name"])
    all_or_none = len(names) in (0, len(words)) and len({*names}) == len(names)
    if not all_or_none or not all(match and _known(match["dtype"]) for match in found):
        raise _unreadable(text)
    parts = tuple(
        dataclasses.replace(_part(_size(match["size"])), dtype=match["dtype"] or _FLOAT)
        for match in found
        if match
    )
    return InputSpec(parts, names, single=len(words) == 1 and not names)


def _known(dtype: str | None) -> bool:
    return dtype is None or dtype in _DTYPES or dtype == _FLOAT


def _size(text: str) -> tuple[int, ...]:
    if text == "scalar":
        return ()
    return tuple(int(number) if len(number) < 20 else MAX_PIXELS + 1 for number in text.split("x"))


def _unreadable(inputs: Any) -> ValueError:
    return ValueError(
        "`inputs` must be a size such as (3, 32, 32), a text such as '24x2', '32:int64' or "
        "'image=1x64x48,table=5', an example batch, or a tuple or dict of these, but got "
        f"{shown(inputs)}."
    )
