"""What one-shot search must know of a space is said by the space, not read off its name."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import optuna
import pytest
import torch
from darts_searches import DATA, SIZE, objective, run
from optuna.trial import TrialState

from optuna_nas.keys import SKIP_SHARE_KEY
from optuna_nas.objectives import Perturbation, SigmoidMixing
from optuna_nas.objectives.one_shot import published_recipe, published_shared_recipe
from optuna_nas.objectives.one_shot._learner import MixedNetwork
from optuna_nas.objectives.one_shot._readings import SearchReading, keep_readings, skip_share
from optuna_nas.spaces import (
    DARTSSpace,
    ENASMacroSpace,
    ENASMicroSpace,
    NASBench201Space,
    choice,
    function_space,
)
from optuna_nas.spaces.base import AlphaLayout, OneShotDefaults
from optuna_nas.training import recipes

pytestmark = pytest.mark.usefixtures("one_thread")


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnSpace(NASBench201Space):
    """NAS-Bench-201 under another name, with skips, nodes and recipes of its own."""

    name: ClassVar[str] = "own"
    one_shot: ClassVar[OneShotDefaults] = OneShotDefaults(
        recipe={"lr": 0.07}, shared_recipe="enas_micro_search"
    )

    def alpha_layout(self, choices):
        into_last = tuple(name for name in choices if name.startswith("op_3_"))
        rest = tuple(name for name in choices if name not in into_last)
        return AlphaLayout(
            choices=choices,
            cells=(into_last, rest),
            nodes=(into_last,),
            edges_kept=1,
            skips=frozenset({"avg_pool_3x3"}),
        )


def test_a_space_names_its_skips_and_cells():
    supernet = OwnSpace().supernet(**SIZE)
    names = list(OwnSpace().distributions())
    cell = dict.fromkeys(names, "skip_connect") | dict.fromkeys(names[-2:], "avg_pool_3x3")
    assert skip_share(supernet, OwnSpace().architecture(cell)) == pytest.approx(2 / 3)
    plain = NASBench201Space()
    share = skip_share(plain.supernet(**SIZE), plain.architecture(cell))
    assert share == pytest.approx(4 / 6)


def test_a_share_of_skips_is_kept_where_there_are_some():
    """A share of nothing is none: it would look like a search that does not collapse."""
    reading = SearchReading(entropy=1.0, skip_share=0.0, weights={}, params={})

    @function_space
    def without(trial, num_classes=10, in_channels=1):
        body = choice(trial, "op", {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh})
        return torch.nn.Sequential(body, torch.nn.Flatten(), torch.nn.LazyLinear(num_classes))

    for supernet, known in (
        (NASBench201Space().supernet(**SIZE), True),
        (without.supernet(), False),
    ):
        trial = optuna.create_study().ask()
        keep_readings(trial, [reading], supernet)
        assert (SKIP_SHARE_KEY in trial.user_attrs) == known


def test_a_space_names_the_edges_that_stay():
    """DARTS-PT leaves one of the three edges into the last node of `OwnSpace`."""
    options = {"selection": Perturbation(tune_epochs=0), "epochs": 1, "value": "one_shot"}
    found = OwnSpace().architecture(run(objective(OwnSpace(), **options)).trials[0])
    last = [op for name, op in found.params.items() if name.startswith("op_3_")]
    assert last.count("none") == 2


def test_a_space_says_its_recipes():
    assert (published_recipe(OwnSpace(), DATA).lr, published_recipe(OwnSpace(), DATA).lr_min) == (
        0.07,
        0.001,
    )
    shared = published_shared_recipe(OwnSpace(), DATA)
    assert shared == dataclasses.replace(recipes.ENAS_MICRO_SEARCH, drop_path=0.0)
    ours = published_recipe(NASBench201Space(), DATA)
    assert (ours.nesterov, ours.weight_decay, ours.clip_grad_norm) == (True, 5e-4, 5.0)
    for space in (DARTSSpace(), ENASMicroSpace(), ENASMacroSpace()):
        theirs = published_recipe(space, DATA)
        assert (theirs.nesterov, theirs.weight_decay) == (False, 3e-4)


def test_a_prefix_is_no_name():
    layout = DARTSSpace(prefix="p_", num_nodes=3).supernet(cells=1, channels=2).layout
    assert layout.cells[0][0] == "p_normal_2_from_0"
    assert [len(node) for node in layout.nodes] == [2, 3, 4] * 2
    assert layout.operations == tuple(layout.choices)
    shares = DARTSSpace(num_nodes=2).supernet(cells=1, channels=2, edge_normalisation=True).layout
    assert sorted(shares.edge_weights) == [
        *("normal_2_edges", "normal_3_edges", "reduce_2_edges", "reduce_3_edges")
    ]
    assert not shares.edge_weights & set(shares.operations)


@function_space
def named_like_edges(trial, *, num_classes: int = 10):
    linear = torch.nn.Linear(64, num_classes)
    body = choice(trial, "body_edges", {"identity": torch.nn.Identity, "relu": torch.nn.ReLU})
    return torch.nn.Sequential(torch.nn.Flatten(), body, linear)


def test_a_decision_of_any_name_is_mixed_as_asked():
    network = MixedNetwork(named_like_edges.supernet(), SigmoidMixing()).eval()
    (weights,) = network.mixture().values()
    assert weights.tolist() == pytest.approx([0.5, 0.5], abs=0.01)
    assert weights.sum() != 1.0  # of a softmax it would be
    trial = run(objective(named_like_edges, supernet={}, build={}, mixing=SigmoidMixing())).trials[
        0
    ]
    assert trial.state == TrialState.COMPLETE


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cells": (("c",),)}, "`cells` must name alphas, which are a, b, but got"),
        ({"edge_weights": frozenset({"c"})}, "`edge_weights` must name alphas"),
        ({"nodes": (("a", "c"),)}, "`nodes` must name alphas, which are"),
        ({"nodes": (("a", "b"),)}, "`nodes` must name alphas with the choice 'none'.*'b' chooses"),
    ],
)
def test_a_layout_that_does_not_fit(settings, message):
    with pytest.raises(ValueError, match=message):
        AlphaLayout(choices={"a": ("none", "x"), "b": ("x", "y")}, **settings)
