"""How sharp the validation loss is in alpha: what tells early that DARTS collapses.

References:
    [Zela2020] Zela et al. Understanding and Robustifying Differentiable Architecture Search.
    ICLR 2020. arXiv:1909.09656.

Differences from the released code:
    1. The largest eigenvalue comes from Lanczos iterations on products of Hessian and vector
       (scipy), instead of from the whole Hessian.
    2. Batch norms use running statistics, so that they are not changed by looking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from optuna_nas._checks import is_number, require_int, shown
from optuna_nas.objectives.one_shot._bilevel import Tensors

__all__ = ["EigenvalueStop", "largest_eigenvalue"]

TOLERANCE = 0.01  # relative, of the eigenvalue


@dataclass(frozen=True, kw_only=True)
class EigenvalueStop:
    """DARTS-ES: ends a search when the eigenvalue has risen, and goes back to before that.

    Args:
        window: Epochs of which the local average is taken, at least 1.
        lag: How many epochs earlier it is compared with, at least 1.
        ratio: By how much it may grow, more than 0.
        from_epoch: The first epoch, from 0 as in the released code, that may be returned.

    Raises:
        ValueError: If a number is out of range.
    """

    window: int = 5
    lag: int = 4
    ratio: float = 1.3
    from_epoch: int = 10

    def __post_init__(self) -> None:
        for name in ("window", "lag"):
            require_int(name, getattr(self, name))
        require_int("from_epoch", self.from_epoch, at_least=0)
        if not is_number(self.ratio) or self.ratio <= 0:
            raise ValueError(f"`ratio` must be more than 0, but got ratio={shown(self.ratio)}.")

    def stops_at(self, eigenvalues: Sequence[float]) -> int | None:
        """Return the number, from 1, of the epoch to go back to, or None to go on.

        Args:
            eigenvalues: One for each epoch until now.
        """
        if len(eigenvalues) < self.window + self.lag:
            return None
        means = np.convolve(eigenvalues, np.ones(self.window) / self.window, mode="valid")
        centre = len(eigenvalues) - 1 - self.window // 2  # of the last window, from 0
        before = centre - self.lag
        if before < self.from_epoch or not means[-1] > self.ratio * means[-1 - self.lag]:
            return None
        return before + 1

    def to_dict(self) -> dict[str, Any]:
        """Return the settings for JSON."""
        return asdict(self)


def largest_eigenvalue(loss: torch.Tensor, alphas: Tensors) -> float:
    """Return the largest eigenvalue of the Hessian of a loss with respect to all alphas.

    Args:
        loss: A scalar that can be differentiated twice.
        alphas: Leaf tensors.
    """
    slopes = torch.autograd.grad(loss, alphas, create_graph=True, materialize_grads=True)
    slope = torch.cat([g.flatten() for g in slopes])
    size = len(slope)

    def product(vector: Any) -> Any:
        v = torch.as_tensor(vector, dtype=slope.dtype, device=slope.device).flatten()
        rows = torch.autograd.grad(slope @ v, alphas, retain_graph=True, materialize_grads=True)
        return torch.cat([row.flatten() for row in rows]).double().cpu().numpy()

    operator = LinearOperator((size, size), matvec=product, dtype=np.float64)
    start = np.linspace(1.0, 2.0, size)  # ARPACK's own would be random
    try:
        values = eigsh(
            operator, k=1, which="LA", tol=TOLERANCE, v0=start, return_eigenvectors=False
        )
    except ArpackNoConvergence as e:
        values = e.eigenvalues if len(e.eigenvalues) else [float("nan")]
    return float(values[0])
