"""The ResNet-20 is the one made of torchvision's blocks, and takes weights of theirs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from linear_candidates import digits
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torchvision.models.resnet import BasicBlock

from optuna_nas.final import Candidate, CifarResNet, resnet_of_equal_macs
from optuna_nas.training import seeded


class _OfTorchvision(nn.Module):
    """The same network in one row of blocks, under whose names weights have been kept."""

    def __init__(self, width: int, *, large: bool) -> None:
        super().__init__()
        side, stride = (7, 2) if large else (3, 1)
        stem = [
            nn.Conv2d(3, width, side, stride=stride, padding=side // 2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
        self.stem = nn.Sequential(*stem, *([nn.MaxPool2d(3, 2, padding=1)] if large else []))
        blocks: list[nn.Module] = []
        before = width
        for number in range(9):
            after = width * 2 ** (number // 3)
            shortcut = None
            if after != before:
                convolution = nn.Conv2d(before, after, 1, stride=2, bias=False)
                shortcut = nn.Sequential(convolution, nn.BatchNorm2d(after))
            stride = 1 if shortcut is None else 2
            blocks.append(BasicBlock(before, after, stride=stride, downsample=shortcut))
            before = after
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.blocks(self.stem(x)))


def _both(large: bool) -> tuple[nn.Module, nn.Module]:
    with seeded(3):
        ours = CifarResNet(4, large=large)
    with seeded(3):
        return ours, _OfTorchvision(4, large=large)


IMAGES = torch.randn(4, 3, 33, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("large", [False, True])
def test_a_seed_gives_the_same_network_that_learns_the_same(large: bool) -> None:
    ours, theirs = _both(large)
    assert not any(hasattr(module, "drop_prob") for module in ours.modules())
    for model in (ours, theirs):
        model.train()(IMAGES).square().sum().backward()
    for mine, their in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, their)
        torch.testing.assert_close(mine.grad, their.grad, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.eval()(IMAGES), theirs.eval()(IMAGES))


@pytest.mark.parametrize("large", [False, True])
def test_weights_under_older_names(large: bool) -> None:
    ours, theirs = _both(large)
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.1)
    theirs.train()(IMAGES)
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours.eval()(IMAGES), theirs.eval()(IMAGES))
    ours.load_state_dict(ours.state_dict())  # names of today stay


def test_an_average_under_older_names() -> None:
    ours, theirs = map(AveragedModel, _both(False))
    nn.init.normal_(theirs.module.head[2].weight)
    ours.load_state_dict(theirs.state_dict())
    assert torch.equal(ours.module.head.fc.weight, theirs.module.head[2].weight)


def test_a_weight_too_many_is_refused() -> None:
    ours, theirs = _both(False)
    state = {**theirs.state_dict(), "blocks.9.conv1.weight": torch.zeros(1)}
    with pytest.raises(RuntimeError, match=r"Unexpected key.*stages\.3\.0\.body\.0\.0\.weight"):
        ours.load_state_dict(state)


def test_the_resnet_is_the_papers_and_its_width_the_nearest() -> None:
    """272,474 parameters: ResNet-20 with 1x1 shortcuts, 268,346 + 2 * (512 + 64 + 2,048...)."""
    count = sum(p.numel() for p in CifarResNet(16).parameters())
    assert count == 272_474
    data, target = digits(), 3_000_000
    candidate = resnet_of_equal_macs(data, target)
    width = candidate.origin["width"]
    distances = {
        w: abs(
            Candidate(
                name="r",
                make=lambda w=w: CifarResNet(w, num_classes=10, in_channels=1),
                origin={},
            )
            .size(data)
            .macs
            - target
        )
        for w in (width - 1, width, width + 1)
    }
    assert min(distances, key=distances.__getitem__) == width
    assert json.dumps(dict(candidate.origin))


def test_a_narrow_resnet_learns_in_channels_last() -> None:
    """In a process of its own, since torch's convolution would overwrite foreign memory."""
    program = """
import torch
from optuna_nas.final import CifarResNet
torch.set_num_threads(1)
model = CifarResNet(2, in_channels=1).to(memory_format=torch.channels_last)
for size in (8, 9, 16, 32):
    images = torch.randn(50, 1, size, size).to(memory_format=torch.channels_last)
    model(images).sum().backward()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_large_images_pass_a_stem() -> None:
    small, large = (CifarResNet(4, large=large).eval() for large in (False, True))
    images = torch.zeros(1, 3, 96, 96)
    assert small.stem(images).shape[-1] == 96
    assert large.stem(images).shape[-1] == 24
