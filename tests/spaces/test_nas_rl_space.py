"""Facts of specs/nas_rl.md, depth schedule, notation, and digests against real networks."""

import random

import optuna
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from space_testing import new_study, sample
from torch.utils.flop_counter import FlopCounterMode

from optuna_nas.nn.networks import ConcatChain
from optuna_nas.spaces import Architecture, NASRLSpace, published

V1 = published.NAS_RL_V1
GROWING = NASRLSpace(num_layers=(6, 22), depth_schedule=(6, 2, 1600))


# Facts


def test_v1_parameters():
    with torch.device("meta"):
        model = V1.build(num_classes=10)
    conv = sum(p.numel() for p in model.layers.parameters() if p.dim() == 4)
    norm = sum(p.numel() for p in model.layers.parameters() if p.dim() == 1)
    fc = sum(p.numel() for p in model.head.parameters())
    assert (conv, norm, fc) == (4_199_868, 1_272, 490)
    assert conv + norm + fc == 4_201_630


def test_v1_multiply_adds_and_edges():
    with torch.device("meta"):
        model = V1.build().eval()
        with FlopCounterMode(display=False) as counter:
            model(torch.zeros(1, 3, 32, 32))
    assert counter.get_total_flops() // 2 == 4_300_664_832 + 480
    assert sum(len(inputs) for inputs in model.inputs) == 66
    assert model.outputs == (15,)


def test_sizes():
    assert NASRLSpace(num_layers=6).num_architectures == 2_251_799_813_685_248 == 2**51
    assert NASRLSpace(num_layers=15).num_architectures == 2**195
    assert NASRLSpace(num_layers=2, strides=(1, 2, 3)).num_architectures == (64 * 9) ** 2 * 2
    ranged = NASRLSpace(num_layers=(1, 3))
    assert ranged.num_architectures == 64 + 64**2 * 2 + 64**3 * 8


@pytest.mark.parametrize(
    ("number", "depth"), [(0, 6), (1599, 6), (1600, 8), (12_799, 20), (12_800, 22), (99_999, 22)]
)
def test_scheduled_depth(number, depth):
    assert GROWING.scheduled_depth(number) == depth


def test_no_anchors():
    space = NASRLSpace(num_layers=4)
    lonely = space.parse("3x3@24 | 1x1@36 | 5x5@48 <- 0 | 7x7@64")
    model = lonely.build()
    assert model.inputs == [(0,)] * 4
    assert model.outputs == (1, 2, 3, 4)
    assert model.head.fc.in_features == 24 + 36 + 48 + 64


@pytest.mark.parametrize("depth", [1, 6, 15])
def test_numbers_of_decisions(depth):
    names = list(NASRLSpace(num_layers=depth).distributions())
    anchors = [name for name in names if "_from_" in name]
    assert len(anchors) == depth * (depth - 1) // 2
    assert len(names) - len(anchors) == 3 * depth
    assert sum(name.startswith(f"layer_{depth:02d}_from_") for name in names) == depth - 1


def test_golden_names_and_json():
    """Stored in people's studies: a change here breaks them."""
    space = NASRLSpace(num_layers=(2, 2), strides=(1, 2))
    trial = new_study().ask()
    architecture = space.suggest(trial)
    assert {name: list(getattr(d, "choices", [])) for name, d in trial.distributions.items()} == {
        "num_layers": [],
        "layer_01_height": [1, 3, 5, 7],
        "layer_01_width": [1, 3, 5, 7],
        "layer_01_stride_height": [1, 2],
        "layer_01_stride_width": [1, 2],
        "layer_01_filters": [24, 36, 48, 64],
        "layer_02_height": [1, 3, 5, 7],
        "layer_02_width": [1, 3, 5, 7],
        "layer_02_stride_height": [1, 2],
        "layer_02_stride_width": [1, 2],
        "layer_02_filters": [24, 36, 48, 64],
        "layer_02_from_01": [False, True],
    }
    assert architecture.to_json().startswith(
        '{"space": "nas_rl", "version": 1, "settings": {"prefix": "", "num_layers": [2, 2], '
        '"strides": [1, 2], "depth_schedule": null, "filters": [24, 36, 48, 64], '
        '"block_layers": 1, "pool_after": []}, "params": {'
    )


