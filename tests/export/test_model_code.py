"""A network as code: it computes the same, needs only torch, and alike modules share a class."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models.resnet import BasicBlock

from optuna_nas.export import UnwritableError, model_code, module_from_code
from optuna_nas.spaces import (
    Architecture,
    DARTSSpace,
    MnasNetSpace,
    NASBench201Space,
    published,
    sample_architectures,
)
from optuna_nas.training import save_weights, seeded

SMALL: dict[str, dict[str, Any]] = {
    "NASBENCH201_RESNET": {"cells": 1, "channels": 4},
    "NAS_RL_V1": {},
    "NASNET_A": {"cells": 1, "channels": 4},
    "AMOEBANET_A": {"cells": 1, "channels": 8},
    "AMOEBANET_D": {"cells": 1, "channels": 8},
    "PNASNET_5": {"cells": 1, "channels": 4},
    "DARTS_V1": {"cells": 3, "channels": 4},
    "DARTS_V2": {"cells": 3, "channels": 4, "auxiliary": True, "drop_path": 0.2},
    "ENAS_MICRO": {"cells": 3, "channels": 4},
    "ENAS_MACRO": {"channels": 4},
    "MNASNET_A1": {"num_classes": 10},
    "MNASNET_B1": {"num_classes": 10},
    "MNASNET_SMALL": {"num_classes": 10},
}


pytestmark = pytest.mark.usefixtures("one_thread")


def _published() -> set[str]:
    return {n for n in dir(published) if isinstance(getattr(published, n), Architecture)}


def _moved(model: nn.Module) -> nn.Module:
    """With batch norms that have seen something."""
    with seeded(1):
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.bias)
                nn.init.uniform_(module.weight, 0.5, 1.5)
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2.0)
    return model.eval()


def _assert_computes_the_same(code: str, model: nn.Module, size: tuple[int, ...]) -> nn.Module:
    network = module_from_code(code)
    state = model.state_dict()
    network.load_state_dict({name: state[name] for name in network.state_dict()})
    network.eval()
    for count in (1, 4):
        images = torch.randn(count, *size)
        with torch.no_grad():
            wanted, given = model(images), network(images)
        assert torch.allclose(wanted, given, rtol=1e-6, atol=1e-6)
    return network


def _classes(code: str) -> list[str]:
    return [node.name for node in ast.parse(code).body if isinstance(node, ast.ClassDef)]


def _imported(code: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module).partition(".")[0])
    return found


def test_all_published_networks_are_tried() -> None:
    assert SMALL.keys() == _published()


@pytest.mark.parametrize("name", SMALL)
def test_published_networks(name: str) -> None:
    size = (3, 8, 8) if name == "NAS_RL_V1" else (3, 32, 32)
    model = _moved(getattr(published, name).build(**{"num_classes": 10, **SMALL[name]}))
    code = model_code(model, size)
    _assert_computes_the_same(code, model, size)
    assert _imported(code) <= {"torch", "pathlib", "collections"}
    assert max(map(len, code.splitlines())) <= 99
    assert "optuna" not in code.replace("Written by optuna-nas", "")


@pytest.mark.parametrize(
    ("space", "count", "build"),
    [
        (NASBench201Space(), 6, {"cells": 1, "channels": 3}),
        (DARTSSpace(keep_none=True), 3, {"cells": 3, "channels": 2}),
        (MnasNetSpace(), 2, {}),
    ],
    ids=["nasbench201", "darts", "mnasnet"],
)
def test_drawn_networks(space: Any, count: int, build: dict[str, Any]) -> None:
    """With ``none``, unread nodes, pooled shortcuts and whatever else a space can decide."""
    for architecture in sample_architectures(space, count, seed=3):
        model = _moved(architecture.build(num_classes=5, in_channels=1, **build))
        _assert_computes_the_same(model_code(model, (1, 12, 12)), model, (1, 12, 12))


def test_the_text_of_a_network() -> None:
    """Alike modules share a class, what differs is a parameter, runs of equal ones are one."""
    model = published.NASBENCH201_RESNET.build(num_classes=10, cells=3, channels=4)
    code = model_code(model, (3, 8, 8))
    assert _classes(code) == [
        "ConvNormAct",
        "ReLUConvBN",
        "NASBench201Cell",
        "ResidualReduction",
        "ClassifierHead",
        "Network",
    ]
    assert "def __init__(self, in_channels: int, out_channels: int, *, stride: int)" in code
    assert "*(NASBench201Cell(8) for _ in range(3))," in code
    assert "return x + self.nodes[1][0](self.nodes[0][0](x))" in code
    assert "return self.conv2(self.conv1(x)) + self.shortcut(x)" in code
    assert "stem = self.stem(x)  # (B, 4, 8, 8)" in code


def test_only_torch_is_needed(tmp_path: Path) -> None:
    model = _moved(published.DARTS_V2.build(num_classes=4, cells=3, channels=4))
    code = model_code(model, (3, 8, 8), classes="abcd", mean=(0.5,) * 3, std=(0.25,) * 3)
    (tmp_path / "model.py").write_text(code)
    save_weights(model, tmp_path / "weights.pt")
    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    with torch.no_grad():
        torch.save((images, model((images / 255 - 0.5) / 0.25)), tmp_path / "case.pt")
    program = """
import sys
for name in ("optuna_nas", "optuna", "torchvision", "numpy"):
    sys.modules[name] = None
import torch, model
images, wanted = torch.load("case.pt")
with torch.no_grad():
    assert torch.allclose(model.load()(model.prepare(images)), wanted, atol=1e-6)
