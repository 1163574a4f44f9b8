"""The rows of a layer table add up to the network's profile, whatever its modules are."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from optuna_nas.profiling import LayerProfile, layer_table, profile
from optuna_nas.spaces import published


def test_rows_of_a_small_network() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(),
        nn.Sequential(nn.Flatten(), nn.Linear(256, 10)),
    )
    assert layer_table(model, (1, 8, 8)).rows == (
        LayerProfile(name="0", kind="Conv2d", params=40, macs=4 * 9 * 64, output=(4, 8, 8)),
        LayerProfile(name="2.0", kind="Flatten", params=0, macs=0, output=(256,)),
        LayerProfile(name="2.1", kind="Linear", params=2570, macs=2560, output=(10,)),
    )
    assert layer_table(model, (1, 8, 8), depth=1).rows[1:] == (
        LayerProfile(name="2", kind="Sequential", params=2570, macs=2560, output=(10,)),
    )


@pytest.mark.parametrize("depth", [None, 1, 2])
@pytest.mark.parametrize("name", ["efficientnet_b0", "vit_b_16", "DARTS_V2"])
def test_rows_add_up(name: str, depth: int | None) -> None:
    with torch.device("meta"):
        if name == "DARTS_V2":  # its auxiliary head does not run in eval mode
            model = published.DARTS_V2.build(cells=3, channels=4, auxiliary=True)
        else:
            model = getattr(torchvision.models, name)()
    size = (3, 32, 32) if name == "DARTS_V2" else (3, 224, 224)
    expected = profile(model, size)
    table = layer_table(model, size, depth=depth)
    assert table.total == expected
    assert sum(row.params for row in table.rows) == expected.params
    assert sum(row.macs for row in table.rows) == expected.macs
    assert len({row.name for row in table.rows}) == len(table.rows)
    if name == "DARTS_V2":
        aside = [row for row in table.rows if row.output is None]
        assert aside
        assert all(row.name.startswith("auxiliary_head") for row in aside)
        assert not any(row.macs for row in aside)


class _Odd(nn.Module):
    """Runs a layer twice, registers it twice, ties a weight, and computes by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(4, 4, bias=False)
        self.first = nn.Linear(4, 4, bias=False)
        self.again = self.first
        self.tied = nn.Linear(4, 4, bias=False)
        self.tied.weight = self.first.weight
        self.own = nn.Parameter(torch.zeros(4, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.tied(self.again(self.first(x)) @ self.own))  # type: ignore[no-any-return]


def test_shared_layers_count_once_and_every_operation_somewhere() -> None:
    table = layer_table(_Odd(), (4,))
    found = {row.name: (row.params, row.macs) for row in table.rows}
    assert found == {"": (16, 16), "first": (16, 32), "tied": (0, 16), "last": (16, 16)}
    assert [row.name for row in table.rows] == ["", "first", "tied", "last"]
    assert (table.total.params, table.total.macs) == (48, 80)
    assert "(itself)" in str(table)


def test_counting_leaves_the_network_alone() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).train()
    layer_table(model, (1, 8, 8))
    assert model.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    with pytest.raises(ValueError, match=r"cannot take an input of shape \(1, 3, 8, 8\)"):
        layer_table(model, (3, 8, 8))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_depth_is_at_least_one() -> None:
    with pytest.raises(ValueError, match=r"`depth` must be at least 1, but got depth=0"):
        layer_table(nn.Linear(2, 2), (2,), depth=0)