def test_names_do_not_depend_on_settings():
    small, large = NASRLSpace(num_layers=3), NASRLSpace(num_layers=9)
    assert small.distributions().items() <= large.distributions().items()


# Depth schedule


def test_schedule_narrows_live_trials():
    space = NASRLSpace(num_layers=(1, 4), depth_schedule=(2, 1, 2))
    study = new_study()
    depths = []
    study.optimize(lambda t: depths.append(len(space.suggest(t).genotype)) or 0.0, n_trials=8)
    assert depths == [2, 2, 3, 3, 4, 4, 4, 4]
    assert [space.architecture(t).params["num_layers"] for t in study.trials] == depths


def test_schedule_leaves_enqueued_depths_alone():
    space = NASRLSpace(num_layers=(1, 4), depth_schedule=(2, 1, 2))
    wanted = space.parse("3x3@36 | 3x3@36 | 5x5@24 | 1x7@64")
    study = new_study()
    study.enqueue_trial({"num_layers": 1})
    wanted.enqueue(study)
    assert len(space.suggest(study.ask()).genotype) == 1
    assert space.suggest(study.ask()) == wanted


def test_schedule_under_tpe_and_fixed_trials():
    space = NASRLSpace(num_layers=(1, 3), depth_schedule=(1, 1, 4))
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(n_startup_trials=2, seed=0))
    study.optimize(lambda trial: len(str(space.suggest(trial))), n_trials=9)
    for trial in study.trials:
        assert space.architecture(trial).params == trial.params
        fixed = optuna.trial.FixedTrial(trial.params, number=0)
        assert space.suggest(fixed).params == trial.params


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_layers": 0}, r"`num_layers` must be .* within \[1, 99\], but got num_layers=0"),
        ({"num_layers": (5, 3)}, "`num_layers` must be"),
        ({"num_layers": 100}, "`num_layers` must be"),
        ({"num_layers": [6, 22]}, "`num_layers` must be an int or a range"),
        ({"num_layers": (6, 22, 2)}, "`num_layers` must be an int or a range"),
        ({"strides": ()}, "`strides` must be different positive integers"),
        ({"strides": (1, 1)}, r"but got strides=\(1, 1\)"),
        ({"depth_schedule": (6, 2, 1600)}, "`depth_schedule` needs a range of depths"),
        ({"num_layers": (6, 9), "depth_schedule": (6, 2, 0)}, "every >= 1"),
    ],
)
def test_wrong_settings(options, message):
    with pytest.raises(ValueError, match=message):
        NASRLSpace(**options)


def test_a_space_without_schedule_says_so():
    with pytest.raises(ValueError, match="has no depth schedule"):
        V1.space.scheduled_depth(3)


# Other spaces


def test_a_smaller_space_refuses_a_larger_ones_trial():
    larger = sample(NASRLSpace(num_layers=3), 1)[0]
    with pytest.raises(ValueError, match=r"did not ask for \['layer_03_filters'.*other settings"):
        NASRLSpace(num_layers=2).architecture(larger.params)
    study = new_study()
    study.enqueue_trial(larger.params)
    with pytest.raises(ValueError, match="did not ask for"):
        NASRLSpace(num_layers=2).suggest(study.ask())


def test_enqueueing_into_other_settings_names_the_difference():
    study = new_study()
    V1.enqueue(study)
    space = NASRLSpace(num_layers=(6, 22), strides=(1, 2, 3))
    with pytest.raises(ValueError, match="num_layers=.6, 22. here, num_layers=15 there; strides="):
        space.suggest(study.ask())
    study.tell(0, state=optuna.trial.TrialState.FAIL)
    with pytest.raises(ValueError, match="architecture of trial 0.*num_layers="):
        space.architecture(study.trials[0])


