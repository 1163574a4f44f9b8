"""Several processes that train one network, one per GPU, as ``torchrun`` starts them.

Outside of ``torchrun`` all of this is the one process that there is.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from typing import TypeVar

import torch
from torch import distributed as dist
from torch import nn

__all__ = [
    "Processes",
    "copy_buffers",
    "distributed",
    "processes",
    "share",
    "sum_over_processes",
    "together",
]

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Processes:
    """This process among those that train together.

    Attributes:
        rank: 0, 1, ...; the process with rank 0 talks to the study.
        count: How many there are.
    """

    rank: int = 0
    count: int = 1

    def own(self, purpose: str) -> str:
        """Name a random stream of this process; the first one's is called as if it were alone."""
        return purpose if self.rank == 0 else f"{purpose} of process {self.rank}"


@contextlib.contextmanager
def distributed() -> Iterator[Processes]:
    """Join the processes that ``torchrun`` has started, for the block.

    :func:`fit` then trains one network with all of them. Each process sees its own GPU as
    "cuda" (NCCL), or they share the CPU (gloo).

    Example:
        >>> from optuna_nas.training import distributed
        >>> with distributed() as processes:  # without torchrun: this process alone
        ...     print(processes.count)
        1

    Yields:
        This process among them.
    """
    if not dist.is_torchelastic_launched() or dist.is_initialized():
        yield processes()
        return
    local_rank = int(os.environ["LOCAL_RANK"])
    if torch.cuda.device_count() > local_rank:
        torch.cuda.set_device(local_rank)
        dist.init_process_group("nccl", device_id=torch.device("cuda", local_rank))
    else:
        dist.init_process_group("gloo")
    try:
        yield processes()
        dist.barrier()  # a process that leaves earlier can take the others' connections with it
    finally:
        dist.destroy_process_group()


def processes() -> Processes:
    """Return this process among those that train together."""
    if not (dist.is_available() and dist.is_initialized()):
        return Processes()
    return Processes(dist.get_rank(), dist.get_world_size())


def share(value: T) -> T:
    """Return the value of the process with rank 0 in all processes.

    Args:
        value: Anything that can be pickled; only that of rank 0 counts.
    """
    if processes().count == 1:
        return value
    values = [value]
    dist.broadcast_object_list(values, src=0)
    return values[0]


def sum_over_processes(values: torch.Tensor) -> torch.Tensor:
    """Return the sum of a tensor over all processes."""
    if processes().count > 1:
        dist.all_reduce(values)
    return values


def copy_buffers(model: nn.Module) -> None:
    """Give all processes the buffers of the one with rank 0, such as batch norm's statistics."""
    if processes().count > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, src=0)


def together(model: nn.Module, device: torch.device) -> nn.Module:
    """Return the network with gradients that are averaged over all processes.

    Parts of a network that its architecture does not use have no gradient, so they are looked for.
    """
    if processes().count == 1:
        return model
    ids = None if device.type == "cpu" else [torch.cuda.current_device()]
    return nn.parallel.DistributedDataParallel(model, device_ids=ids, find_unused_parameters=True)
