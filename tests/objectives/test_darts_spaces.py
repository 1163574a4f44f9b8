"""Any space with a supernet can be searched by alphas."""

from __future__ import annotations

import pytest
import torch
from darts_searches import objective, run
from optuna.trial import TrialState

from optuna_nas.nn.supernets import _mixed_op as mixed_op_module
from optuna_nas.objectives import read_alphas
from optuna_nas.spaces import DARTSSpace, NASRLSpace, choice, function_space

pytestmark = pytest.mark.usefixtures("one_thread")


@function_space
def small_space(trial, *, num_classes: int = 10):
    layers = {
        "narrow": lambda: torch.nn.Conv2d(1, 4, 1),
        "wide": lambda: torch.nn.Conv2d(1, 4, 3, padding=1),
    }
    first = choice(trial, "first", layers)
    return torch.nn.Sequential(
        first, torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(256, num_classes)
    )


@pytest.mark.parametrize(
    ("space", "supernet", "build"),
    [
        (small_space, {}, {}),
        (
            DARTSSpace(num_nodes=1, ops=("skip_connect", "sep_conv_3x3")),
            {"cells": 3, "channels": 2},
            {"cells": 3, "channels": 2},
        ),
    ],
)
def test_other_spaces(space, supernet, build):
    trial = run(objective(space, epochs=1, supernet=supernet, build=build)).trials[0]
    assert trial.state == TrialState.COMPLETE
    assert space.architecture(trial).build(**build) is not None


def test_computing_again_changes_nothing(monkeypatch):
    space = DARTSSpace(num_nodes=1, ops=("skip_connect", "sep_conv_3x3", "dil_conv_5x5"))
    size = {"cells": 1, "channels": 4}
    options = {"supernet": size, "build": size, "order": 2, "epochs": 2, "value": "one_shot"}
    kept = run(objective(space, **options)).trials[0]
    calls, separable = [], mixed_op_module.separable
    monkeypatch.setattr(
        mixed_op_module, "separable", lambda *given: calls.append(given) or separable(*given)
    )
    again = run(objective(space, recompute=True, **options)).trials[0]
    assert calls
    for before, after in zip(read_alphas(kept), read_alphas(again), strict=True):
        for name, row in before.items():
            assert after[name] == pytest.approx(row, abs=1e-3), name
    assert space.architecture(again) == space.architecture(kept)
    assert again.value == pytest.approx(kept.value, abs=0.03)


def test_a_space_without_a_supernet():
    with pytest.raises(TypeError, match="has no supernet"):
        objective(NASRLSpace())
