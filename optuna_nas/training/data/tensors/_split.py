"""One part of data that lie in memory as tensors.

Letters: ``B`` examples in a batch, ``N`` examples in a split.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator

import torch

from optuna_nas._ground.inputs import Inputs, join, length, map_tensors

__all__ = ["TensorSplit"]


@dataclasses.dataclass(frozen=True, eq=False)
class TensorSplit:
    """Inputs and targets of N examples.

    Attributes:
        inputs: A tensor (N, ...), or a tuple or dict of them.
        target: Likewise.
    """

    inputs: Inputs
    target: Inputs

    def __len__(self) -> int:
        return length(self.inputs)

    @property
    def targets(self) -> torch.Tensor | None:
        """Targets (N, ...), as every split that has them in memory calls them.

        None: They are several.
        """
        return self.target if isinstance(self.target, torch.Tensor) else None

    def batches(self, indices: Iterable[torch.Tensor]) -> Iterator[tuple[Inputs, Inputs]]:
        """Yield inputs and targets of B examples for each tensor of indices (B,)."""
        for chosen in indices:
            part = self.take(chosen)
            yield part.inputs, part.target

    def take(self, indices: torch.Tensor) -> TensorSplit:
        """Return the examples at ``indices``, in that order."""

        def rows(tensor: torch.Tensor) -> torch.Tensor:
            return tensor[indices.to(tensor.device)]

        return TensorSplit(map_tensors(rows, self.inputs), map_tensors(rows, self.target))

    def to(self, device: str | torch.device) -> TensorSplit:
        """Return the split on another device; its tensors as they are where they lie there."""

        def moved(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.to(device)

        return TensorSplit(map_tensors(moved, self.inputs), map_tensors(moved, self.target))

    def joined(self, other: TensorSplit) -> TensorSplit:
        """Return the examples of both, these first."""
        return TensorSplit(join([self.inputs, other.inputs]), join([self.target, other.target]))
