"""Folded networks compute the same, and only what may be folded is."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import nn
from torch.nn.utils import parametrizations

from optuna_nas.profiling import fold_batch_norm
from optuna_nas.profiling._latency import _deployed
from optuna_nas.spaces import (
    DARTSSpace,
    ENASMicroSpace,
    MnasNetSpace,
    published,
    sample_architectures,
)


def _trained(model: nn.Module, input_size: tuple[int, ...] = (3, 32, 32)) -> nn.Module:
    """Give the batch norms statistics and weights that a wrong fold would get wrong."""
    torch.manual_seed(0)
    model.eval()
    with torch.no_grad():
        model(torch.zeros(2, *input_size))
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            if module.running_mean is not None and module.running_var is not None:
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2.0)
            if module.affine:
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias)
    return model


def _conv(**options: int) -> nn.Conv2d:
    return nn.Conv2d(3, 3, 3, padding=1, bias=False, **options)


def _norms(model: nn.Module) -> int:
    return sum(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.modules())


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    # What is left: after a sum of states in NAS-Bench-201, the factorised reductions elsewhere.
    "nasbench201 1": lambda: published.NASBENCH201_RESNET.build(cells=1, channels=4),
    "nas_rl 0": lambda: published.NAS_RL_V1.build(),
    "darts 1": lambda: DARTSSpace().parse(str(published.DARTS_V2)).build(cells=3, channels=4),
    "mnasnet 0": lambda: sample_architectures(MnasNetSpace(), 1)[0].build(width=0.25),
    "efficientnet 0": torchvision.models.efficientnet_b0,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_folded_network_computes_the_same(name: str) -> None:
    model = _trained(NETWORKS[name]())
    weights = copy.deepcopy(model.state_dict())

    folded = fold_batch_norm(model, (3, 32, 32))

    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected, found = model(images), folded.model(images)
    assert ((found - expected).norm() / expected.norm()).item() < 1e-5
    assert folded.norms - folded.folded == int(name.split()[1])
    assert _norms(folded.model) == folded.norms - folded.folded
    assert not folded.note
    assert all(torch.equal(weights[key], value) for key, value in model.state_dict().items())


def test_a_tensors_id_that_is_given_again_is_no_pair() -> None:
    """ENAS's factorised reductions: the input of a batch norm dies before the next convolution."""
    for architecture in sample_architectures(ENASMicroSpace(), 3, seed=1):
        model = _trained(architecture.build(cells=2, channels=8))
        folded = fold_batch_norm(model, (3, 32, 32))
        assert folded.folded > 20
        assert not folded.note


class _Net(nn.Module):
    """A convolution and a batch norm, put together in some way."""

    def __init__(self, way: Callable[..., torch.Tensor], conv: nn.Module | None = None) -> None:
        super().__init__()
        self.conv = conv or _conv()
        self.norm = nn.BatchNorm2d(3)
        self.way = way

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.way(x, self.conv, self.norm)


def _read_twice(x: torch.Tensor, conv: nn.Module, norm: nn.Module) -> torch.Tensor:
    y = conv(x)
    return norm(y) + y  # type: ignore[no-any-return]


def _run_twice(x: torch.Tensor, conv: nn.Module, norm: nn.Module) -> torch.Tensor:
    return norm(conv(norm(x)))  # type: ignore[no-any-return]


def _changed_in_place(x: torch.Tensor, conv: nn.Module, norm: nn.Module) -> torch.Tensor:
    return norm(conv(x).relu_())  # type: ignore[no-any-return]


def _also_put_out(x: torch.Tensor, conv: nn.Module, norm: nn.Module) -> object:
    y = conv(x)
    return y, norm(y)


@pytest.mark.parametrize("way", [_read_twice, _run_twice, _changed_in_place, _also_put_out])
def test_what_another_reads_is_left(way: Callable[..., torch.Tensor]) -> None:
    folded = fold_batch_norm(_trained(_Net(way)), (3, 8, 8))
    assert (folded.folded, folded.norms) == (0, 1)
    assert folded.note == "no batch norm follows a convolution directly"


