"""PC-DARTS: partial channels and edge normalisation, on the supernet of DARTS."""

import optuna
import pytest
import torch

from optuna_nas.objectives import AlphaRecipe, DARTSObjective
from optuna_nas.objectives.one_shot import SigmoidMixing
from optuna_nas.objectives.one_shot._learner import MixedNetwork
from optuna_nas.spaces import DARTSSpace
from optuna_nas.training import Recipe, load_data

SPACE = DARTSSpace(num_nodes=2, ops=("skip_connect", "sep_conv_3x3"))
SIZE = {"cells": 3, "channels": 8, "num_classes": 5, "in_channels": 2}
NONE, SKIP, SEP = range(3)


def images(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def supernet(**options):
    torch.manual_seed(0)
    return SPACE.supernet(**SIZE, **options).double()


def rows(supernet, op, share=None):
    """Mixing weights that leave one operation on every edge."""
    mixture = {name: torch.eye(3, dtype=torch.float64)[op] for name in supernet.alphas()}
    for name, choices in supernet.choices.items():
        if name.endswith("_edges"):
            mixture[name] = torch.full((len(choices),), share, dtype=torch.float64)
    return mixture


def cell(supernet, number, mixture):
    x = images(2, 24 if number == 0 else 16, 8, 8)
    return supernet.network.cells[number](x, x, mixture)


def test_channels_pass_by_and_are_shuffled():
    ours = supernet(partial=4)
    x = images(2, 24, 8, 8)
    mixed = ours.network.cells[0]
    states = mixed.project_older(x), mixed.project_previous(x)
    order = [0, 2, 4, 6, 1, 3, 5, 7]  # of 8 channels in 4 groups
    nothing = cell(ours, 0, rows(ours, NONE))[:, :8]
    passed = sum(states).clone()
    passed[:, :2] = 0.0
    torch.testing.assert_close(nothing, passed[:, order])
    assert torch.channel_shuffle(torch.arange(16.0).reshape(1, 16, 1, 1), 4).flatten()[
        :6
    ].tolist() == [0, 4, 8, 12, 1, 5]
    skipped = cell(ours, 0, rows(ours, SKIP))[:, :8]
    torch.testing.assert_close(skipped, sum(states)[:, order])


def test_what_passes_a_reduction_is_pooled():
    ours = supernet(partial=2)
    older, previous = images(2, 24, 8, 8), images(2, 16, 8, 8)
    mixed = ours.network.cells[1]
    out = mixed(older, previous, rows(ours, NONE))
    assert out.shape == (2, 32, 4, 4)
    states = mixed.project_older(older) + 0.0, mixed.project_previous(previous)
    pooled = sum(torch.max_pool2d(state[:, 8:], 2) for state in states)
    torch.testing.assert_close(out[:, 1:16:2], pooled)
    assert (out[:, 0:16:2] == 0).all()


def test_mixed_operations_have_the_channels_that_are_mixed():
    whole, part = supernet(), supernet(partial=4)
    conv = "network.cells.0.mixed.normal_2_from_0.ops.1.0.1.weight"
    assert whole.weights()[conv].shape[0] == 8
    assert part.weights()[conv].shape[0] == 2
    for channels, partial in ((8, 3), (8, 8), (8, 0)):
        with pytest.raises(ValueError, match="`partial` must divide the channels of a cell"):
            SPACE.supernet(cells=3, channels=channels, partial=partial)


def test_edges_are_normalised():
    ours = supernet(edge_normalisation=True)
    assert [n for n in ours.alphas() if n.endswith("_edges")] == [
        *("normal_2_edges", "normal_3_edges", "reduce_2_edges", "reduce_3_edges")
    ]
    assert ours.choices["normal_3_edges"] == (0, 1, 2)
    mixture = {name: row.detach() for name, row in ours.mixture().items()}
    assert all(float(row.sum()) == pytest.approx(1.0) for row in mixture.values())
    halved = cell(ours, 0, rows(ours, SKIP, share=0.5))[:, :8]
    torch.testing.assert_close(halved, 0.5 * cell(ours, 0, rows(ours, SKIP, share=1.0))[:, :8])
    network = MixedNetwork(ours, SigmoidMixing())
    shares = network.mixture()["normal_3_edges"].detach()
    torch.testing.assert_close(shares, mixture["normal_3_edges"])
    assert float(network.penalty().detach()) < 0.0


def test_derived_are_the_best_products():
    ours = supernet(edge_normalisation=True)
    with torch.no_grad():
        for alpha in ours.alphas().values():
            alpha.zero_()
        ours.alphas()["normal_3_from_0"][SEP] = 2.0
        ours.alphas()["normal_3_edges"].copy_(torch.tensor([-9.0, 1.0, 0.0]))
    node = ours.derive().genotype.normal.nodes[1]
    assert [(edge.input, edge.op) for edge in node.edges] == [
        *((1, "skip_connect"), (2, "skip_connect"))
    ]


def test_it_searches():
    size = {"cells": 3, "channels": 4}
    objective = DARTSObjective(
        SPACE,
        load_data("digits", train_size=32, val_size=20),
        epochs=1,
        value="one_shot",
        supernet={**size, "partial": 2, "edge_normalisation": True},
        recipe=Recipe(batch_size=8),
        alpha=AlphaRecipe(lr=6e-4, warmup_epochs=0),
        device="cpu",
    )

    study = optuna.create_study(direction="maximize")
    study.optimize(objective, n_trials=1)
    assert SPACE.architecture(study.best_trial).params
    one = objective.space.supernet(partial=2, **SIZE)
    logits = one(torch.randn(2, 2, 8, 8), architecture=SPACE.architecture(study.best_trial))
    assert logits.shape == (2, 5)
