"""Activation memory against counts by hand, on the meta device as on the CPU."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from optuna_nas.profiling import activation_memory


def test_a_convolution_keeps_its_input() -> None:
    assert activation_memory(nn.Conv2d(3, 8, 3), (3, 10, 10)) == 4 * 3 * 10 * 10


def test_a_relu_keeps_its_output_and_its_follower_shares_it() -> None:
    """The ReLU's output is the input of the last convolution: it counts once."""
    model = nn.Sequential(nn.Conv2d(1, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1))
    assert activation_memory(model, (1, 6, 6)) == 4 * (1 + 4) * 36


def test_meta_agrees_with_the_cpu_and_everything_stays_as_it_was() -> None:
    def network() -> nn.Module:
        layers = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2))
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(36, 5))

    with torch.device("meta"):
        expected = activation_memory(network(), (3, 8, 8))
    model = network()
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert activation_memory(model, (3, 8, 8)) == expected
    assert [module.training for module in model] == [True, False, True, True, True, True]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_lazy_modules_are_initialised() -> None:
    lazy = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU())
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    assert activation_memory(lazy, (3, 8, 8)) == activation_memory(plain, (3, 8, 8))
    assert torch.equal(lazy[1].running_mean, torch.zeros(4))


def test_a_wrong_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`input_size` must fit the network, but Conv2d cannot"):
        activation_memory(nn.Conv2d(3, 8, 3), (1, 10, 10))
