"""Measures how long a network takes for a batch on this machine.

Timing is that of ``torch.utils.benchmark``: it repeats the forward pass in blocks, waits for
the accelerator, fixes the number of threads, and reports a median.
"""

from __future__ import annotations

import copy
import dataclasses
import logging
import statistics
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch.utils.benchmark import Timer

from optuna_nas._device import resolve_device
from optuna_nas.profiling._forward import evaluating, example_input, run_forward

__all__ = ["Latency", "measure_latency"]

_WARM_UP_RUNS = 3
_MIN_BLOCKS = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Latency:
    """The measured time of one forward pass.

    Attributes:
        median_ms: Median over the timed blocks, in milliseconds per batch.
        iqr_ms: Interquartile range over the timed blocks, in milliseconds per batch.
        runs: Forward passes that were timed.
        batch_size: Images in the batch.
        device: Where it ran, as torch writes it ("cpu", "cuda:0").
        threads: Threads of the CPU that it had.
    """

    median_ms: float
    iqr_ms: float
    runs: int
    batch_size: int
    device: str
    threads: int

    def __str__(self) -> str:
        return (
            f"{self.median_ms:.3g} ms (IQR {self.iqr_ms:.2g} ms, {self.runs} runs, batch "
            f"{self.batch_size}, {self.device}, {self.threads} thread(s))"
        )


def measure_latency(
    model: nn.Module,
    input_size: tuple[int, ...],
    *,
    batch_size: int = 1,
    device: str | torch.device = "auto",
    threads: int = 1,
    min_run_time: float = 0.2,
) -> Latency:
    """Measure the forward pass in inference mode, after a warm-up.

    The model's modes and device stay as they were: on another device a copy is measured. Other
    work on the machine makes the figure larger; compare figures only within one machine.

    Example:
        >>> from torch import nn
        >>> from optuna_nas.profiling import measure_latency
        >>> latency = measure_latency(nn.Conv2d(3, 8, 3), (3, 32, 32), min_run_time=0.01)
        >>> latency.median_ms > 0
        True

    Args:
        model: A network that takes images of shape (batch_size, *input_size).
        input_size: (channels, height, width) of one image.
        batch_size: Images in a batch, at least 1.
        device: Where to run; "auto" takes CUDA, else MPS, else the CPU.
        threads: Threads of the CPU, at least 1.
        min_run_time: Seconds of timed work, more than 0.

    Raises:
        ValueError: If the model cannot take an input of this size, is on the meta device, or an
            option lies outside its range.
    """
    _check_options(threads, min_run_time)
    target = resolve_device(device)
    placed = _placed(model, target)
    with evaluating(placed):
        images = example_input(placed, input_size, batch_size=batch_size).to(target)
        run_forward(placed, images)
        blocks = _time(placed, images, threads, min_run_time)
    median_ms, iqr_ms = _median_and_iqr([1e3 * seconds for seconds, _ in blocks])
    return Latency(
        median_ms=median_ms,
        iqr_ms=iqr_ms,
        runs=sum(runs for _, runs in blocks),
        batch_size=batch_size,
        device=str(images.device),
        threads=threads,
    )


def _check_options(threads: int, min_run_time: float) -> None:
    if threads < 1:
        raise ValueError(f"`threads` must be at least 1, but got threads={threads}.")
    if not min_run_time > 0:
        raise ValueError(
            "`min_run_time` must be a positive number of seconds, but got "
            f"min_run_time={min_run_time}."
        )


def _placed(model: nn.Module, device: torch.device) -> nn.Module:
    """Return the model itself where it is on the device already, else a copy there."""
    tensors = [*model.parameters(), *model.buffers()]
    if any(tensor.is_meta for tensor in tensors):
        raise ValueError(
            f"`model` must have weights, but {type(model).__name__} is on the meta device: build "
            "it on the CPU to measure it, or count it with profile(model)."
        )
    if all(tensor.device.type == device.type for tensor in tensors) and device.index is None:
        return model
    if all(tensor.device == device for tensor in tensors):
        return model
    return copy.deepcopy(model).to(device)


def _timer_class() -> type[Timer]:
    """Import torch's timer without its log line about a missing CUDA runtime."""
    logger = logging.getLogger("torch.utils.cpp_extension")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        from torch.utils.benchmark import Timer
    finally:
        logger.setLevel(level)
    return Timer


def _time(
    model: nn.Module, images: torch.Tensor, threads: int, min_run_time: float
) -> list[tuple[float, int]]:
    """Return (seconds per run, runs) of each timed block.

    Torch chooses blocks so long that a slow network fills the time with one of them, whose
    spread is unknown: then more and shorter ones follow.
    """
    timer = _timer_class()(
        "model(images)", globals={"model": model, "images": images}, num_threads=threads
    )
    with torch.inference_mode():
        timer.timeit(_WARM_UP_RUNS)
        measured = timer.blocked_autorange(min_run_time=min_run_time)
        blocks = [(seconds, measured.number_per_run) for seconds in measured.times]
        shorter = max(1, measured.number_per_run // _MIN_BLOCKS)
        while len(blocks) < _MIN_BLOCKS:
            blocks.append((timer.timeit(shorter).median, shorter))
    return blocks


def _median_and_iqr(numbers: list[float]) -> tuple[float, float]:
    low, median, high = statistics.quantiles(numbers, n=4)
    return median, high - low
