"""Outputs and targets of every usual task, and networks that give them."""

from __future__ import annotations

from typing import Any

import torch
from own_data import OwnData
from torch import nn

from optuna_nas.training import Task, evaluate

N = 60


def noise(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


def integers(high: int, *size: int) -> torch.Tensor:
    return torch.randint(0, high, size, generator=torch.Generator().manual_seed(1))


class KnownOutputs(nn.Module):
    """A network that returns its inputs, which are the outputs that a test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.scale


def evaluated(
    task: Task, outputs: torch.Tensor, targets: torch.Tensor, batch_size: int = 7
) -> Any:
    data = OwnData(outputs, targets)
    return evaluate(KnownOutputs(), data.val, data, task=task, device="cpu", batch_size=batch_size)


def largest_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (outputs - targets).abs().max()


LOGITS, LABELS = noise(N, 4), integers(4, N)
MANY = (noise(N, 3, seed=2) > 0).long()
NUMBERS = noise(N, seed=3) * 5 + 100
PICTURES, MASKS = noise(N, 3, 5, 4), integers(3, N, 5, 4)
TEXTS, NEXT = noise(N, 6, 9), integers(9, N, 6)
GUESSES = NUMBERS + noise(N, seed=4)
