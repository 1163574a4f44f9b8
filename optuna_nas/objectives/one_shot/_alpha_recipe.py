"""How alpha learns, as a value.

References:
    Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019. arXiv:1806.09055.
    Xu et al. PC-DARTS. ICLR 2020. arXiv:1907.05737 (``warmup_epochs``).
"""

from __future__ import annotations

import dataclasses
from typing import Any

__all__ = ["AlphaRecipe"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AlphaRecipe:
    """How alpha learns: by Adam, one step before every step of the weights.

    The defaults are those of the released code of DARTS.

    Attributes:
        lr: Learning rate, more than 0.
        betas: Adam's, each in [0, 1).
        weight_decay: L2 penalty on alpha, at least 0.
        warmup_epochs: Epochs in which only the weights learn, at least 0; PC-DARTS takes 15.
        exact: With ``order=2``: differentiate twice instead of taking a finite difference.

    Raises:
        ValueError: If a number is out of range.

    Example::

        from optuna_nas.objectives import AlphaRecipe

        pc_darts = AlphaRecipe(lr=6e-4, warmup_epochs=15)
    """

    lr: float = 3e-4
    betas: tuple[float, float] = (0.5, 0.999)
    weight_decay: float = 1e-3
    warmup_epochs: int = 0
    exact: bool = False

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise ValueError(f"`lr` must be more than 0, but got lr={self.lr}.")
        if not self.weight_decay >= 0:
            raise ValueError(
                f"`weight_decay` must be at least 0, but got weight_decay={self.weight_decay}."
            )
        if len(self.betas) != 2 or not all(0.0 <= beta < 1.0 for beta in self.betas):
            raise ValueError(f"`betas` must be two numbers in [0, 1), but got {self.betas!r}.")
        if not isinstance(self.warmup_epochs, int) or self.warmup_epochs < 0:
            raise ValueError(
                "`warmup_epochs` must be an integer of at least 0, but got "
                f"{self.warmup_epochs!r}."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as a dict for JSON."""
        return {**dataclasses.asdict(self), "betas": list(self.betas)}
