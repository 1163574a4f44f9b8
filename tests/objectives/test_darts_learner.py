"""Weights and alphas learn in turn: from which images, by which gradients, mixed how."""

from __future__ import annotations

import pytest
import torch
from darts_searches import DATA, SIZE, SPACE, batch, learner, objective, run

from optuna_nas.objectives import (
    DirichletMixing,
    GumbelMixing,
    SigmoidMixing,
)
from optuna_nas.objectives.one_shot import _bilevel as bilevel_module
from optuna_nas.objectives.one_shot._readings import skip_share
from optuna_nas.objectives.one_shot._search import split_for_alpha
from optuna_nas.spaces import DARTSSpace
from optuna_nas.training import Recipe
from optuna_nas.training.data._feed import Batch

pytestmark = pytest.mark.usefixtures("one_thread")


def test_alpha_and_weights_learn_from_their_own_batches():
    ours = learner(lr=0.1)
    supernet = ours.network.supernet
    alphas = [alpha.clone() for alpha in supernet.alphas().values()]
    weights = [weight.clone() for weight in supernet.weights().values()]
    with torch.enable_grad():
        copy = learner().network
        loss = torch.nn.functional.cross_entropy(copy(batch(1).inputs), batch(1).target)
        copied = list(copy.supernet.alphas().values())
        for alpha in copied:
            alpha.requires_grad_(True)
        expected = torch.autograd.grad(
            torch.nn.functional.cross_entropy(copy(batch(1).inputs), batch(1).target), copied
        )
    assert loss.isfinite()
    found = ours.alpha_gradients(batch(0), batch(1), 0.1)
    for gradient, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(gradient, theirs, rtol=1e-4, atol=1e-7)
    assert all(map(torch.equal, weights, supernet.weights().values()))
    ours.step(batch(0), None, 0.1)
    assert all(map(torch.equal, alphas, supernet.alphas().values()))
    assert not all(map(torch.equal, weights, supernet.weights().values()))
    ours.step(batch(0), batch(1), 0.1)
    assert not any(map(torch.equal, alphas, supernet.alphas().values()))
    assert all(alpha.grad is None for alpha in supernet.alphas().values())


def test_the_products_agree_on_a_smooth_supernet(monkeypatch):
    """With average pooling and softplus the finite difference converges to the exact product."""

    def gradient(**options):
        ours = learner(**options)
        ours.network.double()
        for module in list(ours.network.modules()):
            for name, child in module.named_children():
                if isinstance(child, torch.nn.ReLU):
                    setattr(module, name, torch.nn.Softplus())
        batches = [Batch(b.inputs.double(), b.target, b.whole) for b in (batch(0), batch(1))]
        return torch.cat(ours.alpha_gradients(*batches, 0.1))

    first, close, exact = gradient(), gradient(order=2), gradient(order=2, exact=True)
    assert (close - exact).norm() < 2e-3 * (exact - first).norm()
    assert (exact - first).norm() > 0.1 * exact.norm()
    monkeypatch.setattr(bilevel_module, "STEP", bilevel_module.STEP / 2)
    closer = gradient(order=2)
    error = (close - exact).norm() / (closer - exact).norm()
    assert error == pytest.approx(4.0, rel=0.1)  # of the second order in the step


@pytest.mark.parametrize(
    "mixing", [GumbelMixing(), SigmoidMixing(), DirichletMixing(), DirichletMixing(kl=1.0)]
)
def test_every_mixing_searches(mixing):
    ours = learner(mixing=mixing, lr=0.05)
    before = torch.cat([alpha.clone() for alpha in ours.network.supernet.alphas().values()])
    ours.network.train()
    for seed in range(2):
        assert ours.step(batch(seed), batch(seed + 2), 0.1).isfinite()
    ours.take_reading(None)
    reading = ours.readings[-1]
    after = torch.cat(list(ours.network.supernet.alphas().values()))
    assert not torch.equal(before, after)
    weights = {n: mixing.mean(a).tolist() for n, a in ours.network.supernet.alphas().items()}
    assert reading.weights == {n: [round(w, 4) for w in row] for n, row in weights.items()}


def test_evaluating_draws_nothing():
    ours = learner(mixing=GumbelMixing())
    ours.network.eval()
    x = batch(0).inputs
    assert torch.equal(ours.network(x), ours.network(x))
    one = {n: torch.eye(5)[a.argmax()] for n, a in ours.network.supernet.alphas().items()}
    assert torch.equal(ours.network(x), ours.network.supernet(x, mixture=one))


def test_the_share_of_skips_is_that_of_the_worst_cell():
    space = DARTSSpace(num_nodes=2)
    supernet = space.supernet(cells=1, channels=2)
    params = dict(supernet.derive().params)
    params |= {name: "sep_conv_3x3" for name in params if "_op_" in name}
    params |= {name: "skip_connect" for name in params if name.startswith("reduce_2_op")}
    assert skip_share(supernet, space.architecture(params)) == 0.5
    params |= {name: "skip_connect" for name in params if name.startswith("normal_2_op_a")}
    assert skip_share(supernet, space.architecture(params)) == 0.5
    names = list(SPACE.distributions())
    cell = dict.fromkeys(names[:2], "skip_connect") | dict.fromkeys(names[2:], "none")
    assert skip_share(SPACE.supernet(**SIZE), SPACE.architecture(cell)) == pytest.approx(2 / 6)


def test_alpha_learns_from_the_last_images():
    weights, alpha = split_for_alpha(DATA, 0.25)
    assert (len(weights.train), len(alpha.train)) == (48, 16)
    assert torch.equal(weights.train.images, DATA.train.images[:48])
    assert torch.equal(alpha.train.images, DATA.train.images[48:])
    with pytest.raises(ValueError, match="`share` of alpha must leave two training images"):
        split_for_alpha(DATA, 0.99)


def test_what_cannot_be_searched():
    with pytest.raises(ValueError, match="`space` must leave something open.*one choice"):
        learner(fixed=dict.fromkeys(SPACE.distributions(), "nor_conv_1x1"))
    with pytest.raises(ValueError, match="`precision` must not be that of float16"):
        learner(recipe=Recipe(precision="float16"))
    suggest = {"hyperparameters": lambda trial: {"optimizer": "adamw", "nesterov": False}}
    with pytest.raises(ValueError, match="`order` must be 1 unless the weights learn by SGD"):
        run(objective(order=2, **suggest))
