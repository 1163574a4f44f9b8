"""DrNAS: mixing weights from a Dirichlet distribution.

References:
    [Chen2021] Chen et al. DrNAS. ICLR 2021. arXiv:2006.10355.

Differences from the paper:
    1. The progressive stages, which prune operations and widen the network, are not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch.nn import functional

from optuna_nas._ground.checks import require_number
from optuna_nas.objectives.one_shot.variants._mixing import Mixing
from optuna_nas.objectives.one_shot.variants._variant import DARTSVariant

if TYPE_CHECKING:
    from optuna_nas.spaces.base import AlphaLayout

__all__ = ["DRNAS", "DirichletMixing"]


@dataclass(frozen=True, kw_only=True)
class DirichletMixing(Mixing):
    """DrNAS: weights are sampled from a Dirichlet distribution around alpha [Chen2021].

    Args:
        kl: Weight of the divergence from the uniform distribution over the simplex, at least 0.
            Default: 0; the released code has an L2 penalty instead, which is alpha's weight decay.

    Raises:
        ValueError: If it is below 0.
    """

    name: ClassVar[str] = "Dirichlet"
    samples: ClassVar[bool] = True
    kl: float = 0.0

    def __post_init__(self) -> None:
        require_number("kl", self.kl, at_least=0)

    def concentration(self, alpha: torch.Tensor) -> torch.Tensor:
        """Return the concentration of the distribution, 1 where alpha is 0.

        Args:
            alpha: Logits of one decision.
        """
        # elu(x) + 1 is positive everywhere, and its slope is 1 at 0: alphas that begin near 0
        # begin as the uniform distribution over the simplex.
        return functional.elu(alpha) + 1.0

    def mean(self, alpha: torch.Tensor) -> torch.Tensor:
        return torch.distributions.Dirichlet(self.concentration(alpha)).mean

    def sample(self, alpha: torch.Tensor, progress: float) -> torch.Tensor:
        # Pathwise: the gradient goes through the sample itself, without a temperature.
        return torch.distributions.Dirichlet(self.concentration(alpha)).rsample()

    def penalty(
        self, alphas: Mapping[str, torch.Tensor], layout: AlphaLayout
    ) -> torch.Tensor | None:
        if not self.kl:
            return None
        divergences = []
        for alpha in alphas.values():
            here = torch.distributions.Dirichlet(self.concentration(alpha))
            flat = torch.distributions.Dirichlet(torch.ones_like(alpha))
            divergences.append(torch.distributions.kl_divergence(here, flat))
        return self.kl * torch.stack(divergences).mean()


DRNAS = DARTSVariant(
    name="drnas", mixing=DirichletMixing(), alpha={"lr": 6e-4, "warmup_epochs": 10}
)
"""The search of [Chen2021], without its progressive stages."""
