"""Spaces whose operations read as many channels as they are given, wherever weights are needed."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import optuna
import pytest
import torch
from darts_searches import DATA, RECIPE, SIZE, SPACE, objective, run
from optuna.trial import TrialState
from torch import nn
from torch.nn.parameter import is_lazy

from optuna_nas.nn import make_op
from optuna_nas.objectives import (
    AlphaRecipe,
    DirichletMixing,
    EigenvalueStop,
    GumbelMixing,
    Perturbation,
    SharedWeightsObjective,
    SigmoidMixing,
    SoftmaxMixing,
    estimate,
)
from optuna_nas.objectives.one_shot._supernets import make_supernet
from optuna_nas.objectives.proxies import PROXIES
from optuna_nas.spaces import CellSpace, choice, function_space
from optuna_nas.training import fit, seeded
from optuna_nas.training.loop import load_checkpoint

pytestmark = pytest.mark.usefixtures("one_thread")


@function_space
def net(trial, num_classes=10, in_channels=3):
    """That of docs/guide.md, narrower."""

    def conv(kernel):
        return lambda: make_op(f"sep_conv_{kernel}x{kernel}", 4)

    body = [
        choice(trial, f"layer_{i}_op", {"sep_conv_3x3": conv(3), "sep_conv_5x5": conv(5)})
        for i in range(2)
    ]
    stem = nn.Conv2d(in_channels, 4, 3, padding=1)
    return nn.Sequential(
        stem, *body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes)
    )


@function_space
def lazy_net(trial, num_classes=10):
    """Projections that are needed, and not; lazy modules of torch; a choice within a choice."""

    def op(name, channels=8):
        return lambda: make_op(name, channels, family="nasnet")

    def either():
        return choice(trial, "inner", {"max": op("max_pool_3x3"), "conv": op("sep_conv_3x3")})

    def own():
        return nn.Sequential(nn.LazyConv2d(8, 1), nn.LazyBatchNorm2d(), nn.ReLU())

    return nn.Sequential(
        nn.Dropout(0.1),
        choice(trial, "stem", {"conv": op("conv_3x3"), "own": own, "pool": op("avg_pool_3x3")}),
        choice(trial, "outer", {"skip": op("skip_connect"), "either": either}),
        make_op("max_pool_3x3", 8, stride=2),
        nn.Flatten(),
        nn.LazyLinear(num_classes),
    )


def own_op(channels, stride):
    return nn.Sequential(nn.LazyConv2d(channels, 1, stride), nn.LazyBatchNorm2d())


ORDERS = {
    "first": {},
    "second": {"order": 2},
    "exact": {"order": 2, "alpha": AlphaRecipe(lr=0.1, exact=True)},
}
MIXINGS = (SoftmaxMixing(), GumbelMixing(), SigmoidMixing(), DirichletMixing())
SELECTIONS = (None, Perturbation(tune_epochs=1))
STOPS = (None, EigenvalueStop(window=1, lag=1, from_epoch=0))


def goes_together(order, mixing, selection, stop):
    if mixing.hard:
        return order == "first" and selection is None and stop is None
    return not (order != "first" and mixing.samples) and (selection is None or stop is None)


COMBINATIONS = [
    combination
    for combination in itertools.product(ORDERS, MIXINGS, SELECTIONS, STOPS)
    if goes_together(*combination)
]


def searched(space, **options: Any):
    options = {"supernet": {}, "build": {}, "epochs": 2} | options
    return objective(space, **options)


@pytest.mark.parametrize(("order", "mixing", "selection", "stop"), COMBINATIONS)
@pytest.mark.parametrize(
    "space", [net, pytest.param(lazy_net, marks=pytest.mark.slow)], ids=["net", "lazy_net"]
)
def test_darts_on_a_lazy_space(space, order, mixing, selection, stop):
    options = {"mixing": mixing, "selection": selection, "stop": stop, **ORDERS[order]}
    trial = run(searched(space, **options)).trials[0]
    assert trial.state == TrialState.COMPLETE
    assert 0.0 < trial.value < 1.0
    assert len(trial.user_attrs["optuna_nas:darts:entropy"]) == 2


def test_all_combinations_are_there():
    assert len(COMBINATIONS) == 3 * 3 + 1 + 3 * 3 + 3  # softmax, GDAS, sigmoid, Dirichlet


@pytest.mark.parametrize(
    "space",
    [
        net,
        lazy_net,
        CellSpace(num_blocks=1, ops={"mine": own_op}),
    ],
    ids=["net", "lazy_net", "cells"],
)
def test_a_supernet_has_all_its_weights(space):
    arguments = {"in_channels": 1} if "in_channels" in space.supernet_arguments else {}
    arguments |= {"cells": 1, "channels": 2} if "cells" in space.supernet_arguments else {}
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    supernet = make_supernet(space, arguments, DATA, seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not any(map(is_lazy, [*supernet.parameters(), *supernet.buffers()]))
    assert all(module.training for module in supernet.modules())
    for norm in supernet.modules():
        if isinstance(norm, nn.BatchNorm2d) and norm.track_running_stats:
            assert not norm.running_mean.any()
            assert (norm.running_var == 1.0).all()
            assert norm.num_batches_tracked == 0
    again = make_supernet(space, arguments, DATA, seed=3).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in supernet.state_dict().items())


def test_a_supernet_without_lazy_modules_stays_untouched(monkeypatch):
    with seeded(3):
        expected = SPACE.supernet(num_classes=10, in_channels=1, **SIZE)
    monkeypatch.setattr(type(expected), "forward", None)  # it is not run
    arguments = {"num_classes": 10, "in_channels": 1, **SIZE}
    supernet = make_supernet(SPACE, arguments, DATA, seed=3).state_dict()
    assert all(torch.equal(v, supernet[name]) for name, v in expected.state_dict().items())


@function_space
def unused(trial, num_classes=10):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.LazyLinear(num_classes)
            self.spare = nn.LazyLinear(2)
            self.op = choice(trial, "op", {"relu": nn.ReLU, "tanh": nn.Tanh})

        def forward(self, x):
            return self.head(self.op(x).flatten(1))

    return Net()


def test_a_module_that_is_never_used():
    with pytest.raises(ValueError, match=r"`model` must use all its lazy.*spare\.weight.*sizes"):
        make_supernet(unused, {}, DATA, seed=0)


@pytest.mark.parametrize("phase", ["search", "evaluation"])
def test_a_search_that_stops_goes_on(tmp_path, phase):
    """The supernet goes on from its checkpoint, and so does what was derived from it."""

    def end(*event):
        if (event[0], event[1].epoch) == (phase, 1):
            raise optuna.TrialPruned

    options = {"order": 2, "eval_epochs": 2}
    whole = run(searched(lazy_net, **options)).trials[0]
    kept = {"checkpoints": tmp_path, "keep_checkpoints": 1}
    study = optuna.create_study(direction="maximize")
    trial = study.ask()
    with pytest.raises(optuna.TrialPruned):
        searched(lazy_net, on_epoch=end, **kept, **options)(trial)
    restored = []

    def note(*event):
        restored.append((*event[:1], event[1].epoch, event[1].restored))

    ours = searched(lazy_net, on_epoch=note, **kept, **options)
    value = ours(trial)
    assert (phase, 1, True) in restored
    assert (phase, 2, False) in restored
    assert value == whole.value
    study.tell(trial, value)
    assert study.trials[0].intermediate_values == whole.intermediate_values
    assert lazy_net.architecture(study.trials[0]) == lazy_net.architecture(whole)
    supernet = ours.trained_supernet(study.trials[0])
    assert supernet.derive() == lazy_net.architecture(whole)


def shared(space, **options: Any):
    study = optuna.create_study(
        study_name="s", direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0)
    )
    settings = {"schedule": "pretrain", "epochs": 2, "recipe": RECIPE, "device": "cpu"}
    ours = SharedWeightsObjective(space, DATA, **settings | options)
    study.optimize(ours, n_trials=3)
    return ours, [trial.value for trial in study.trials]


def test_shared_weights_on_a_lazy_space(tmp_path):
    ours, values = shared(lazy_net)
    norms = [m for m in ours.weights._network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    assert all(norm.running_mean is None for norm in norms)  # children have none in common
    told = []
    for _ in range(2):  # the second one goes on with the weights of the first
        kept = {"checkpoints": tmp_path, "on_epoch": lambda *event: told.append(event)}
        assert shared(lazy_net, **kept)[1] == values
    assert len(told) == 2


@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_a_training_goes_on(tmp_path, ema_decay):
    params = {"stem": "pool", "outer": "either", "inner": "conv"}
    architecture = lazy_net.architecture(params)
    recipe = dataclasses.replace(RECIPE, ema_decay=ema_decay, batch_norm_momentum=0.3)

    def build():
        with seeded(0):
            return architecture.build()

    def end(result):
        if result.epoch == 1:
            raise optuna.TrialPruned

    options = {"epochs": 3, "recipe": recipe, "device": "cpu"}
    whole = build()
    history = fit(whole, DATA, **options)
    path = tmp_path / "run.pt"
    with pytest.raises(optuna.TrialPruned):
        fit(build(), DATA, checkpoint=path, on_epoch=end, **options)
    again = fit(build(), DATA, checkpoint=path, **options)
    losses = [[epoch.val_loss for epoch in one.epochs] for one in (history, again)]
    assert losses[0] == losses[1]
    loaded = build()
    load_checkpoint(loaded, path)
    x = torch.rand(3, 1, 8, 8)
    assert torch.equal(loaded(x), whole(x))
    momenta = {m.momentum for m in whole.modules() if isinstance(m, nn.BatchNorm2d)}
    assert momenta == {0.3}


def test_a_training_in_channels_last():
    """Weights get their memory format when they have their shapes; results stay the caller's."""
    found = []
    for state in (0, 1):
        torch.manual_seed(state)
        with seeded(0):
            model = net.architecture({f"layer_{i}_op": "sep_conv_3x3" for i in range(2)}).build(
                in_channels=1
            )
        history = fit(model, DATA, epochs=1, recipe=RECIPE, device="cpu", channels_last=True)
        found.append(history.last.val_loss)
    assert found[0] == found[1]
    weight = model.get_parameter("1.op.0.2.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("proxy", PROXIES)
def test_proxies_of_a_lazy_supernet(proxy):
    images, labels = torch.rand(4, 1, 8, 8), torch.arange(4)
    with seeded(0):
        lazy = lazy_net.supernet()
    finished = make_supernet(lazy_net, {}, DATA, seed=0)
    for supernet in (lazy, finished):
        assert PROXIES[proxy](supernet, images, labels) > -1e9


def test_estimate_of_a_lazy_space():
    assert estimate(lazy_net, DATA, samples=3, device="cpu").seconds_per_epoch > 0.0
