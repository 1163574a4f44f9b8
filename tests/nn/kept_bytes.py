"""What a forward pass leaves behind."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile


def kept_bytes(forward: Callable[[], torch.Tensor]) -> int:
    """Bytes that are allocated by a forward pass and not freed as long as its result lives."""
    forward()  # what is made once
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        result = forward()
    del result
    return sum(event.self_cpu_memory_usage for event in profiler.key_averages())
