"""Networks whose weights have no shapes yet are finished before they are counted or copied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from optuna_nas._ground.forward import copied, materialise
from optuna_nas.nn import make_op
from optuna_nas.profiling import activation_memory, layer_table, measure_latency, profile

SIZE = (3, 8, 8)


def _lazy_net() -> nn.Sequential:
    return nn.Sequential(
        make_op("sep_conv_3x3", 4),
        make_op("max_pool_3x3", 4),
        nn.LazyConv2d(5, 1),
        nn.LazyBatchNorm2d(),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.LazyLinear(2),
    )


class _TwoHeads(nn.Module):
    """With an auxiliary head, which runs in training alone."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        self.head = nn.Linear(256, 2)
        self.auxiliary = nn.Sequential(nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2))

    def forward(self, x: torch.Tensor) -> Any:
        x = self.stem(x)
        logits = self.head(x.flatten(1))
        return (logits, self.auxiliary(x)) if self.training else logits


def test_everything_has_its_shape_and_nothing_else_changes() -> None:
    for make in (_lazy_net, _TwoHeads):
        model = make()
        assert isinstance(model, nn.Module)
        random = torch.random.get_rng_state()
        materialise(model, SIZE)
        assert torch.equal(torch.random.get_rng_state(), random)
        assert not any(map(is_lazy, [*model.parameters(), *model.buffers()]))
        assert all(module.training for module in model.modules())
        norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
        assert len(norms) > 1
        for norm in norms:
            assert norm.running_mean is not None
            assert norm.running_var is not None
            assert not norm.running_mean.any()
            assert (norm.running_var == 1.0).all()
            assert norm.num_batches_tracked == 0


def test_a_network_without_lazy_modules_is_not_run() -> None:
    class Careful(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise AssertionError

    materialise(Careful(2, 2), SIZE)


def test_a_module_that_never_runs_is_named() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    model[1].spare = nn.LazyLinear(3)
    with pytest.raises(ValueError, match=r"leaves \['1.spare.weight', '1.spare.bias'\] without"):
        materialise(model, SIZE)


def test_sizes_that_do_not_fit_are_refused() -> None:
    model = nn.Sequential(nn.LazyConv2d(4, 9), nn.Flatten())
    with pytest.raises(ValueError, match=r"`input_size` must fit.*\(2, 3, 8, 8\)"):
        materialise(model, SIZE)


@pytest.mark.parametrize(
    "count",
    [
        lambda model: profile(model, SIZE),
        lambda model: layer_table(model, SIZE).total,
        lambda model: layer_table(model, SIZE).rows,
        lambda model: activation_memory(model, SIZE),
    ],
)
def test_lazy_networks_count_as_finished_ones(count: Callable[[nn.Module], Any]) -> None:
    lazy, finished = _lazy_net(), _lazy_net()
    materialise(finished, SIZE)
    assert count(lazy) == count(finished)
    assert all(module.training for module in lazy.modules())


def test_latency_in_channels_last() -> None:
    options = {"channels_last": True, "device": "cpu", "min_run_time": 0.01}
    for fold in (False, True):
        assert measure_latency(_lazy_net(), SIZE, fold=fold, **options).median_ms > 0.0


def test_a_lazy_network_is_copied() -> None:
    model = _lazy_net()
    other = copied(model)
    x = torch.rand(2, *SIZE)
    assert other(x).shape == (2, 2)
    assert is_lazy(model.get_buffer("3.running_mean"))
    assert model(x).shape == (2, 2)
