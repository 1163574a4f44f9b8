"""Norms of every kind take the batch's statistics where they are asked to."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from optuna_nas.nn import make_op
from optuna_nas.nn.ops import use_batch_statistics
from optuna_nas.training import Recipe
from optuna_nas.training.optim._optimizers import set_batch_norm


class _OwnNorm(nn.BatchNorm1d):
    """A norm that somebody has derived from torch's."""


# (norm of 3 channels, dimensions over which it normalises)
_NORMS = {
    "BatchNorm1d": (lambda: nn.BatchNorm1d(3), 1),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3), 2),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(3), 3),
    "SyncBatchNorm": (lambda: nn.SyncBatchNorm(3), 2),
    "LazyBatchNorm1d": (nn.LazyBatchNorm1d, 1),
    "LazyBatchNorm2d, not affine": (lambda: nn.LazyBatchNorm2d(affine=False), 2),
    "own": (lambda: _OwnNorm(3), 1),
}


def _maps(dimensions: int) -> torch.Tensor:
    shape = (4, 3, *[5] * dimensions)
    return 3 + 2 * torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", _NORMS)
def test_batch_norms_use_the_batch_in_evaluation(name):
    make, dimensions = _NORMS[name]
    norm = make()
    use_batch_statistics(nn.ModuleList([norm]))
    norm.eval()
    out = norm(_maps(dimensions)).transpose(0, 1).flatten(1)
    torch.testing.assert_close(out.mean(1), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.std(1, correction=0), torch.ones(3), atol=1e-4, rtol=0)
    assert len(list(norm.buffers())) == 0


def test_instance_norms_use_the_image_in_evaluation():
    norm = nn.InstanceNorm1d(3, track_running_stats=True)
    plain = nn.InstanceNorm1d(3)
    use_batch_statistics(norm)
    assert torch.equal(norm.eval()(_maps(1)), plain(_maps(1)))


def test_an_operation_that_is_finished_later_keeps_how_its_norms_are_set():
    op = make_op("sep_conv_3x3", 4)
    set_batch_norm(op, Recipe(batch_norm_momentum=0.5, batch_norm_eps=0.25))
    use_batch_statistics(op)
    op(torch.randn(2, 3, 8, 8))
    norms = [module for module in op.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 2
    assert {(norm.momentum, norm.eps, norm.track_running_stats) for norm in norms} == {
        (0.5, 0.25, False)
    }
    assert len(list(op.buffers())) == 0
