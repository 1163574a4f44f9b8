"""How latency is measured in a search: one setting for all networks of a study."""

from __future__ import annotations

import dataclasses
import platform
from typing import Any

import torch
from torch import nn

from optuna_nas._ground.bounds import MAX_BATCH
from optuna_nas._ground.checks import require_int
from optuna_nas._ground.device import resolve_device
from optuna_nas._ground.inputs import InputSpec
from optuna_nas.profiling._latency import Latency, check_timing, measure_latency

__all__ = ["LatencyMeter"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatencyMeter:
    """The settings of :func:`measure_latency` as a value that a study can keep.

    Example:
        >>> from torch import nn
        >>> from optuna_nas.profiling import LatencyMeter
        >>> meter = LatencyMeter(batch_size=8, threads=1, min_run_time=0.01)
        >>> meter(nn.Conv2d(3, 8, 3), (3, 32, 32)).batch_size
        8

    Attributes:
        batch_size: Examples in a batch; papers measure single ones.
        device: Where to run; "auto" takes CUDA, else MPS, else the CPU.
        threads: Threads of the CPU.
        min_run_time: Seconds of timed work.
        fold: Fold batch norms into convolutions.
        channels_last: Use that memory layout.
    """

    batch_size: int = 1
    device: str = "auto"
    threads: int = 1
    min_run_time: float = 0.2
    fold: bool = True
    channels_last: bool = True

    def __post_init__(self) -> None:
        require_int("batch_size", self.batch_size, at_most=MAX_BATCH)
        check_timing(self.threads, self.min_run_time)

    def __call__(self, model: nn.Module, input_size: Any = None, *, inputs: Any = None) -> Latency:
        """Measure a network; see :func:`measure_latency`."""
        if isinstance(input_size, InputSpec):
            input_size, inputs = None, input_size
        return measure_latency(model, input_size, inputs=inputs, **dataclasses.asdict(self))

    @property
    def identity(self) -> dict[str, Any]:
        """Settings that a figure depends on beside network and machine, ready for JSON."""
        identity = dataclasses.asdict(self)
        del identity["min_run_time"]
        return identity

    @property
    def machine(self) -> str:
        """Where figures can be compared: the kind of the GPU, or this very machine's CPU."""
        device = resolve_device(self.device)
        if device.type == "cuda":
            return torch.cuda.get_device_name(device)
        return f"{device.type} of {platform.node()}"
