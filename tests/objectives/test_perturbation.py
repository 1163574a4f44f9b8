"""DARTS-PT: what is decided is what the supernet misses most, edge by edge."""

from __future__ import annotations

import optuna
import pytest
import torch

from optuna_nas.objectives import DARTSObjective, DARTSVariant, Perturbation
from optuna_nas.spaces import DARTSSpace, NASBench201Space
from optuna_nas.spaces.base import AlphaLayout
from optuna_nas.training import Recipe, load_data

OPS = ("none", "skip", "conv")
EDGES = [f"{s}_{i}_from_{j}" for s in ("normal", "reduce") for i in (2, 3) for j in range(i)]
NODES = {
    f"{s}_{i}": [e for e in EDGES if e.startswith(f"{s}_{i}_")]
    for s in ("normal", "reduce")
    for i in (2, 3)
}
# What each operation is worth on each edge; alpha prefers skips everywhere.
WORTH = {
    name: [0.0, value, 1.0 - value]
    for name, value in zip(
        EDGES, [0.9, 0.2, 0.3, 0.95, 0.1, 0.15, 0.6, 0.8, 0.35, 0.97], strict=True
    )
}
ALPHA = dict.fromkeys(EDGES, [0.4, 0.35, 0.25])


LAYOUT = AlphaLayout(
    choices=dict.fromkeys(EDGES, OPS),
    cells=tuple(
        tuple(name for name in EDGES if name.startswith(scope)) for scope in ("normal_", "reduce_")
    ),
    nodes=tuple(map(tuple, NODES.values())),
)


class Linear:
    """A supernet whose accuracy is the worth of its operations, weighted as they are mixed."""

    layout = LAYOUT
    weights = ALPHA

    def __init__(self, seed):
        self.seed = seed
        self.tuned = []

    def score(self, weights):
        return sum(
            w * v for name, row in weights.items() for w, v in zip(row, WORTH[name], strict=True)
        )

    def tune(self, weights, *, epochs, lr_share=1.0):
        assert (epochs, lr_share) == (5, 0.1)
        self.tuned.append({name: list(row) for name, row in weights.items()})


def run(seed=0):
    supernet = Linear(seed)
    return Perturbation().select(supernet), supernet.tuned


def test_the_most_missed_operation_stays():
    """Masking an operation costs its weight times its worth."""
    found, _ = run()
    best = {name: max((1, 2), key=lambda i: ALPHA[name][i] * WORTH[name][i]) for name in EDGES}
    assert set(best.values()) == {1, 2}  # not what alpha says
    for name, row in found.items():
        assert row in ([float(i == best[name]) for i in range(3)], [1.0, 0.0, 0.0])


def test_two_edges_of_a_node_stay():
    found, _ = run()
    for edges in NODES.values():
        kept = [name for name in edges if found[name][0] == 0.0]
        assert len(kept) == 2
        if len(edges) == 3:
            (gone,) = set(edges) - set(kept)
            worth = {
                n: WORTH[n][1 if 0.35 * WORTH[n][1] > 0.25 * WORTH[n][2] else 2] for n in edges
            }
            assert worth[gone] == min(worth.values())


def test_cells_are_decided_side_by_side_with_tuning_between():
    """5 edges of each cell, then the 2 nodes with three inputs: 7 times."""
    _, tuned = run()
    assert len(tuned) == 7
    decided = [sum(sorted(row) == [0.0, 0.0, 1.0] for row in rows.values()) for rows in tuned]
    assert decided == [2, 4, 6, 8, 10, 10, 10]
    orders = {tuple(name for name in EDGES if 1.0 in run(seed)[1][0][name]) for seed in range(6)}
    assert len(orders) > 1  # at random


@pytest.mark.parametrize(
    "space", [DARTSSpace(num_nodes=2, ops=("skip_connect", "dil_conv_3x3")), NASBench201Space()]
)
def test_it_derives(space):
    torch.set_num_threads(1)
    size = {"cells": 3 if isinstance(space, DARTSSpace) else 1, "channels": 2}
    objective = DARTSObjective(
        space,
        load_data("digits", train_size=32, val_size=20),
        epochs=1,
        value="one_shot",
        supernet=size,
        recipe=Recipe(batch_size=8),
        variant=DARTSVariant(selection=Perturbation(tune_epochs=1)),
        device="cpu",
    )
    found = []
    for _ in range(2):
        study = optuna.create_study(direction="maximize")
        study.optimize(objective, n_trials=1)
        found.append(space.architecture(study.best_trial))
    assert found[0] == found[1]
    assert "none" not in found[0].params.values()


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"tune_epochs": -1}, "`tune_epochs` must be"), ({"lr_share": 0.0}, "`lr_share` must lie")],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        Perturbation(**settings)