def test_digest_covers_what_decides_on_the_network():
    text = "3x3@36 | 5x5@24 <- 1"
    digest = NASRLSpace(num_layers=2).parse(text).digest
    assert NASRLSpace(num_layers=(1, 3)).parse(text).digest != digest
    scheduled = NASRLSpace(num_layers=(1, 3), depth_schedule=(1, 1, 5)).parse(text)
    assert scheduled.digest == NASRLSpace(num_layers=(1, 3)).parse(text).digest


def test_a_list_of_choices_that_the_study_has_otherwise():
    study = new_study()
    study.ask().suggest_categorical("layer_01_height", [7, 5, 3, 1])
    with pytest.raises(ValueError, match=r"`layer_01_height` has the choices.*give .* a `prefix`"):
        V1.space.suggest(study.ask())


def test_enqueued_numbers_become_booleans():
    space = NASRLSpace(num_layers=2)
    params = space.parse("3x3@36 | 5x5@24 <- 1").params | {"layer_02_from_01": 1}
    study = new_study()
    study.enqueue_trial(params)
    assert space.suggest(study.ask()).params["layer_02_from_01"] is True
    assert space.architecture(params).params["layer_02_from_01"] is True


# Notation


def test_notation():
    space = NASRLSpace(num_layers=(1, 5), strides=(1, 2))
    chain = space.parse(" 3x5/2x1@36|1x1@24<-0\n| 7x7@64 <- 2 , 1 ")
    assert str(chain) == "3x5/2x1@36 | 1x1@24 | 7x7@64 <- 1,2"


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("", "Expected the kernel's height", 0),
        ("3x4@36", r"the kernel's width, one of \(1, 3, 5, 7\), but got 4", 2),
        ("3@36", "Expected 'x' between the kernel's height and width", 1),
        ("3x3", "Expected '@' and the number of filters", 3),
        ("3x3@32", "number of filters, one of .* but got 32", 4),
        ("3x3/1@36", "Expected 'x' between the strides", 5),
        ("3x3/3x1@36", r"vertical stride, one of \(1, 2\), but got 3", 4),
        ("3x3@36 | 3x3@36 <- 2", "input of layer 2, one of .0, 1., but got 2", 19),
        ("3x3@36 | 3x3@36 <- 1,1", "input of layer 2.* but got 1", 21),
        ("3x3@36 | 3x3@36 <- 0,1", "image .0. is read by layers without other inputs", 22),
        ("3x3@36 | 3x3@36 <-", "Expected a further input of layer 2", 18),
        ("3x3@36 ; 3x3@36", "Expected '|' and a further layer", 7),
        ("3x3@36 |", "Expected the kernel's height", 8),
        ("3x3@36 | 3x3@36 | 3x3@36 | 3x3@36", "1 to 3 layers, but the text has 4", 33),
    ],
)
def test_wrong_text_is_pointed_at(text, message, column):
    space = NASRLSpace(num_layers=(1, 3), strides=(1, 2))
    with pytest.raises(ValueError, match=message) as caught:
        space.parse(text)
    assert f"character {column + 1})" in str(caught.value)
    assert str(caught.value).splitlines()[1:] == ["    " + text, "    " + " " * column + "^"]


def test_wrong_text_on_a_later_line():
    with pytest.raises(ValueError, match=r"line 2, character 4\)\n    \| 3y3@36\n       \^"):
        NASRLSpace(num_layers=2).parse("3x3@36\n| 3y3@36")


def test_single_stride_must_be_written():
    space = NASRLSpace(num_layers=1, strides=(2,))
    assert str(space.parse("3x3/2x2@36")) == "3x3/2x2@36"
    with pytest.raises(ValueError, match="Expected '/' and strides"):
        space.parse("3x3@36")