def test_a_network_that_asks_for_sizes_is_folded() -> None:
    def way(x: torch.Tensor, conv: nn.Module, norm: nn.Module) -> torch.Tensor:
        height, _ = x.shape[-2:]
        return norm(conv(x if height > 4 else x + 1))  # type: ignore[no-any-return]

    with pytest.raises(torch.fx.proxy.TraceError):
        torch.fx.symbolic_trace(_Net(way))
    assert fold_batch_norm(_trained(_Net(way)), (3, 8, 8)).folded == 1


def test_batch_statistics_and_odd_weights_are_left() -> None:
    model = nn.Sequential(_conv(), nn.BatchNorm2d(3, track_running_stats=False))
    assert fold_batch_norm(model, (3, 8, 8)).folded == 0
    model = nn.Sequential(parametrizations.weight_norm(_conv()), nn.BatchNorm2d(3))
    assert fold_batch_norm(_trained(model, (3, 8, 8)), (3, 8, 8)).folded == 0


def test_a_fold_that_changes_the_network_is_not_made() -> None:
    class Doubling(nn.Conv2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(x)

    model = _trained(nn.Sequential(Doubling(3, 3, 1), nn.BatchNorm2d(3)), (3, 8, 8))
    folded = fold_batch_norm(model, (3, 8, 8))
    assert folded.folded == 0
    assert folded.note == "the folded network computes something else"
    images = torch.randn(1, 3, 8, 8)
    assert torch.equal(folded.model(images), model(images))


def test_a_shared_block_is_replaced_wherever_it_is_registered() -> None:
    block = nn.Sequential(_conv(), nn.BatchNorm2d(3))
    model = nn.Sequential(nn.Sequential(block[0]), nn.Sequential(block[1]))
    model.also = block  # type: ignore[assignment]
    assert _norms(fold_batch_norm(_trained(_Seq(model)), (3, 8, 8)).model) == 0


class _Seq(nn.Module):
    def __init__(self, parts: nn.Sequential) -> None:
        super().__init__()
        self.parts = parts

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.parts[1](self.parts[0](x))  # type: ignore[no-any-return]


def test_what_is_measured_is_folded_and_laid_out_and_a_copy() -> None:
    model = _trained(nn.Sequential(_conv(), nn.BatchNorm2d(3)), (3, 8, 8))
    deployed = _deployed(model, (3, 8, 8), fold=True, channels_last=True)
    assert deployed.folded == 1
    assert deployed.model[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert model[0].weight.is_contiguous()
    assert _norms(model) == 1
    assert _deployed(model, (3, 8, 8), fold=False, channels_last=False).model is model
    plain = _deployed(model, (3, 8, 8), fold=False, channels_last=True).model
    assert plain is not model
    assert _norms(plain) == 1


@pytest.mark.parametrize(
    ("conv", "norm", "size"),
    [
        (lambda: nn.Conv1d(3, 4, 3), lambda: nn.BatchNorm1d(4), (3, 8)),
        (lambda: nn.Conv2d(3, 4, 3), lambda: nn.SyncBatchNorm(4), (3, 8, 8)),
        (lambda: nn.Conv3d(3, 4, 3), lambda: nn.SyncBatchNorm(4), (3, 8, 8, 8)),
        (lambda: nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d, (3, 8, 8)),
    ],
)
def test_batch_norms_of_every_kind_are_folded(
    conv: Callable[[], nn.Module], norm: Callable[[], nn.Module], size: tuple[int, ...]
) -> None:
    model = _trained(nn.Sequential(conv(), norm()), size)
    folded = fold_batch_norm(model, size)
    assert (folded.folded, folded.norms, folded.note) == (1, 1, "")
    x = torch.randn(2, *size)
    torch.testing.assert_close(folded.model(x), model(x))
