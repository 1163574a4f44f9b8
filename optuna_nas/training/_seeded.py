"""Random states of torch for a block of code, and streams that are keyed instead of shared.

Every draw of the training loop comes from a stream keyed by (seed, epoch, what for). So no epoch
depends on what ran before it in the process, and a run can go on from any epoch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from optuna_nas._ground.keyed import derived_seed

__all__ = ["keyed_generator", "seeded"]


@contextlib.contextmanager
def seeded(seed: int, *, device: str | torch.device | None = None) -> Iterator[None]:
    """Seed torch for the block; afterwards the random state is what it was before.

    Build a network within it so that its weights follow from the seed alone.

    Example:
        >>> import torch
        >>> from optuna_nas.training import seeded
        >>> with seeded(0):
        ...     first = torch.nn.Linear(2, 2)
        >>> with seeded(0):
        ...     second = torch.nn.Linear(2, 2)
        >>> torch.equal(first.weight, second.weight)
        True

    Args:
        seed: Any integer of at most 64 bits.
        device: A CUDA device whose random state shall be kept too; by default all those that
            the process has in use.
    """
    with torch.random.fork_rng(devices=_cuda_devices(device), device_type="cuda"):
        torch.manual_seed(seed)
        yield


def keyed_generator(seed: int, epoch: int, purpose: str) -> torch.Generator:
    """Return a generator on the CPU, so that all devices draw the same numbers."""
    return torch.Generator().manual_seed(derived_seed(seed, epoch, purpose))


def _cuda_devices(device: str | torch.device | None) -> list[torch.device]:
    if device is not None:
        chosen = torch.device(device)
        return [chosen] if chosen.type == "cuda" else []
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return []
    return [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
