"""Batches to run a network on where no data are at hand: blank, random, or somebody's own.

Letters: ``B`` examples in a batch.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from optuna_nas._ground.bounds import MAX_BATCH, MAX_PIXELS
from optuna_nas._ground.checks import is_int, require_int, shown
from optuna_nas._ground.inputs._inputs import InputPart, Inputs, InputSpec, shapes

__all__ = ["Examples", "examples_of", "home_of"]


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Source of batches of any size for one network.

    Attributes:
        spec: What one example is.
        given: By part, examples that a person gave, (B, ...), which are used in turn; else None.
        high: Bound of the integers in random batches. Index 0 is legal wherever there is any
            index, hence 1 unless the network is known to take more.
    """

    spec: InputSpec
    given: tuple[torch.Tensor | None, ...]
    high: int = 1

    @classmethod
    def of(cls, inputs: Any) -> Examples:
        """Read a description or an example batch; see :meth:`InputSpec.of`.

        Raises:
            ValueError: If it is none, or examples that go together differ in number.
        """
        if isinstance(inputs, Examples):
            return inputs
        spec = InputSpec.of(inputs)
        parts: tuple[Any, ...] = (None,) * len(spec.parts)
        if isinstance(inputs, torch.Tensor):
            parts = (inputs,)
        elif isinstance(inputs, Mapping):
            parts = tuple(inputs.values())
        elif isinstance(inputs, list | tuple) and not spec.single:
            parts = tuple(inputs)
        given = tuple(p.detach() if isinstance(p, torch.Tensor) else None for p in parts)
        tensors = tuple(part for part in given if part is not None)
        lengths = {len(part) for part in tensors}
        if 0 in lengths or len(lengths) > 1:
            raise ValueError(
                "`inputs` must have the same number of examples, at least one, in all tensors, "
                f"but got shapes {shapes(tensors)}."
            )
        return cls(spec, given)

    def batch(self, model: nn.Module, batch_size: int = 1) -> Inputs:
        """Return a batch where the network's weights are, zeros where nothing was given.

        Raises:
            ValueError: If ``batch_size`` is no positive integer.
        """
        require_int("batch_size", batch_size, at_most=MAX_BATCH)
        dtype, device = home_of(model)
        return self.spec.arranged(
            torch.zeros((batch_size, *part.size), dtype=part.type_in(dtype), device=device)
            if given is None
            else _turned(given, 0, batch_size).to(device=device, dtype=part.type_in(dtype))
            for part, given in zip(self.spec.parts, self.given, strict=True)
        )

    def random(self, model: nn.Module, batch_size: int = 1, *, seed: int = 0) -> Inputs:
        """Return a batch of normal numbers and legal integers, always the same one for a seed.

        Examples that were given begin with another one for another seed.
        """
        dtype, device = home_of(model)
        generator = torch.Generator().manual_seed(seed)

        def drawn(part: InputPart, given: torch.Tensor | None) -> torch.Tensor:
            wanted = part.type_in(dtype)
            size = (batch_size, *part.size)
            if given is not None:
                return _turned(given, seed, batch_size).to(device=device, dtype=wanted)
            if wanted.is_floating_point or wanted.is_complex:
                values = torch.randn(size, generator=generator)
            elif wanted == torch.bool or self.high == 1:  # all True may mask everything
                values = torch.zeros(size)
            else:
                values = torch.randint(self.high, size, generator=generator)
            return values.to(device=device, dtype=wanted)

        return self.spec.arranged(map(drawn, self.spec.parts, self.given))


def examples_of(
    input_size: Any, inputs: Any, *, default: tuple[int, ...] | None = None
) -> Examples:
    """Return the examples that two arguments of a public function name.

    Args:
        input_size: Its ``input_size``: positive sizes of a single input, or None.
        inputs: Its ``inputs``: anything that :meth:`Examples.of` takes, or None.
        default: Size where both are None; None: one of the two is required.

    Raises:
        ValueError: If both or none are given, or one is not what it must be.
    """
    if inputs is not None:
        if input_size is not None:
            raise ValueError(
                "`input_size` and `inputs` must not both be given, but got "
                f"input_size={shown(input_size)} beside `inputs`: give the one that fits."
            )
        return Examples.of(inputs)
    size: Any = default if input_size is None else input_size
    is_sizes = isinstance(size, list | tuple) and len(size) > 0
    if not is_sizes or not all(is_int(number) and number > 0 for number in size):
        raise ValueError(
            "`input_size` must be the positive sizes of one example such as (3, 224, 224), but "
            f"got input_size={shown(size)}: for several inputs, integers or example tensors give "
            "`inputs`."
        )
    if math.prod(size) > MAX_PIXELS:
        raise ValueError(
            f"`input_size` must have at most {MAX_PIXELS} numbers, but got "
            f"input_size={shown(size)}."
        )
    return Examples.of(tuple(size))


def home_of(model: nn.Module) -> tuple[torch.dtype, torch.device]:
    """Tell the type and the device of a network's first weights that are no integers."""
    blank = torch.empty(0)  # as whoever asks has set the defaults
    tensors = [*itertools.chain(model.parameters(), model.buffers())]
    floats = (tensor for tensor in tensors if tensor.is_floating_point())
    first = next(floats, None)
    if first is not None:
        return first.dtype, first.device
    return blank.dtype, tensors[0].device if tensors else blank.device


def _turned(given: torch.Tensor, start: int, count: int) -> torch.Tensor:
    """Return so many examples in turn, from one of them on."""
    return given[(torch.arange(count, device=given.device) + start) % len(given)]
