"""FairDARTS: choices do not compete.

References:
    [Chu2020] Chu et al. Fair DARTS. ECCV 2020. arXiv:1911.12126.

Differences from the paper:
    1. The two best edges of a node are kept by their sigmoids, without a threshold of 0.85, below
       which a node could end without an edge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch

from optuna_nas._ground.checks import require_number
from optuna_nas.objectives.one_shot.variants._mixing import Mixing
from optuna_nas.objectives.one_shot.variants._variant import DARTSVariant

if TYPE_CHECKING:
    from optuna_nas.spaces.base import AlphaLayout

__all__ = ["FAIR_DARTS", "SigmoidMixing"]


@dataclass(frozen=True, kw_only=True)
class SigmoidMixing(Mixing):
    """FairDARTS: the sigmoid of each alpha, pushed to 0 or 1 by a penalty [Chu2020].

    The alpha of what gives zeros takes no part in the penalty.

    Args:
        zero_one: Weight of the zero-one loss, at least 0. Default: 10.

    Raises:
        ValueError: If it is below 0.
    """

    name: ClassVar[str] = "Sigmoid"
    zero_one: float = 10.0

    def __post_init__(self) -> None:
        require_number("zero_one", self.zero_one, at_least=0)

    def mean(self, alpha: torch.Tensor) -> torch.Tensor:
        return alpha.sigmoid()

    def penalty(self, alphas: Mapping[str, torch.Tensor], layout: AlphaLayout) -> torch.Tensor:
        something = {
            name: [i for i, choice in enumerate(layout.choices[name]) if choice != layout.nothing]
            for name in alphas
        }
        ops = torch.cat([alpha[something[name]] for name, alpha in alphas.items()])
        # Zero-one loss of [Chu2020]: 0 at a sigmoid of 1/2, lowest at 0 and 1, so that cutting to
        # one operation changes little.
        return -self.zero_one * (ops.sigmoid() - 0.5).square().mean()


FAIR_DARTS = DARTSVariant(name="fair", mixing=SigmoidMixing(), alpha={"lr": 3e-3})
"""The search of [Chu2020]."""
