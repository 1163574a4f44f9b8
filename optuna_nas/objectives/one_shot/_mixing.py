"""From alpha to the weights by which a supernet mixes: how DARTS and its remedies differ.

Legend: ``O`` choices of a decision.

References:
    [Liu2019] Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019.
    arXiv:1806.09055.
    [Dong2019] Dong, Yang. Searching for a Robust Neural Architecture in Four GPU Hours (GDAS).
    CVPR 2019. arXiv:1910.04465.
    [Chu2020] Chu et al. Fair DARTS. ECCV 2020. arXiv:1911.12126.
    [Chen2021] Chen et al. DrNAS. ICLR 2021. arXiv:2006.10355.

Differences from the papers:
    1. GDAS's draw is read by the supernet as weights of one and zero: candidates that were not
       drawn are computed too, and alpha's gradient is that of the soft weights for all of them.
    2. FairDARTS keeps the two best edges of a node by their sigmoids, without a threshold of
       0.85, below which a node could end without an edge.
    3. DrNAS's progressive stages are not there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import torch
from torch.nn import functional

from optuna_nas._checks import is_number, require_number, shown

if TYPE_CHECKING:
    from optuna_nas.spaces.base._one_shot import AlphaLayout

__all__ = ["Dirichlet", "HardGumbel", "Mixing", "Sigmoid", "Softmax"]

Rows: TypeAlias = Mapping[str, torch.Tensor]  # (O,) by decision


class Mixing(ABC):
    """How alpha becomes weights."""

    draws: ClassVar[bool] = False
    """Whether weights are drawn anew for every batch."""

    hard: ClassVar[bool] = False
    """Whether ``mean`` gives one choice all of the weight, and so has no gradient in alpha."""

    @abstractmethod
    def mean(self, alpha: torch.Tensor) -> torch.Tensor:
        """Weights ``(O,)`` by which the supernet is judged and an architecture derived."""

    def draw(self, alpha: torch.Tensor, progress: float) -> torch.Tensor:
        """Weights ``(O,)`` for one batch of training.

        Args:
            alpha: ``(O,)``.
            progress: From 0 in the first epoch to 1 in the last one.
        """
        return self.mean(alpha)

    def penalty(self, alphas: Rows, layout: AlphaLayout) -> torch.Tensor | None:
        """What is added to both losses, if anything."""
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return name and settings for JSON."""
        return {"mixing": type(self).__name__, **asdict(self)}  # type: ignore[call-overload]


@dataclass(frozen=True)
class Softmax(Mixing):
    """DARTS: the softmax of alpha [Liu2019]."""

    def mean(self, alpha: torch.Tensor) -> torch.Tensor:
        return alpha.softmax(-1)


@dataclass(frozen=True, kw_only=True)
class HardGumbel(Mixing):
    """GDAS: one choice per batch, drawn by Gumbel noise; gradients are those of the soft draw.

    Args:
        tau_start: Temperature in the first epoch.
        tau_end: Temperature in the last one.

    Raises:
        ValueError: If a temperature is not above 0.
    """

    draws: ClassVar[bool] = True
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
        """The temperature."""
        return self.tau_start + (self.tau_end - self.tau_start) * progress

    def mean(self, alpha: torch.Tensor) -> torch.Tensor:
        return functional.one_hot(alpha.argmax(), len(alpha)).to(alpha)

    def draw(self, alpha: torch.Tensor, progress: float) -> torch.Tensor:
        weights: torch.Tensor = functional.gumbel_softmax(
            alpha.log_softmax(-1), tau=self.tau(progress), hard=True
        )
        return weights


@dataclass(frozen=True, kw_only=True)
class Sigmoid(Mixing):
    """FairDARTS: the sigmoid of each alpha, so that choices do not compete, pushed to 0 or 1.

    The alpha of ``none`` takes no part.

    Args:
        zero_one: Weight of the zero-one loss.
    """

    zero_one: float = 10.0

    def __post_init__(self) -> None:
        require_number("zero_one", self.zero_one, at_least=0)

    def mean(self, alpha: torch.Tensor) -> torch.Tensor:
        return alpha.sigmoid()

    def penalty(self, alphas: Rows, layout: AlphaLayout) -> torch.Tensor:
        something = {
            name: [i for i, choice in enumerate(layout.choices[name]) if choice != layout.nothing]
            for name in alphas
        }
        ops = torch.cat([alpha[something[name]] for name, alpha in alphas.items()])
        return -self.zero_one * (ops.sigmoid() - 0.5).square().mean()  # zero-one loss of [Chu2020]


@dataclass(frozen=True, kw_only=True)
class Dirichlet(Mixing):
    """DrNAS: weights are drawn from a Dirichlet distribution around alpha.

    Args:
        kl: Weight of the divergence from the uniform distribution over the simplex; the released
            code has an L2 penalty instead, which is alpha's weight decay.
    """

    draws: ClassVar[bool] = True
    kl: float = 0.0

    def __post_init__(self) -> None:
        require_number("kl", self.kl, at_least=0)

    def concentration(self, alpha: torch.Tensor) -> torch.Tensor:
        """Of the distribution: 1 where alpha is 0."""
        return functional.elu(alpha) + 1.0

    def mean(self, alpha: torch.Tensor) -> torch.Tensor:
        return torch.distributions.Dirichlet(self.concentration(alpha)).mean

    def draw(self, alpha: torch.Tensor, progress: float) -> torch.Tensor:
        return torch.distributions.Dirichlet(self.concentration(alpha)).rsample()

    def penalty(self, alphas: Rows, layout: AlphaLayout) -> torch.Tensor | None:
        if not self.kl:
            return None
        divergences = []
        for alpha in alphas.values():
            here = torch.distributions.Dirichlet(self.concentration(alpha))
            flat = torch.distributions.Dirichlet(torch.ones_like(alpha))
            divergences.append(torch.distributions.kl_divergence(here, flat))
        return self.kl * torch.stack(divergences).mean()
