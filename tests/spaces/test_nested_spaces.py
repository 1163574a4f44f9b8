"""Spaces of this package within functions of a trial: decisions, identity and networks."""

import dataclasses

import optuna
import pytest
import torch
from nested_examples import (
    CALLED,
    DISCRETE,
    ENCODER,
    RELAXED,
    SIZE,
    X,
    around,
    either,
    outer,
    sides,
    tiny,
    unet,
)
from space_testing import new_study, sample
from torch import nn

from optuna_nas.spaces import (
    Architecture,
    DARTSSpace,
    NASBench201Space,
    NASRLSpace,
    PNASSpace,
    function_space,
    published,
)
from optuna_nas.testing import SpaceTestCase

ANYTHING = {"num_classes": 0, "cells": 1, "channels": 4}


@pytest.fixture(params=[*RELAXED, *DISCRETE], ids=lambda space: space.name)
def called(request, monkeypatch):
    """A function around each space."""
    monkeypatch.setitem(CALLED, "space", request.param)
    monkeypatch.setitem(CALLED, "arguments", {**RELAXED, **DISCRETE}[request.param])
    return request.param


class TestFunctionOfSpaces(SpaceTestCase):
    num_samples = 6
    num_builds = 1
    num_comparisons = 2
    num_neighbours = 10

    @pytest.fixture
    def space(self):
        return tiny

    def inputs(self, space):
        return [X]

    def test_number(self, space):
        assert space.num_architectures == 16 * 4 * 2


def test_every_space_can_stand_in_a_function(called):
    architecture = sample(around, 1)[0]
    inner = called.architecture(architecture.params)
    assert architecture.params == inner.params  # nothing but the space decides
    torch.manual_seed(0)
    module = architecture.build(num_classes=4)
    assert module(X).shape == (2, 4)
    alone = inner.build(num_classes=4, **CALLED["arguments"])
    theirs = {f"1.{name}": p.shape for name, p in alone.state_dict().items()}
    ours = {name: p.shape for name, p in module.state_dict().items() if name.startswith("1.")}
    assert ours == theirs


def test_an_architecture_goes_to_json_and_back():
    architecture = sample(sides, 1)[0]
    again = Architecture.from_json(architecture.to_json(), sides)
    assert again == architecture
    assert again.digest == architecture.digest
    assert {name.split("_")[1] for name in architecture.params} == {"front", "side", "head"}
    parts = again.genotype.parts
    assert list(parts) == ["front_", "side_"]
    assert parts["side_"] == NASBench201Space(prefix="side_").architecture(
        {name.removeprefix("my_"): value for name, value in architecture.params.items()}
    )


def test_an_encoder_within_a_larger_network_learns():
    model = sample(unet, 1)[0].build(num_classes=5)
    y = model(X)
    assert y.shape == (2, 5, 16, 16)
    y.square().mean().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_digests_know_decisions_settings_and_versions(monkeypatch):
    one, other = sample(unet, 2)
    assert one.digest != other.digest
    before = one.digest
    monkeypatch.setattr(DARTSSpace, "version", 2)
    changed = unet.architecture(one.params).digest
    assert changed != before


def test_digests_without_inner_spaces_are_what_they_were():
    from function_examples import chain_net

    architecture = sample(chain_net, 1)[0]
    assert chain_net.canonical(architecture.genotype).keys() == {"source", "decisions"}


def test_a_study_searches_it_and_takes_a_published_cell():
    study = new_study()
    cell = sample(ENCODER, 1, seed=5)[0]
    unet.architecture(cell.params).enqueue(study)
    study.optimize(lambda trial: len(str(unet.suggest(trial))), n_trials=3)
    assert unet.architecture(study.trials[0]).genotype.parts["enc_"] == cell
    assert len({unet.architecture(trial).digest for trial in study.trials}) == 3


