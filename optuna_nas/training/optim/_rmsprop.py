"""RMSProp as TensorFlow has it, which the mobile and NASNet papers trained with.

References:
    Tieleman and Hinton, Lecture 6.5 of Neural Networks for Machine Learning, 2012.

Differences from ``torch.optim.RMSprop``:
    1. Epsilon stands under the root, not beside it: g / sqrt(v + eps) instead of
       g / (sqrt(v) + eps). With the epsilon of 1.0 of NASNet the steps are another size.
    2. The mean square begins at 1, not at 0, so the first steps are small instead of large.
    3. The learning rate multiplies a gradient as it enters the momentum, so a change of the rate
       does not act on steps that are already in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["TensorFlowRMSProp"]


class TensorFlowRMSProp(torch.optim.Optimizer):
    """RMSProp of ``tf.compat.v1.train.RMSPropOptimizer``.

    Args:
        params: Parameters to optimise.
        lr: Learning rate.
        decay: Share of the mean square that is kept, in [0, 1).
        momentum: In [0, 1).
        eps: Added to the mean square under the root.
        weight_decay: L2 penalty, added to the gradient.
    """

    def __init__(
        self,
        params: Iterable[torch.Tensor],
        lr: float,
        *,
        decay: float = 0.9,
        momentum: float = 0.9,
        eps: float = 1e-3,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "decay": decay,
            "momentum": momentum,
            "eps": eps,
            "weight_decay": weight_decay,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if weights:
                self._update(weights, group)
        return loss

    def _update(self, weights: list[torch.Tensor], group: dict[str, Any]) -> None:
        states = [self._state_of(weight) for weight in weights]
        squares = [state["mean_square"] for state in states]
        moments = [state["momentum"] for state in states]
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        gradients = list(torch._foreach_add(gradients, weights, alpha=group["weight_decay"]))
        # v = decay * v + (1 - decay) * g^2
        torch._foreach_mul_(squares, group["decay"])
        torch._foreach_addcmul_(squares, gradients, gradients, value=1 - group["decay"])
        # m = momentum * m + lr * g / sqrt(v + eps);  w = w - m
        roots = torch._foreach_add(squares, group["eps"])
        torch._foreach_sqrt_(roots)
        torch._foreach_mul_(moments, group["momentum"])
        torch._foreach_addcdiv_(moments, gradients, roots, value=group["lr"])
        torch._foreach_sub_(weights, moments)

    def _state_of(self, weight: torch.Tensor) -> dict[str, torch.Tensor]:
        state: dict[str, torch.Tensor] = self.state[weight]
        if not state:
            state["mean_square"] = torch.ones_like(weight)
            state["momentum"] = torch.zeros_like(weight)
        return state
