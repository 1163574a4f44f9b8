"""Counted sizes agree with hand counts and published figures, and counting changes nothing."""

from __future__ import annotations

import copy
import math

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from optuna_nas.profiling import profile


def _small_net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 10),
    )


# Parameters: torchvision 0.29 model cards. Multiply-adds: the same cards, in G.
@pytest.mark.parametrize(
    ("name", "params", "gigamacs"),
    [
        ("efficientnet_b0", 5_288_548, 0.386),
        ("mobilenet_v2", 3_504_872, 0.301),
        ("mobilenet_v3_large", 5_483_032, 0.217),
        ("resnet18", 11_689_512, 1.814),
        ("resnet50", 25_557_032, 4.089),
    ],
)
def test_torchvisions_networks_have_their_published_size(
    name: str, params: int, gigamacs: float
) -> None:
    with torch.device("meta"):
        model = getattr(torchvision.models, name)()

    counted = profile(model)

    assert counted.params == params
    assert round(counted.macs / 1e9, 3) == gigamacs
    assert counted.flops == 2 * counted.macs


@given(
    channels=st.integers(1, 4).map(lambda c: 2 * c),
    filters=st.integers(1, 4).map(lambda c: 2 * c),
    groups=st.sampled_from([1, 2]),
    kernel=st.sampled_from([1, 3]),
    stride=st.sampled_from([1, 2]),
    size=st.integers(3, 9),
)
@settings(max_examples=40, deadline=None)
def test_a_convolution_costs_one_multiply_add_per_weight_and_position(
    channels: int, filters: int, groups: int, kernel: int, stride: int, size: int
) -> None:
    conv = nn.Conv2d(channels, filters, kernel, stride, kernel // 2, groups=groups)

    counted = profile(conv, (channels, size, size))

    weights = filters * (channels // groups) * kernel**2
    assert counted.macs == weights * math.ceil(size / stride) ** 2
    assert counted.params == weights + filters


def test_the_meta_device_and_the_cpu_count_the_same() -> None:
    with torch.device("meta"):
        meta = _small_net()

    assert profile(meta, (1, 8, 8)) == profile(_small_net(), (1, 8, 8))
    assert profile(meta, (1, 8, 8)).params == 4 * 9 + 2 * 4 + 4 * 10 + 10
    assert profile(meta, (1, 8, 8)).macs == 4 * 9 * 64 + 4 * 10


def test_frozen_tensors_are_no_parameters_and_shared_ones_count_once() -> None:
    model = nn.Sequential(nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False))
    model[1].weight = model[0].weight
    assert profile(model, (8,)).params == 64
    model.requires_grad_(False)
    assert profile(model, (8,)).params == 0


def test_counting_leaves_modes_statistics_and_random_state_alone() -> None:
    model = _small_net()
    model[1].eval()
    modes = [module.training for module in model.modules()]
    weights = copy.deepcopy(model.state_dict())
    random_state = torch.get_rng_state()

    profile(model, (1, 8, 8))

    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(weights[key], value) for key, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(p.requires_grad for p in model.parameters())


def test_a_network_that_draws_numbers_leaves_the_random_state_alone() -> None:
    class Noisy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + torch.rand(3)

    random_state = torch.get_rng_state()
    assert profile(Noisy(), (3,)).macs == 0
    assert torch.equal(torch.get_rng_state(), random_state)


def test_half_precision_and_double_networks_are_counted() -> None:
    assert profile(_small_net().double(), (1, 8, 8)) == profile(_small_net(), (1, 8, 8))


def test_it_prints_as_a_table() -> None:
    assert str(profile(_small_net(), (1, 8, 8))) == (
        "input         1 x 8 x 8\n"
        "parameters           94  <0.0001 M\n"
        "multiply-adds     2,344  <0.0001 G\n"
        "FLOPs             4,688  <0.0001 G"
    )


def test_an_input_that_does_not_fit_is_named_with_its_shape() -> None:
    model = _small_net()
    with pytest.raises(
        ValueError, match=r"Sequential cannot take an input of shape \(1, 3, 8, 8\)"
    ) as e:
        profile(model, (3, 8, 8))
    assert isinstance(e.value.__cause__, RuntimeError)
    assert model.training


@pytest.mark.parametrize("input_size", [(), (3, 0, 8), (3, 8.0, 8), (True, 8, 8), (-1, 8, 8)])
def test_an_input_size_must_be_positive_integers(input_size: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="`input_size` must be the positive sizes of one example"):
        profile(_small_net(), input_size)


def test_a_bug_in_the_network_is_not_called_a_wrong_size() -> None:
    class Buggy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.missing(x)  # type: ignore[no-any-return]

    with pytest.raises(AttributeError, match="missing"):
        profile(Buggy(), (3, 8, 8))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_network_on_a_gpu_counts_the_same() -> None:
    assert profile(_small_net().cuda(), (1, 8, 8)) == profile(_small_net(), (1, 8, 8))
