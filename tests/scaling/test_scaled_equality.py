"""Scaled networks compute what those of torchvision and timm compute with the same weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from optuna_nas.scaling import (
    EFFICIENTNETS,
    EfficientNet,
    MnasNet,
    MobileNetV2,
    ResNet,
    ResNetRS,
    efficientnet,
)

pytest.importorskip("timm", reason="timm is a reference of these tests only")

FAST = {"b0"}
TIMM_RESOLUTIONS = {"50": 160, "101": 192, "152": 256, "200": 256, "270": 256, "350": 256}


@pytest.mark.parametrize(
    "name",
    [n if n in FAST else pytest.param(n, marks=pytest.mark.slow) for n in EFFICIENTNETS],
)
def test_efficientnet_equals_torchvision(name: str) -> None:
    from torchvision import models

    theirs = getattr(models, f"efficientnet_{name}")()
    _check_equal(theirs, efficientnet(name), EfficientNet.named(name).resolution)


@pytest.mark.parametrize(
    "name",
    ["50", *(pytest.param(n, marks=pytest.mark.slow) for n in (*TIMM_RESOLUTIONS, "420"))],
)
def test_resnet_rs_equals_timm(name: str) -> None:
    import timm

    theirs = timm.create_model(f"resnetrs{name}")
    ours = ResNetRS.named(name)
    assert _count(theirs) == ours.profile().params
    _check_equal(theirs, ours.build(), 160)


@pytest.mark.parametrize("width", [0.5, pytest.param(0.75, marks=pytest.mark.slow), 1.0])
def test_mnasnet_equals_torchvision(width: float) -> None:
    from torchvision import models

    name = f"mnasnet{width}".replace(".", "_")
    _check_equal(getattr(models, name)(), MnasNet.named("b1").scaled(width=width).build(), 64)


@pytest.mark.parametrize("name", ["mnasnet_140", "semnasnet_140", "semnasnet_075"])
def test_wide_mnasnet_has_the_parameters_of_timm(name: str) -> None:
    import timm

    with torch.device("meta"):
        theirs = timm.create_model(name)
    base = MnasNet.named("b1" if name.startswith("mnasnet") else "a1")
    ours = base.scaled(width=int(name[-3:]) / 100).profile()
    assert ours.params == _count(theirs)


@pytest.mark.parametrize("width", [0.5, 1.0, 1.4])
def test_mobilenet_v2_equals_torchvision(width: float) -> None:
    from torchvision import models

    theirs = models.mobilenet_v2(width_mult=width)
    _check_equal(theirs, MobileNetV2(width=width).build(), 64)


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("resnet18", ResNet(blocks=(2, 2, 2, 2), kind="basic")),
        ("resnet50", ResNet()),
    ],
)
def test_resnet_equals_torchvision(name: str, network: ResNet) -> None:
    from torchvision import models

    _check_equal(getattr(models, name)(), network.build(), 64)


def _check_equal(theirs: nn.Module, ours: nn.Module, resolution: int) -> None:
    _randomise(theirs)
    weights, names = list(theirs.state_dict().values()), list(ours.state_dict())
    ours.load_state_dict(dict(zip(names, weights, strict=True)))
    eps = [module.eps for module in theirs.modules() if isinstance(module, nn.BatchNorm2d)]
    norms = [module for module in ours.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm, value in zip(norms, eps, strict=True):
        norm.eps = value
    images = torch.randn(1, 3, resolution, resolution, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        # In float64: where a strided 1x1 convolution rounds is nobody's business.
        expected = theirs.double().eval()(images.double())
        assert torch.isfinite(expected).all()
        assert expected.std() > 1e-3
        found = ours.double().eval()(images.double())
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def _randomise(model: nn.Module) -> None:
    """Give the running statistics values that show when they are mixed up."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.bias.data):
                tensor.normal_(0.0, 0.1, generator=generator)
            for tensor in (module.running_var, module.weight.data):
                tensor.uniform_(0.8, 1.2, generator=generator)


def _count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
