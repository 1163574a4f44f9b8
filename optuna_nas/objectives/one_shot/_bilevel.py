"""Gradients of the validation loss with respect to alpha, where the weights follow alpha.

Legend: ``w`` weights, ``a`` alphas, ``b`` momentum buffers, ``m`` momentum, ``xi`` learning rate
of ``w``, ``v`` gradient of the validation loss with respect to the weights one step ahead.

References:
    [Liu2019] Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019.
    arXiv:1806.09055.

Differences from the released code:
    1. The weights are moved and put back, instead of a second model being built.
    2. The product of Hessian and ``v`` can also be had exactly, by differentiating twice. Where
       the network has ReLU and max pooling, the two differ much (see the guide).
    3. The step ahead may have Nesterov's momentum.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch

__all__ = ["Gradients", "Loss", "SGDStep", "Tensors", "first_order", "requiring", "second_order"]

Tensors: TypeAlias = Sequence[torch.Tensor]
Gradients: TypeAlias = list[torch.Tensor]
Loss: TypeAlias = Callable[[], torch.Tensor]  # computes the loss at the present w and a

STEP = 0.01  # of the finite difference, over the norm of v


@dataclass(frozen=True)
class SGDStep:
    """The step of SGD that the weights are about to take.

    Attributes:
        lr: ``xi``.
        momentum: ``m``.
        nesterov: Whether it is Nesterov's.
        weight_decay: Times ``w``, added to the gradient.
        buffers: ``b``, one for each weight; None before the first step.
    """

    lr: float
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    buffers: Tensors | None = None

    @classmethod
    def of(cls, optimizer: torch.optim.SGD, weights: Tensors, lr: float) -> SGDStep:
        """Read an optimizer of one group, without changing it."""
        (group,) = optimizer.param_groups
        states = [optimizer.state.get(weight, {}) for weight in weights]
        buffers = [state.get("momentum_buffer") for state in states]
        return cls(
            lr,
            group["momentum"],
            group["nesterov"],
            group["weight_decay"],
            None if any(buffer is None for buffer in buffers) else buffers,
        )

    @property
    def share(self) -> float:
        """Distance that the weights go with the gradient, in units of ``xi``."""
        return 1.0 + self.momentum if self.nesterov else 1.0

    def direction(self, weights: Tensors, gradients: Gradients) -> Gradients:
        """Return ``m b + dL + wd w``, which times ``xi`` is subtracted from the weights."""
        # As torch.optim.SGD does it: decay first, then momentum; Nesterov's step looks ahead by m
        # times the new buffer. Before the first step the buffer is the gradient itself.
        ahead = _added(gradients, weights, self.weight_decay)
        if self.buffers is None:
            return [(1.0 + self.momentum) * d for d in ahead] if self.nesterov else ahead
        moved = _added(ahead, self.buffers, self.momentum)
        return _added(ahead, moved, self.momentum) if self.nesterov else moved


def first_order(weights: Tensors, alphas: Tensors, val_loss: Loss) -> Gradients:
    """Take the weights as they are: the gradient of ``val_loss`` with respect to ``a``."""
    return _gradients(val_loss, alphas, off=weights)


def second_order(
    weights: Tensors,
    alphas: Tensors,
    train_loss: Loss,
    val_loss: Loss,
    step: SGDStep,
    *,
    exact: bool = False,
) -> Gradients:
    """Take the weights one step ahead: the gradient of ``val_loss(w'(a), a)`` with respect to a.

    The weights are afterwards what they were before.

    Args:
        weights: ``w``, leaf tensors.
        alphas: ``a``, leaf tensors.
        train_loss: By which the weights learn.
        val_loss: By which alpha learns.
        step: From ``w`` to ``w'``.
        exact: Differentiate twice instead of taking a finite difference.

    Returns:
        One gradient for each alpha.
    """
    # w' is made in place of w, and w put back: one model, and no second set of batch norms whose
    # statistics would have to agree.
    kept = [weight.detach().clone() for weight in weights]
    ahead = step.direction(kept, _gradients(train_loss, weights, off=alphas))
    _set(weights, _added(kept, ahead, -step.lr))  # w'
    # One backward pass at w' gives both terms of eq. 7: the direct one, and v for the product.
    both = _gradients(val_loss, [*weights, *alphas])
    v, direct = both[: len(weights)], both[len(weights) :]
    _set(weights, kept)
    if exact:
        implicit = _exact_product(weights, alphas, train_loss, v)
    else:
        implicit = _finite_difference(weights, alphas, train_loss, v, kept)
    return _added(direct, implicit, -step.lr * step.share)  # eq. 7 of [Liu2019]


def _finite_difference(
    weights: Tensors, alphas: Tensors, train_loss: Loss, v: Gradients, kept: Tensors
) -> Gradients:
    """The derivative of ``dL_train/da`` along ``v``, from its values on both sides of ``w``."""
    # The step along v is STEP long whatever the size of v: a derivative in a direction is linear
    # in v, and dividing by 2 eps gives its length back.
    norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(v)))
    if norm == 0.0:
        return [torch.zeros_like(alpha) for alpha in alphas]
    eps = STEP / float(norm)
    sides = []
    for sign in (1.0, -1.0):
        _set(weights, _added(kept, v, sign * eps))
        sides.append(_gradients(train_loss, alphas, off=weights))
    _set(weights, kept)
    plus, minus = sides
    return [(p - m) / (2.0 * eps) for p, m in zip(plus, minus, strict=True)]  # eq. 8


def _exact_product(weights: Tensors, alphas: Tensors, train_loss: Loss, v: Gradients) -> Gradients:
    """The derivative of ``dL_train/da`` along ``v``: that of ``dL_train/dw . v`` for ``a``."""
    # d/da (dL/dw . v) is the mixed second derivative times v, without a matrix of both sizes.
    with requiring([*weights, *alphas], True):
        slopes = torch.autograd.grad(
            train_loss(), weights, create_graph=True, materialize_grads=True
        )
        along = torch.stack([(g * d).sum() for g, d in zip(slopes, v, strict=True)]).sum()
        return list(torch.autograd.grad(along, alphas, materialize_grads=True))


def _gradients(loss: Loss, on: Tensors, off: Tensors = ()) -> Gradients:
    """Differentiate for some of the leaves, so that nothing is kept for the others."""
    # Leaves that need no gradient keep no activations, which saves memory in the first order.
    with requiring(on, True), requiring(off, False):
        return list(torch.autograd.grad(loss(), on, materialize_grads=True))


@contextlib.contextmanager
def requiring(tensors: Tensors, required: bool) -> Iterator[None]:
    """Let gradients be computed for these leaves, or not, within the block."""
    before = [tensor.requires_grad for tensor in tensors]
    for tensor in tensors:
        tensor.requires_grad_(required)
    try:
        yield
    finally:
        for tensor, was in zip(tensors, before, strict=True):
            tensor.requires_grad_(was)


def _added(tensors: Tensors, others: Tensors, factor: float) -> Gradients:
    return list(torch._foreach_add(list(tensors), list(others), alpha=factor))


def _set(weights: Tensors, values: Tensors) -> None:
    with torch.no_grad():
        torch._foreach_copy_(list(weights), list(values))