assert model.CLASSES == ("a", "b", "c", "d") and model.INPUT_SIZE == (3, 8, 8)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_what_only_training_needs_is_left_out() -> None:
    model = published.DARTS_V2.build(num_classes=4, cells=3, channels=4, auxiliary=True)
    network = module_from_code(model_code(model, (3, 16, 16)))
    left = {name.partition(".")[0] for name in model.state_dict().keys() - network.state_dict()}
    assert left == {"auxiliary_head"}


class _Own(nn.Module):
    """What users write."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.randn(4, 1, 1))
        self.register_buffer("shift", torch.randn(4, 1, 1))
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.blocks = nn.Sequential(BasicBlock(4, 4), BasicBlock(4, 4))
        self.named = nn.ModuleDict({"left": nn.PReLU(4), "right": nn.GroupNorm(2, 4)})
        self.holder = nn.Linear(4, 4)  # never called: only its weight is read
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(4 * 4 * 4 + 4, 5)
        self.unused = nn.Linear(7, 7)

    def forward(self, images: torch.Tensor, /) -> torch.Tensor:
        x = self.blocks(self.first(images))
        x = x * self.scale - self.shift
        x += 1.0
        left, right = torch.chunk(self.named["left"](x) + self.named["right"](x), 2, dim=1)
        x = torch.cat([F.adaptive_avg_pool2d(part, 4) for part in (-left, right**2)], dim=1)
        before = x + 2.0  # used after x has changed
        x.add_(0.5)
        means = F.linear(before.mean((2, 3)), self.holder.weight)
        means = means.T.T.reshape(2 * x.size(0), -1).view(x.shape[0], 4)
        flat = torch.cat((x.view(len(x), -1), 0.5 * means), 1)
        return self.head(self.drop(flat)).clamp_(min=-1.0)


def test_a_network_of_ones_own() -> None:
    """Parameters, buffers, in-place steps, several outputs, and sizes that follow the images."""
    within = nn.Sequential(_moved(_Own()))  # where calls are written into each other
    _assert_computes_the_same(model_code(within, (3, 9, 9)), within, (3, 9, 9))
    model = _moved(_Own())
    code = model_code(model, (3, 9, 9))
    network = _assert_computes_the_same(code, model, (3, 9, 9))
    assert "2 * x.shape[0]" in code.replace("images.shape", "x.shape")
    assert "unused" not in code
    assert isinstance(network.get_submodule("drop"), nn.Dropout)
    assert "holder.weight" in network.state_dict()
    assert dict(network.named_buffers())["shift"].shape == (4, 1, 1)


def test_a_sequence_with_names_and_one_that_is_only_a_list() -> None:
    class Lists(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.named = nn.Sequential()
            self.named.add_module("conv", nn.Conv2d(1, 2, 3))
            self.named.add_module("act", nn.SiLU())
            self.parts = nn.Sequential(nn.Flatten(), nn.Linear(72, 3), nn.Linear(9, 9))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.parts[1](self.parts[0](self.named(x)))

    model = Lists().eval()
    code = model_code(model, (1, 8, 8))
    _assert_computes_the_same(code, model, (1, 8, 8))
    assert 'OrderedDict({"conv": nn.Conv2d(1, 2, 3), "act": nn.SiLU()})' in code


class _Reads(nn.Module):
    """Does to images what a test says, then a linear layer."""

    def __init__(self, do: Any) -> None:
        super().__init__()
        self.do = do
        self.linear = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.do(self, x.flatten(1)))


class _Twice(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.relu() if x.shape[1] == 4 else x.tanh()


OUTSIDE = torch.randn(4)


@pytest.mark.parametrize(
    ("do", "message"),
    [
        (lambda m, x: x * float(x.mean()), "computes with|differs by"),
        (
            lambda m, x: x if len(x) == 2 else x.relu(),
            "other steps for another number of examples",
        ),
        (lambda m, x: x + OUTSIDE, "neither an input nor a parameter or buffer of its own"),
        (lambda m, x: x + torch.rand(4), "differs by"),
        (lambda m, x: x + 1.0 / len(x), "no multiple of their number"),
    ],
    ids=["value", "count", "outside", "random", "fraction"],
)
def test_what_cannot_be_written(do: Any, message: str) -> None:
    with pytest.raises(UnwritableError, match=message):
        model_code(_Reads(do), (1, 2, 2))


def test_a_module_that_does_two_things() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.twice = _Twice()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            flat = x.flatten(1)
            return torch.cat([self.twice(flat), self.twice(flat[:, :2])], dim=1)

    with pytest.raises(UnwritableError, match="_Twice .* does not take the same steps"):
        model_code(Both(), (1, 2, 2))


def test_hooks_are_not_written() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    model[1].register_forward_hook(lambda module, args, out: 2 * out)
    with pytest.raises(UnwritableError, match="has it hooks"):
        model_code(model, (1, 2, 2))


@pytest.mark.parametrize(
    "model", [nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), nn.Conv2d(3, 2, 2, bias=False)]
)
def test_a_network_that_is_a_module_of_torch(model: nn.Module) -> None:
    _assert_computes_the_same(model_code(model, (3, 2, 2)), model, (3, 2, 2))


def test_the_network_stays_as_it_was() -> None:
    model = published.NASBENCH201_RESNET.build(num_classes=3, cells=1, channels=2).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    model_code(model, (3, 8, 8))
    assert all(module.training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not any(module._forward_hooks for module in model.modules())
