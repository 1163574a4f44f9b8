"""Counts the parameters and multiply-adds of a network.

The multiply-adds come from torch's own ``FlopCounterMode``, which counts convolutions, linear
layers and matrix products and leaves out biases, batch norm, pooling and activations, as the
tables of the field do. Recurrent layers and attention count as the products that they stand for,
also where torch has one kernel for all of it. They agree with counts by hooks.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from torch import nn

from optuna_nas._ground.inputs import InputSpec, examples_of
from optuna_nas.profiling._count import Count

__all__ = ["Profile", "profile"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Profile:
    """The size of a network for one example. Printing it gives a table.

    Attributes:
        params: Trainable numbers. Running statistics of batch norm are not among them.
        macs: Multiply-adds of one example in eval mode.
        inputs: Description of that example.
    """

    params: int
    macs: int
    inputs: InputSpec

    @property
    def input_size(self) -> tuple[int, ...]:
        """Shape of a single input, without the batch."""
        return self.inputs.input_size

    @property
    def flops(self) -> int:
        """Floating point operations: two per multiply-add."""
        return 2 * self.macs

    def __str__(self) -> str:
        rows = [
            ("input" if self.inputs.single else "inputs", self.inputs.words, ""),
            ("parameters", f"{self.params:,}", _scaled(self.params, "M")),
            ("multiply-adds", f"{self.macs:,}", _scaled(self.macs, "G")),
            ("FLOPs", f"{self.flops:,}", _scaled(self.flops, "G")),
        ]
        width = max(len(number) for _, number, _ in rows)
        lines = [f"{name:<14}{number:>{width}}  {scaled}" for name, number, scaled in rows]
        return "\n".join(line.rstrip() for line in lines)


def profile(
    model: nn.Module, input_size: tuple[int, ...] | None = None, *, inputs: Any = None
) -> Profile:
    """Count the trainable parameters of a network and its multiply-adds for one example.

    The model may be on any device; on torch's meta device nothing is computed. Its modes, its
    batch norm statistics and the random state are as before (lazy modules are initialised). Warns
    of layers with weight matrices that count 0, since torch has no formula for their kernels.

    Example:
        >>> from torch import nn
        >>> from optuna_nas.profiling import profile
        >>> print(profile(nn.Conv2d(3, 64, 3, padding=1), (3, 32, 32)))
        input         3 x 32 x 32
        parameters          1,792  0.00179 M
        multiply-adds   1,769,472  0.00177 G
        FLOPs           3,538,944  0.00354 G
        >>> profile(nn.Embedding(100, 8), inputs="32:int64").params
        800

    Args:
        model: A network that takes a batch (B, *input_size), or ``inputs``.
        input_size: Shape of a single input without the batch, such as (channels, height, width).
            Default: (3, 224, 224).
        inputs: Instead of ``input_size``, inputs of any number and type: "24x2", "32:int64",
            "image=1x64x48,table=5", an example batch, or a tuple (positional) or dict (named) of
            sizes, texts and tensors; see :class:`InputSpec`.

    Raises:
        ValueError: If the model cannot take such inputs, or both are given.
    """
    examples = examples_of(input_size, inputs, default=(3, 224, 224))
    count = Count(model, examples)
    params = sum(count.params.values())
    return Profile(params=params, macs=count.total, inputs=examples.spec)


def _scaled(number: int, unit: str) -> str:
    """Return ``number`` in millions (M) or billions (G) with three digits."""
    value = number / {"M": 1e6, "G": 1e9}[unit]
    if value == 0:
        return f"0 {unit}"
    return f"{value:#.3g} {unit}" if value >= 0.0001 else f"<0.0001 {unit}"