def test_a_space_outside_of_functions_suggests_and_builds():
    study = new_study()
    trial = study.ask()
    model = NASBench201Space()(trial, num_classes=3, cells=1, channels=4, affine=True)
    assert model(torch.zeros(1, 3, 8, 8)).shape == (1, 3)  # `affine` is the supernet's
    assert len(trial.params) == 6
    fixed = optuna.trial.FixedTrial(published.NASBENCH201_RESNET.params)
    assert NASBench201Space()(fixed, **ANYTHING).num_features == 16


def test_decisions_are_asked_for_under_their_condition_only():
    for architecture in sample(either, 12):
        kind = architecture.params["kind"]
        assert list(architecture.genotype.parts) == ([] if kind == "plain" else [f"{kind}_"])
        assert {name.split("_")[0] for name in architecture.params} <= {"kind", kind}


def test_functions_within_functions():
    architecture = sample(outer, 1)[0]
    assert all(name.startswith("in_nb_op_") for name in architecture.params)
    assert list(architecture.genotype.parts) == ["in_nb_"]
    assert architecture.build()(X).shape == (2, 3)


def test_a_function_with_a_prefix_has_it_on_every_trial():
    trial = new_study().ask()
    sides(trial, num_classes=4)
    assert all(name.startswith("my_") for name in trial.params)
    assert sides.suggest(trial).params == trial.params


def test_scheduled_depths_follow_the_number_of_the_trial():
    @function_space
    def deep(trial):
        chains = NASRLSpace(num_layers=(1, 4), depth_schedule=(1, 1, 1), prefix="rl_")
        return chains(trial, num_classes=2)

    study = new_study()
    study.optimize(lambda trial: len(str(deep.suggest(trial))), n_trials=3)
    assert [trial.params["rl_num_layers"] for trial in study.trials] == [1, 2, 3]


# Mistakes


def twice(first, second):
    @function_space
    def both(trial):
        return nn.Sequential(*(space(trial, **ANYTHING) for space in (first, second)))

    return both


def test_the_same_prefix_twice():
    space = NASBench201Space(prefix="a_")
    message = (
        r"`prefix` must differ .*FunctionSpace\(.*prefix='a_' is that of NASBench201Space.*b_"
    )
    with pytest.raises(ValueError, match=message):
        sample(twice(space, space), 1)
    with pytest.raises(ValueError, match=message):
        twice(space, space).supernet()
    with pytest.raises(ValueError, match="prefix='' is that of DARTSSpace.* and of NASBench201S"):
        sample(twice(DARTSSpace(num_nodes=1), NASBench201Space()), 1)
    assert len(sample(twice(space, dataclasses.replace(space, prefix="b_")), 1)[0].params) == 12


def test_names_of_the_function_itself():
    @function_space
    def clash(trial):
        trial.suggest_categorical("a_op_1_from_0", ("none", "skip_connect"))
        return NASBench201Space(prefix="a_")(trial, **ANYTHING)

    @function_space
    def later(trial):
        module = NASBench201Space(prefix="a_")(trial, **ANYTHING)
        trial.suggest_categorical("a_op_1_from_0", ("none", "skip_connect"))
        return module

    with pytest.raises(
        ValueError, match=r"`a_op_1_from_0` is a decision of NASBench201Space.*bef"
    ):
        sample(clash, 1)
    with pytest.raises(ValueError, match="`a_op_1_from_0` is asked for twice"):
        sample(later, 1)


def test_unknown_arguments():
    @function_space
    def wrong(trial):
        return DARTSSpace(num_nodes=1)(trial, **SIZE, colour="red")

    with pytest.raises(TypeError, match=r"does not take the build arguments \['colour'\]"):
        sample(wrong, 1)
    with pytest.raises(TypeError, match=r"does not take the build arguments \['colour'\]"):
        wrong.supernet()


def test_a_conditional_space_keeps_its_word():
    @function_space
    def growing(trial):
        return PNASSpace(num_blocks=(1, 2), prefix="p_")(trial, **ANYTHING)

    sizes = {len(architecture.params) for architecture in sample(growing, 6)}
    assert sizes == {5, 9}
    with pytest.raises(ValueError, match="no fixed list of decisions"):
        growing.supernet()