# Networks of different maps


def test_smaller_maps_are_padded():
    space = NASRLSpace(num_layers=2, strides=(1, 2, 3))
    model = space.parse("3x3/3x2@24 | 1x1@36").build()
    assert model(torch.zeros(2, 3, 7, 9)).shape == (2, 10)
    assert model.head.fc.in_features == 60


# Digests: relabelled chains are equal, and compute the same with the weights in their new places


def relabelled(architecture: Architecture, order: list[int]) -> Architecture:
    """Write the layers in another order; ``order[k]`` is the old number of new layer k + 1."""
    new = {old: k for k, old in enumerate(order, start=1)}
    chain = architecture.genotype
    texts = []
    for old in order:
        inputs = sorted(new[i] for i in chain[old - 1].inputs)
        texts.append(f"{chain[old - 1]} <- {','.join(map(str, inputs)) or 0}")
    return architecture.space.parse(" | ".join(texts))


def random_order(architecture: Architecture, rng: random.Random) -> list[int]:
    """A random order of the layers in which inputs stand before their readers."""
    waiting = list(range(1, len(architecture.genotype) + 1))
    order: list[int] = []
    while waiting:
        ready = [i for i in waiting if set(architecture.genotype[i - 1].inputs) <= set(order)]
        order.append(rng.choice(ready))
        waiting.remove(order[-1])
    return order


def move_weights(source: ConcatChain, target: ConcatChain, order: list[int]) -> None:
    filters = [3] + [layer[0].out_channels for layer in source.layers]
    new = {0: 0} | {old: k for k, old in enumerate(order, start=1)}

    def columns(olds):  # of the source, in the order in which the target reads them
        starts, at = {}, 0
        for old in olds:
            starts[old] = at
            at += filters[old]
        by_new = sorted(olds, key=new.__getitem__)
        return [starts[old] + c for old in by_new for c in range(filters[old])]

    for old in order:
        state = dict(source.layers[old - 1].state_dict())
        state["0.weight"] = state["0.weight"][:, columns(source.inputs[old - 1])]
        target.layers[new[old] - 1].load_state_dict(state)
    target.head.fc.bias.data = source.head.fc.bias.data
    target.head.fc.weight.data = source.head.fc.weight.data[:, columns(source.outputs)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**6))
def test_relabelled_chains_compute_the_same(seed):
    rng = random.Random(seed)
    space = NASRLSpace(num_layers=5, strides=rng.choice([(1,), (1, 2)]))
    one = sample(space, 1, seed)[0]
    order = random_order(one, rng)
    other = relabelled(one, order)
    assert one.digest == other.digest
    source, target = one.build().double().eval(), other.build().double().eval()
    move_weights(source, target, order)
    x = torch.randn(1, 3, 6, 5, dtype=torch.float64)
    assert torch.allclose(source(x), target(x), rtol=1e-10, atol=1e-12)


def test_unequal_chains_have_unequal_digests():
    space = NASRLSpace(num_layers=3)
    texts = [
        "3x3@36 | 3x3@36 <- 1 | 3x3@36 <- 2",
        "3x3@36 | 3x3@36 <- 1 | 3x3@36 <- 1,2",
        "3x3@36 | 3x3@36 | 3x3@36 <- 1,2",
        "3x3@36 | 3x3@36 | 3x3@36 <- 1",
        "3x3@36 | 3x3@36 | 3x3@36",
        "3x3@36 | 3x3@36 <- 1 | 3x3@36 <- 1",
        "3x3@36 | 3x3@36 <- 1 | 5x3@36 <- 2",
        "3x3@36 | 5x3@36 <- 1 | 3x3@36 <- 2",
    ]
    assert len({space.parse(text).digest for text in texts}) == len(texts)


def test_golden_digest():
    """Made by this package at version 0.1.0: run keys of stored results contain it."""
    assert V1.digest == "94891a54cd65c9b90dae28c2a4eb4028"
