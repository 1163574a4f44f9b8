"""Recipe of alpha: how it learns, as a value.

References:
    Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019. arXiv:1806.09055.
    Xu et al. PC-DARTS. ICLR 2020. arXiv:1907.05737 (``warmup_epochs``).
"""

from __future__ import annotations

import dataclasses
from typing import Any

from optuna_nas._ground.checks import is_number, require_bool, require_int, require_share, shown

__all__ = ["AlphaRecipe"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AlphaRecipe:
    """Recipe of alpha: it learns by Adam, one step before every step of the weights.

    The defaults are those of the released code of DARTS.

    Attributes:
        lr: Learning rate, more than 0.
        betas: Adam's, each in [0, 1).
        weight_decay: L2 penalty on alpha, at least 0.
        warmup_epochs: Epochs in which only the weights learn, at least 0; PC-DARTS takes 15.
        exact: With ``order=2``: differentiate twice instead of taking a finite difference.
        share: Share of the training examples that alpha learns from, in [0, 1); they are the last
            ones.

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
    share: float = 0.5

    def __post_init__(self) -> None:
        if not is_number(self.lr) or self.lr <= 0:
            raise ValueError(f"`lr` must be more than 0, but got lr={shown(self.lr)}.")
        if not is_number(self.weight_decay) or self.weight_decay < 0:
            raise ValueError(
                "`weight_decay` must be at least 0, but got "
                f"weight_decay={shown(self.weight_decay)}."
            )
        betas = self.betas
        are_numbers = isinstance(betas, list | tuple) and all(map(is_number, betas))
        if not are_numbers or len(betas) != 2 or not all(0.0 <= beta < 1.0 for beta in betas):
            raise ValueError(f"`betas` must be two numbers in [0, 1), but got {shown(betas)}.")
        require_int("warmup_epochs", self.warmup_epochs, at_least=0)
        require_bool("exact", self.exact)
        require_share("share", self.share)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as a dict for JSON, but :attr:`share`.

        That stands beside it in what studies keep, as ``alpha_share``.
        """
        settings = {**dataclasses.asdict(self), "betas": list(self.betas)}
        del settings["share"]
        return settings
