"""Times a forward pass: on the CPU by ``torch.utils.benchmark``, on CUDA between two events.

With one thread of the CPU the clock is the thread's own, which stands still while other work
pushes it aside. On an idle machine that is the time on the wall; on a busy one it stays what it
was, where the median on the wall grew to three times as much (8 processes on 2 cores).
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from optuna_nas._ground.inputs import Inputs, call, parts_of

if TYPE_CHECKING:
    from torch.utils.benchmark import Timer

__all__ = ["Block", "Timed", "time_between_events", "time_forward"]

Block = tuple[float, int]
"""Milliseconds per run, number of runs."""

_WARM_UP_RUNS = 3
_MIN_BLOCKS = 5


@dataclasses.dataclass(frozen=True)
class Timed:
    """Timed blocks, and whose clock it was.

    Attributes:
        blocks: At least five.
        clock: "thread", "wall" or "device".
    """

    blocks: list[Block]
    clock: str


def time_forward(model: nn.Module, inputs: Inputs, *, threads: int, min_run_time: float) -> Timed:
    """Time a network after a warm-up; call it without gradients.

    Args:
        model: In eval mode, on the inputs' device.
        inputs: A batch.
        threads: Threads of the CPU.
        min_run_time: Seconds of timed work.
    """
    device = parts_of(inputs)[0].device
    if device.type == "cuda":
        with torch.cuda.device(device):
            blocks = time_between_events(lambda: call(model, inputs), _cuda_event, min_run_time)
        return Timed(blocks, "device")
    if device.type == "cpu" and threads == 1:
        blocks = _time_blocks(model, inputs, threads, min_run_time, timer=time.thread_time)
        return Timed(blocks, "thread")
    return Timed(_time_blocks(model, inputs, threads, min_run_time), "wall")


def time_between_events(
    run: Callable[[], object], make_event: Callable[[], Any], min_run_time: float
) -> list[Block]:
    """Time single runs on the device's own clock.

    Args:
        run: The forward pass.
        make_event: Makes a mark on that clock, such as ``torch.cuda.Event``.
        min_run_time: Seconds between the marks of all runs together.
    """
    for _ in range(_WARM_UP_RUNS):
        run()
    blocks: list[Block] = []
    total = 0.0
    while total < 1e3 * min_run_time or len(blocks) < _MIN_BLOCKS:
        start, end = make_event(), make_event()
        start.record()
        run()
        end.record()
        end.synchronize()
        blocks.append((start.elapsed_time(end), 1))
        total += blocks[-1][0]
    return blocks


def _cuda_event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def _time_blocks(
    model: nn.Module, inputs: Inputs, threads: int, min_run_time: float, **clock: Any
) -> list[Block]:
    """Time blocks of runs on a fixed number of threads.

    Torch chooses blocks so long that a slow network fills the time with one of them, whose
    spread is unknown: then more and shorter ones follow.
    """
    stars = "" if isinstance(inputs, torch.Tensor) else "*" if isinstance(inputs, tuple) else "**"
    timer = _timer_class()(
        f"model({stars}inputs)",
        globals={"model": model, "inputs": inputs},
        num_threads=threads,
        **clock,
    )
    timer.timeit(_WARM_UP_RUNS)
    measured = timer.blocked_autorange(min_run_time=min_run_time)
    blocks = [(1e3 * seconds, measured.number_per_run) for seconds in measured.times]
    shorter = max(1, measured.number_per_run // _MIN_BLOCKS)
    while len(blocks) < _MIN_BLOCKS:
        blocks.append((1e3 * timer.timeit(shorter).median, shorter))
    return blocks


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
