"""RMSProp is TensorFlow's, and not torch's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from optuna_nas.training.optim._rmsprop import TensorFlowRMSProp

Maker = Callable[[list[nn.Parameter]], torch.optim.Optimizer]


def _weights_after(make: Maker, steps: int = 20) -> torch.Tensor:
    """Minimise a crooked parabola, with another rate from the middle on."""
    weight = nn.Parameter(torch.tensor([1.0, -2.0, 0.5]))
    unused = nn.Parameter(torch.ones(1))
    optimizer = make([weight, unused])
    for step in range(steps):
        if step == steps // 2:
            optimizer.param_groups[0]["lr"] /= 2
        optimizer.zero_grad()
        (weight**2 * torch.tensor([1.0, 0.1, 3.0])).sum().backward()
        optimizer.step()
    assert unused.item() == 1.0
    return weight.detach()


@pytest.mark.parametrize("eps", [1e-3, 1.0])
def test_it_is_the_one_of_timm(eps: float) -> None:
    timm_optim = pytest.importorskip("timm.optim")
    ours = _weights_after(
        lambda w: TensorFlowRMSProp(w, 0.01, decay=0.9, momentum=0.8, eps=eps, weight_decay=0.1)
    )
    theirs = _weights_after(
        lambda w: timm_optim.RMSpropTF(w, 0.01, alpha=0.9, momentum=0.8, eps=eps, weight_decay=0.1)
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)


def test_torchs_own_goes_another_way() -> None:
    ours = _weights_after(lambda w: TensorFlowRMSProp(w, 0.01, momentum=0.8, eps=1.0))
    theirs = _weights_after(lambda w: torch.optim.RMSprop(w, 0.01, 0.9, eps=1.0, momentum=0.8))
    assert not torch.allclose(ours, theirs, rtol=1e-2)


def test_the_first_step_by_hand() -> None:
    weight = nn.Parameter(torch.tensor([2.0]))
    optimizer = TensorFlowRMSProp([weight], 0.1, decay=0.9, momentum=0.5, eps=0.04)
    weight.grad = torch.tensor([3.0])
    optimizer.step()
    # v = 0.9 * 1 + 0.1 * 9 = 1.8; m = 0.1 * 3 / sqrt(1.84)
    assert weight.item() == pytest.approx(2.0 - 0.3 / 1.84**0.5)


def test_its_state_can_be_saved_and_loaded() -> None:
    def run(reload: bool) -> torch.Tensor:
        weight = nn.Parameter(torch.tensor([1.0]))
        optimizer = TensorFlowRMSProp([weight], 0.1)
        for step in range(6):
            if reload and step == 3:
                state = optimizer.state_dict()
                optimizer = TensorFlowRMSProp([weight], 0.1)
                optimizer.load_state_dict(state)
            weight.grad = 2 * weight.detach()
            optimizer.step()
        return weight.detach()

    assert torch.equal(run(reload=True), run(reload=False))


def test_a_closure_is_called_with_gradients() -> None:
    weight = nn.Parameter(torch.tensor([1.0]))
    optimizer = TensorFlowRMSProp([weight], 0.1)

    def closure() -> float:
        optimizer.zero_grad()
        loss = (weight**2).sum()
        loss.backward()
        return loss.item()

    assert optimizer.step(closure) == 1.0
    assert weight.item() < 1.0
