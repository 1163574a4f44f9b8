"""Data of one's own: tensors, by the least that :class:`Data` asks for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import torch

from optuna_nas.training import Data


@dataclasses.dataclass(frozen=True)
class Rows:
    """A split of tensors."""

    inputs: Any
    targets: torch.Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def batches(self, indices: Iterable[torch.Tensor]) -> Iterator[tuple[Any, torch.Tensor]]:
        for chosen in indices:
            yield self._part(chosen), self.targets[chosen]

    def take(self, indices: torch.Tensor) -> Rows:
        return Rows(self._part(indices), self.targets[indices])

    def to(self, device: object) -> Rows:
        return self

    def _part(self, indices: torch.Tensor) -> Any:
        if isinstance(self.inputs, dict):
            return {name: part[indices] for name, part in self.inputs.items()}
        if isinstance(self.inputs, tuple):
            return tuple(part[indices] for part in self.inputs)
        return self.inputs[indices]


class OwnData(Data):
    """Three splits of the same tensors, in order.

    Args:
        inputs: A tensor (N, ...), or a tuple or dict of them.
        targets: (N, ...).
    """

    name = "own"

    def __init__(self, inputs: Any, targets: torch.Tensor) -> None:
        whole = Rows(inputs, targets)
        order = torch.arange(len(targets))
        self.train, self.val = whole.take(order[::2]), whole.take(order[1::2])
        self.test = whole.take(order[:0])

    @property
    def identity(self) -> dict[str, Any]:
        return {"name": self.name, "train_size": len(self.train), "val_size": len(self.val)}
