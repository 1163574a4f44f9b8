"""Second-order gradients are those of the unrolled step."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from optuna_nas.objectives.one_shot._bilevel import SGDStep, first_order, second_order


def leaves(*shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def unrolled(weight, alpha, train_loss, val_loss, step):
    """The gradient of the validation loss through the whole step, by autograd alone."""
    w, a = weight.clone().requires_grad_(), alpha.clone().requires_grad_()
    (g,) = torch.autograd.grad(train_loss(w, a), w, create_graph=True)
    ahead = g + step.weight_decay * w
    if step.buffers is not None:
        moved = step.momentum * step.buffers[0] + ahead
    else:
        moved = ahead
    ahead = ahead + step.momentum * moved if step.nesterov else moved
    (gradient,) = torch.autograd.grad(val_loss(w.detach() - step.lr * ahead, a), a)
    return gradient


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("begun", [False, True])
def test_a_bilinear_toy_has_the_exact_unrolled_gradient(exact, nesterov, begun):
    weight, alpha, buffer, target, matrix, slope = leaves(5, 3, 5, 5, (5, 3), 3)

    def train_loss(w, a):
        return w @ matrix @ a

    def val_loss(w, a):
        return 0.5 * (w - target).square().sum() + (slope * a).sum() * w.sum()

    step = SGDStep(0.3, 0.9, nesterov, 0.01, [buffer] if begun else None)
    expected = unrolled(weight, alpha, train_loss, val_loss, step)
    before = weight.clone()
    (found,) = second_order(
        [weight],
        [alpha],
        lambda: train_loss(weight, alpha),
        lambda: val_loss(weight, alpha),
        step,
        exact=exact,
    )
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    (plain,) = first_order([weight], [alpha], lambda: val_loss(weight, alpha))
    torch.testing.assert_close(plain, slope * weight.sum())
    assert not torch.allclose(plain, expected, rtol=0.1)
    assert torch.equal(weight, before)
    assert weight.grad is None
    assert alpha.grad is None
    assert not weight.requires_grad
    assert not alpha.requires_grad


class Smooth(nn.Module):
    """Two mixed layers of smooth operations."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(2, 2, k, padding=k // 2) for k in (1, 3, 5))
        self.alpha = nn.Parameter(1e-3 * torch.randn(4))
        self.head = nn.Linear(2, 3)

    def forward(self, x):
        for _ in range(2):
            weights = self.alpha.softmax(-1)
            x = nn.functional.softplus(x)
            mixed = weights[3] * nn.functional.avg_pool2d(x, 3, 1, 1)
            x = mixed + sum(w * conv(x) for w, conv in zip(weights, self.convs, strict=False))
        return self.head(x.mean((2, 3)))


def test_the_finite_difference_agrees_with_the_exact_product_on_a_smooth_network():
    torch.manual_seed(0)
    network = Smooth().double()
    weights = [p for name, p in network.named_parameters() if name != "alpha"]
    x, y = torch.randn(2, 8, 2, 6, 6).double(), torch.randint(3, (2, 8))

    def loss(half):
        return lambda: nn.functional.cross_entropy(network(x[half]), y[half])

    step = SGDStep(0.5)
    arguments = (weights, [network.alpha], loss(0), loss(1), step)
    (close,), (exact,) = second_order(*arguments), second_order(*arguments, exact=True)
    (first,) = first_order(weights, [network.alpha], loss(1))
    assert (close - exact).norm() / (exact - first).norm() < 1e-3
    assert (exact - first).norm() / exact.norm() > 0.01  # it does matter here

    names = [name for name, _ in network.named_parameters() if name != "alpha"]
    slopes = torch.autograd.grad(loss(0)(), weights, create_graph=True)
    ahead = {n: w - step.lr * g for n, w, g in zip(names, weights, slopes, strict=True)}
    logits = torch.func.functional_call(network, ahead, x[1])
    unrolled_loss = nn.functional.cross_entropy(logits, y[1])
    (autograd,) = torch.autograd.grad(unrolled_loss, network.alpha)
    torch.testing.assert_close(exact, autograd, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("nesterov", [False, True])
def test_the_step_is_that_of_the_optimizer(nesterov):
    weight = nn.Parameter(leaves(4)[0])
    optimizer = torch.optim.SGD(
        [weight], lr=0.1, momentum=0.9, nesterov=nesterov, weight_decay=0.02
    )
    for seed in range(3):
        (gradient,) = leaves(4, seed=seed + 1)
        step = SGDStep.of(optimizer, [weight], 0.1)
        (ahead,) = step.direction([weight.detach()], [gradient])
        expected = weight.detach() - 0.1 * ahead
        weight.grad = gradient
        optimizer.step()
        torch.testing.assert_close(weight.detach(), expected, rtol=1e-12, atol=0)


def test_a_flat_validation_loss_has_no_implicit_part():
    weight, alpha = leaves(3, 3)
    (found,) = second_order(
        [weight],
        [alpha],
        lambda: (weight * alpha).sum(),
        lambda: alpha.sum() + 0.0 * weight.sum(),
        SGDStep(0.1),
    )
    assert torch.equal(found, torch.ones(3, dtype=torch.float64))


def test_nothing_is_kept_for_leaves_that_are_not_differentiated():
    """In the first order no weight needs a gradient, which saves the memory of activations."""
    weight, alpha = leaves(3, 3)
    seen = []

    def val_loss():
        seen.append((weight.requires_grad, alpha.requires_grad))
        return (weight * alpha).sum()

    weight.requires_grad_()
    (gradient,) = first_order([weight], [alpha], val_loss)
    assert torch.equal(gradient, weight)
    assert seen == [(False, True)]
    assert (weight.requires_grad, alpha.requires_grad) == (True, False)
