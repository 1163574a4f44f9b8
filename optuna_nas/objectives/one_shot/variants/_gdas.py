"""GDAS: one choice per batch.

Legend: ``O`` choices of a decision.

References:
    [Dong2019] Dong, Yang. Searching for a Robust Neural Architecture in Four GPU Hours (GDAS).
    CVPR 2019. arXiv:1910.04465.

Differences from the paper:
    1. The sampled choice is read by the supernet as weights of one and zero: candidates that were
       not sampled are computed too, and alpha's gradient is that of the soft weights for all of
       them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from torch.nn import functional

from optuna_nas._ground.checks import is_number, shown
from optuna_nas.objectives.one_shot.variants._mixing import Mixing
from optuna_nas.objectives.one_shot.variants._variant import DARTSVariant

if TYPE_CHECKING:
    import torch

__all__ = ["GDAS", "GumbelMixing"]


@dataclass(frozen=True, kw_only=True)
class GumbelMixing(Mixing):
    """GDAS: one choice per batch, sampled by Gumbel noise [Dong2019].

    Gradients are those of the soft weights.

    Args:
        tau_start: Temperature in the first epoch, above 0. Default: 10.
        tau_end: Temperature in the last epoch, above 0. Default: 0.1.

    Raises:
        ValueError: If a temperature is not above 0.
    """

    name: ClassVar[str] = "HardGumbel"
    samples: ClassVar[bool] = True
    hard: ClassVar[bool] = True
    tau_start: float = 10.0
    tau_end: float = 0.1

    def __post_init__(self) -> None:
        temperatures = (self.tau_start, self.tau_end)
        if not all(is_number(tau) and tau > 0 for tau in temperatures):
            raise ValueError(
                "`tau_start` and `tau_end` must be more than 0, but got "
                f"tau_start={shown(self.tau_start)} and tau_end={shown(self.tau_end)}."
            )

    def tau(self, progress: float) -> float:
        """Return the temperature, which falls in a line.

        Args:
            progress: Progress of the search, in [0, 1].
        """
        return self.tau_start + (self.tau_end - self.tau_start) * progress

    def mean(self, alpha: torch.Tensor) -> torch.Tensor:
        return functional.one_hot(alpha.argmax(), len(alpha)).to(alpha)

    def sample(self, alpha: torch.Tensor, progress: float) -> torch.Tensor:
        # Straight-through: forward is the one-hot vector of the largest noisy logit, backward the
        # gradient of the softmax, so that alphas of choices that were not sampled learn as well.
        # The log-softmax makes the sample independent of a constant added to alpha, as in the
        # released code; it changes neither the distribution nor the gradient.
        weights: torch.Tensor = functional.gumbel_softmax(
            alpha.log_softmax(-1), tau=self.tau(progress), hard=True
        )
        return weights


GDAS = DARTSVariant(name="gdas", mixing=GumbelMixing())
"""The search of [Dong2019]."""
