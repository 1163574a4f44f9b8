"""Each mixing is what its paper says; the papers are named in the variants' files."""

from __future__ import annotations

import math

import pytest
import torch

from optuna_nas.objectives import DirichletMixing, GumbelMixing, SigmoidMixing, SoftmaxMixing
from optuna_nas.spaces.base import AlphaLayout

ALPHA = torch.tensor([0.3, -1.0, 0.0, 2.0])


def test_softmax():
    torch.testing.assert_close(SoftmaxMixing().sample(ALPHA, 0.5), ALPHA.softmax(0))
    layout = AlphaLayout(choices={"a": ("none", "b", "c", "d")})
    assert SoftmaxMixing().penalty({"a": ALPHA}, layout) is None
    assert SoftmaxMixing().to_dict() == {"mixing": "Softmax"}


def test_a_gumbel_sample_is_one_choice_with_soft_gradients():
    torch.manual_seed(0)
    mixing, counts = GumbelMixing(), torch.zeros(4)
    for _ in range(4000):
        draw = mixing.sample(ALPHA, 0.0)
        assert sorted(draw.tolist()) == [0.0, 0.0, 0.0, 1.0]
        counts += draw
    # Whatever the temperature, a choice is sampled with its softmax.
    torch.testing.assert_close(counts / 4000, ALPHA.softmax(0), rtol=0, atol=0.03)
    alpha = ALPHA.clone().requires_grad_()
    (mixing.sample(alpha, 0.0) * torch.arange(4.0)).sum().backward()
    assert (alpha.grad != 0).all()


def test_the_gradient_of_a_gumbel_sample_is_that_of_the_soft_one():
    alpha = ALPHA.double().requires_grad_()
    torch.manual_seed(3)
    (mixed,) = torch.autograd.grad(GumbelMixing().sample(alpha, 0.5)[1], alpha)
    torch.manual_seed(3)
    noise = -torch.empty_like(alpha).exponential_().log()
    soft = ((alpha.log_softmax(0) + noise) / GumbelMixing().tau(0.5)).softmax(0)
    (expected,) = torch.autograd.grad(soft[1], alpha)
    torch.testing.assert_close(mixed, expected)


def test_the_temperature_falls_in_a_line():
    mixing = GumbelMixing()
    assert [mixing.tau(p) for p in (0.0, 0.5, 1.0)] == pytest.approx([10.0, 5.05, 0.1])
    assert mixing.mean(ALPHA).tolist() == [0.0, 0.0, 0.0, 1.0]
    with pytest.raises(ValueError, match="`tau_start` and `tau_end` must be more than 0"):
        GumbelMixing(tau_end=0.0)


def test_sigmoids_do_not_compete():
    alpha = ALPHA.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(SigmoidMixing().sample(alpha, 0.0)[2], alpha)
    assert gradient.nonzero().flatten().tolist() == [2]
    assert SoftmaxMixing().mean(ALPHA).sum() == pytest.approx(1.0)
    assert SigmoidMixing().mean(torch.full((4,), 9.0)).sum() > 3.9


def test_the_zero_one_loss():
    """0 where all sigmoids are 1/2, -w / 4 where they are 0 or 1; `none` does not count."""
    layout = AlphaLayout(choices={"a": ("none", "b", "c"), "b": ("d", "e")})
    flat = {"a": torch.tensor([50.0, 0.0, 0.0]), "b": torch.zeros(2)}
    assert float(SigmoidMixing().penalty(flat, layout)) == 0.0
    sure = {"a": torch.tensor([0.0, 50.0, -50.0]), "b": torch.tensor([-50.0, 50.0])}
    assert float(SigmoidMixing(zero_one=8.0).penalty(sure, layout)) == pytest.approx(-2.0)


def test_dirichlet_is_uniform_over_the_simplex_at_zero():
    mixing, zeros = DirichletMixing(), torch.zeros(3)
    assert mixing.concentration(zeros).tolist() == [1.0, 1.0, 1.0]
    assert mixing.concentration(torch.tensor(-3.0)) == pytest.approx(math.exp(-3.0))
    torch.manual_seed(0)
    draws = torch.stack([mixing.sample(zeros, 0.0) for _ in range(3000)])
    torch.testing.assert_close(draws.sum(1), torch.ones(3000))
    # The first two moments of the uniform distribution: 1/3 and 1/18.
    torch.testing.assert_close(draws.mean(0), torch.full((3,), 1 / 3), rtol=0, atol=0.02)
    torch.testing.assert_close(draws.var(0), torch.full((3,), 1 / 18), rtol=0, atol=0.006)


def test_dirichlet_has_pathwise_gradients():
    alpha = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(0)
    values = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    gradients = torch.stack(
        [
            torch.autograd.grad(DirichletMixing().sample(alpha, 0.0) @ values, alpha)[0]
            for _ in range(4000)
        ]
    )
    # The mean is c_i / sum(c), whose slopes at c = 1 are 2/9 and -1/9.
    expected = torch.tensor([2 / 9, -1 / 9, -1 / 9], dtype=torch.float64)
    torch.testing.assert_close(gradients.mean(0), expected, rtol=0, atol=0.02)


def test_the_divergence_from_uniform():
    alphas = {"a": torch.zeros(3), "b": torch.tensor([1.0, 0.0, 0.0])}
    layout = AlphaLayout(choices={"a": (1, 2, 3), "b": (1, 2, 3)})
    assert DirichletMixing().penalty(alphas, layout) is None
    assert float(DirichletMixing(kl=2.0).penalty({"a": alphas["a"]}, layout)) == pytest.approx(0.0)
    assert float(DirichletMixing(kl=2.0).penalty(alphas, layout)) > 0.01
