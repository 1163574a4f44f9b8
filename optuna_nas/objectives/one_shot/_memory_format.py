"""Memory format in which supernets are fast."""

from __future__ import annotations

import torch

__all__ = ["fast_on_cpu"]


def fast_on_cpu(x: torch.Tensor) -> torch.Tensor:
    """Lay a picture out channel by channel on a CPU, where pools and depthwise products gain."""
    if x.device.type == "cpu" and x.ndim == 4:
        return x.contiguous(memory_format=torch.channels_last)
    return x
