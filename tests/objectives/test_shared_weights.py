"""Shared weights: what a step touches, when the weights learn, and from whom."""

from __future__ import annotations

import warnings
from typing import ClassVar

import optuna
import pytest
import torch
from optuna.trial import TrialState
from shared_children import DATA, EPOCH, SIZE, SPACE, objective, study, supernet_of, values

from optuna_nas.objectives import SharedWeightsObjective
from optuna_nas.samplers import RandomSearchSampler, ReinforceSampler
from optuna_nas.spaces import (
    DARTSSpace,
    ENASMacroSpace,
    ENASMicroSpace,
    choice,
    function_space,
    sample_architectures,
)
from optuna_nas.training import NonFiniteLossError, Recipe

pytestmark = pytest.mark.usefixtures("one_thread")


class Watched(torch.nn.Linear):
    """Notes in which mode it is called."""

    modes: ClassVar[list[bool]] = []

    def forward(self, x):
        self.modes.append(self.training)
        return super().forward(x)


@function_space
def watched(trial, *, num_classes: int = 10):
    body = choice(trial, "body", {"identity": torch.nn.Identity, "relu": torch.nn.ReLU})
    return torch.nn.Sequential(body, torch.nn.Flatten(), Watched(64, num_classes))


def test_weights_are_trained_in_train_mode_and_evaluate_in_eval_mode():
    Watched.modes.clear()
    ours = objective(watched, supernet={}, epochs=2)
    study().optimize(ours, n_trials=6)  # four steps, four children, four steps, two children
    assert Watched.modes == [True] * 4 + [False] * 4 + [True] * 4 + [False] * 2


def test_weights_learn_before_each_block_of_trials():
    ours = study()
    told = []
    ours.optimize(objective(on_epoch=lambda *event: told.append(event)), n_trials=14)
    assert [(phase, result.epoch) for phase, result in told] == [
        *(("shared_weights", 1), ("shared_weights", 2), ("shared_weights", 3))
    ]
    assert [trial.user_attrs[EPOCH] for trial in ours.trials] == [
        *(1, 1, 1, 1, 2, 2, 2, 2),
        *(3, 3, 3, 3, 3, 3),
    ]
    again = study()
    again.optimize(objective(), n_trials=14)
    assert values(ours) == values(again)
    assert len(set(values(ours))) > 3


def test_children_are_those_that_the_sampler_proposes():
    asked = []

    class Noting(RandomSearchSampler):
        def propose(self, study, suggest, n, *, seed=None):
            asked.append((len(study.trials), n))
            return [SPACE.architecture(dict.fromkeys(SPACE.distributions(), "nor_conv_1x1"))] * n

    sharing = objective()
    before = {name: w.clone() for name, w in supernet_of(sharing).weights().items()}
    study(Noting(seed=0)).optimize(sharing, n_trials=5)
    assert asked == [(1, 4), (5, 4)]  # 64 images in batches of 16, before trials 0 and 4
    changed = {
        name
        for name, weight in supernet_of(sharing).weights().items()
        if not torch.equal(weight, before[name])
    }
    on_edges = {name for name in before if ".mixed." in name}
    used = {name for name in on_edges if ".ops.1." in name}  # beside identity, without `none`
    assert changed & on_edges == used
    assert changed - on_edges


def test_a_step_touches_only_its_path():
    """Neither momentum nor weight decay moves what a child does not use."""
    sharing = objective(recipe=Recipe(batch_size=16, weight_decay=0.1))
    children = sample_architectures(SPACE, 4, seed=3)
    shared = sharing.weights
    shared.train_until(1, lambda epoch, steps: children)
    rest = {name: w.clone() for name, w in supernet_of(sharing).weights().items()}
    child = SPACE.architecture(dict.fromkeys(SPACE.distributions(), "skip_connect"))
    shared.train_until(2, lambda epoch, steps: [child] * steps)
    for name, weight in supernet_of(sharing).weights().items():
        assert torch.equal(weight, rest[name]) == (".mixed." in name), name
    assert all(p.grad is None for p in supernet_of(sharing).alphas().values())


def test_pretrain_trains_first_and_then_evaluates():
    ours = study(optuna.samplers.TPESampler(seed=0))
    sharing = objective(schedule="pretrain")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours.optimize(sharing, n_trials=5)
    assert {trial.user_attrs[EPOCH] for trial in ours.trials} == {3}
    before = {name: w.clone() for name, w in supernet_of(sharing).weights().items()}
    ours.optimize(sharing, n_trials=2)
    assert all(torch.equal(w, before[n]) for n, w in supernet_of(sharing).weights().items())


def test_other_samplers_train_on_uniform_children_with_a_warning():
    sharing, tpe = objective(), study(optuna.samplers.TPESampler(seed=0))
    with pytest.warns(UserWarning, match="uniformly sampled children.*has no `propose`"):
        tpe.optimize(sharing, n_trials=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # once is enough
        tpe.optimize(sharing, n_trials=5)


@pytest.mark.parametrize(
    ("space", "sampler", "supernet"),
    [
        (ENASMicroSpace(num_blocks=1), ReinforceSampler.enas_micro(seed=0, batch_size=2), SIZE),
        (ENASMacroSpace(num_layers=3), ReinforceSampler.enas_macro(seed=0), {"channels": 2}),
        (DARTSSpace(num_nodes=1), RandomSearchSampler(seed=0), {"cells": 3, "channels": 2}),
    ],
)
def test_other_spaces(space, sampler, supernet):
    ours = study(sampler)
    sharing = objective(space, supernet=supernet, epochs=2, children_per_epoch=3)
    ours.optimize(sharing, n_trials=6)
    assert {trial.state for trial in ours.trials} == {TrialState.COMPLETE}
    assert sharing.weights.epochs_done == 2


def test_published_recipes():
    micro = SharedWeightsObjective(ENASMicroSpace(), DATA, device="cpu").recipe
    assert (micro.batch_size, micro.lr, micro.weight_decay, micro.drop_path) == (
        160,
        0.05,
        2e-4,
        0,
    )
    macro = SharedWeightsObjective(ENASMacroSpace(num_layers=3), DATA, device="cpu").recipe
    assert (macro.batch_size, macro.weight_decay) == (128, 5e-4)
    assert SharedWeightsObjective(DARTSSpace(), DATA, device="cpu").recipe.lr_min == 0.001


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"schedule": "both"}, ValueError, "`schedule` must be one of"),
        ({"epochs": 0}, ValueError, "`epochs` must be at least 1"),
        ({"children_per_epoch": 0}, ValueError, "`children_per_epoch` must be"),
        ({"supernet": {"depth": 1}}, TypeError, r"`supernet` must name.*not \['depth'\]"),
        ({"keep_checkpoints": 1}, ValueError, "`keep_checkpoints` must be 0, since all trials"),
        ({"weights": "shared.pt"}, TypeError, r"SharedWeightsObjective takes .*not \['weights'\]"),
    ],
)
def test_settings_out_of_range(options, error, message):
    with pytest.raises(error, match=message):
        objective(**options)


def test_a_study_that_does_not_fit():
    with pytest.raises(ValueError, match="direction=.maximize"):
        objective()(optuna.create_study().ask())
    ours = study()
    ours.optimize(objective(), n_trials=1)
    with pytest.raises(ValueError, match="children_per_epoch was 4 and is now 5"):
        ours.optimize(objective(children_per_epoch=5), n_trials=1)
    with pytest.raises(NonFiniteLossError):  # nobody's fault but the settings'
        study().optimize(objective(recipe=Recipe(lr=1e30, batch_size=16)), n_trials=1)
