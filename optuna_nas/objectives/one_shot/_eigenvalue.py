"""Sharpness of the validation loss in alpha, which tells early that DARTS collapses.

References:
    [Zela2020] Zela et al. Understanding and Robustifying Differentiable Architecture Search.
    ICLR 2020. arXiv:1909.09656.

Differences from the released code:
    1. The largest eigenvalue comes from Lanczos iterations on products of Hessian and vector
       (scipy), instead of from the whole Hessian.
    2. Batch norms use running statistics, so that they are not changed by looking.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from optuna_nas.objectives.one_shot._bilevel import Tensors

__all__ = ["largest_eigenvalue"]

TOLERANCE = 0.01  # relative, of the eigenvalue


def largest_eigenvalue(loss: torch.Tensor, alphas: Tensors) -> float:
    """Return the largest eigenvalue of the Hessian of a loss with respect to all alphas.

    Args:
        loss: A scalar that can be differentiated twice.
        alphas: Leaf tensors.

    Returns:
        The largest one, not the largest in size; NaN if the iteration does not converge.
    """
    slopes = torch.autograd.grad(loss, alphas, create_graph=True, materialize_grads=True)
    slope = torch.cat([g.flatten() for g in slopes])
    size = len(slope)

    def product(vector: Any) -> Any:
        # H v is the gradient of (dL/da . v): one more backward pass, and no matrix of size
        # squared. The graph is kept, since Lanczos asks for a few dozen products.
        v = torch.as_tensor(vector, dtype=slope.dtype, device=slope.device).flatten()
        rows = torch.autograd.grad(slope @ v, alphas, retain_graph=True, materialize_grads=True)
        return torch.cat([row.flatten() for row in rows]).double().cpu().numpy()

    operator = LinearOperator((size, size), matvec=product, dtype=np.float64)
    # ARPACK's own start vector would be random. This one is not constant: a constant vector would
    # be lost on alphas that only differ, as under a softmax, whose rows sum to nothing in H.
    start = np.linspace(1.0, 2.0, size)
    try:
        values = eigsh(
            operator, k=1, which="LA", tol=TOLERANCE, v0=start, return_eigenvectors=False
        )
    except ArpackNoConvergence as e:
        values = e.eigenvalues if len(e.eigenvalues) else [float("nan")]
    return float(values[0])
