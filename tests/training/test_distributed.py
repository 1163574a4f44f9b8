"""Two processes train one network as one process does, and stop together."""

from __future__ import annotations

import json
from typing import Any

import pytest

from optuna_nas.training import Processes, distributed, share

TRAIN = """
import json, math, sys
import torch
from torch import nn
from optuna_nas.nn import make_op
from optuna_nas.training import Recipe, distributed, evaluate, fit, load_data, seeded

torch.set_num_threads(1)


def net(norm):
    with seeded(0):
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1),
            nn.BatchNorm2d(8) if norm else nn.Identity(),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(32, 10),
        )


def curve(history):
    return [(e.train_loss, e.val_loss, e.val_metric) for e in history.epochs]


with distributed() as processes:
    data = load_data("digits", train_size=151, val_size=101)
    recipe = Recipe(batch_size=25, lr=0.05, clip_grad_norm=1.0, ema_decay=0.8)
    found = {"rank": processes.rank, "count": processes.count}
    kept = {"recipe": recipe, "device": "cpu", "checkpoint": f"{sys.argv[1]}/{processes.count}.pt"}
    found["curve"] = curve(fit(net(False), data, epochs=3, **kept))
    restored = fit(net(False), data, epochs=3, **kept)
    found["restored"] = curve(restored) if all(e.restored for e in restored.epochs) else None

    model = net(True)
    found["norm"] = curve(fit(model, data, epochs=2, recipe=recipe, device="cpu"))
    found["judged"] = evaluate(model, data.val, data, device="cpu").loss
    found["weights"] = [float(value.double().sum()) for value in model.state_dict().values()]

    torch.manual_seed(processes.rank)
    layers = [make_op("conv_3x3", 8), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.LazyLinear(10)]
    lazy = nn.Sequential(*layers)
    found["lazy"] = curve(fit(lazy, data, epochs=2, recipe=recipe, device="cpu"))

    class Breaks(nn.Linear):
        calls = 0

        def forward(self, x):
            self.calls += 1
            logits = super().forward(x.flatten(1))
            bad = self.calls == 3 and processes.rank == processes.count - 1
            return logits * math.nan if bad else logits

    try:
        fit(Breaks(64, 10), data, epochs=2, recipe=recipe, device="cpu")
    except ArithmeticError as e:
        found["error"] = str(e)

    with open(f"{sys.argv[1]}/{processes.count}-{processes.rank}.json", "w") as file:
        json.dump(found, file)
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, torchrun: Any) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("ddp")
    torchrun(TRAIN, folder)
    torchrun(TRAIN, folder, processes=1)
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


@pytest.mark.slow
def test_two_processes_give_the_curve_of_one(found: dict[str, Any]) -> None:
    """Without batch norm, which sees half of each batch: equal to the last digits."""
    assert found.keys() == {"1-0", "2-0", "2-1"}
    assert found["2-1"]["count"] == 2
    for ours, alone in zip(found["2-0"]["curve"], found["1-0"]["curve"], strict=True):
        assert ours == pytest.approx(alone, abs=1e-5)


@pytest.mark.slow
def test_both_end_with_the_same_network(found: dict[str, Any]) -> None:
    first, second = found["2-0"], found["2-1"]
    for key in ("curve", "norm", "judged", "weights", "lazy"):
        assert first[key] == second[key]
    assert first["judged"] == pytest.approx(first["norm"][-1][1], abs=1e-5)
    assert first["norm"] != found["1-0"]["norm"]


@pytest.mark.slow
def test_both_are_given_what_the_first_one_reads(found: dict[str, Any]) -> None:
    for process in found.values():
        assert process["restored"] == process["curve"]


@pytest.mark.slow
def test_a_loss_that_is_lost_in_one_process_stops_both(found: dict[str, Any]) -> None:
    for process in found.values():
        assert "is nan in epoch 1, step 3" in process["error"]


def test_without_torchrun_there_is_one_process() -> None:
    with distributed() as processes:
        assert processes == Processes(rank=0, count=1)
        value = object()
        assert share(value) is value
