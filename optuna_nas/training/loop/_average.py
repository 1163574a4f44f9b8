"""The moving average of the weights, which is what a recipe with ``ema_decay`` evaluates.

As in TensorFlow, the decay is smaller in the first steps, so that short runs do not end on the
weights they began with; and the statistics of batch norm are averaged too.

References:
    Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

__all__ = ["average_of"]


def average_of(model: nn.Module, decay: float) -> AveragedModel:
    """Return a moving average that begins as the model is now.

    Its ``update_parameters(model)`` is to be called after every step.

    Args:
        model: With all its weights made (lazy modules after a first forward).
        decay: d: step n keeps min(d, (1 + n) / (10 + n)) of the average.
    """

    @torch.no_grad()
    def update(averages: Any, values: Any, updates: torch.Tensor | int) -> None:
        steps = int(updates)
        share = 1 - min(decay, (1 + steps) / (10 + steps))
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, values, share)
        else:  # counters
            torch._foreach_copy_(averages, values)

    return AveragedModel(model, multi_avg_fn=update, use_buffers=True)
