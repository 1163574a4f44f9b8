"""Cells over a user's own operations: names, factories and networks."""

import copy
import dataclasses
import functools
import json
import pickle

import pytest
import torch
from cell_examples import AMOEBANET_OPS, OWN, OWN_OPS, OWN_SHARED, Gate, grouped, one_op
from space_testing import new_study, sample
from torch import nn

from optuna_nas.nn import make_op
from optuna_nas.nn.ops._own_op import OwnOp
from optuna_nas.profiling import profile
from optuna_nas.spaces import (
    Architecture,
    CellSpace,
    NASNetSpace,
    PNASSpace,
    sample_architectures,
)

TEXT = (
    "normal: 2 = grouped(0) + gate(1); 3 = sep(0) + max_pool_3x3(2); concat 3 "
    "| reduce: 2 = gate(0) + gate(0); 3 = grouped(1) + grouped(0); concat 2,3"
)
TWO_BLOCKS = dataclasses.replace(OWN, num_blocks=2)


# Networks


@pytest.mark.parametrize("space", [OWN, OWN_SHARED, CellSpace(ops=OWN_OPS, concat="all")])
@pytest.mark.parametrize("assembly", ["nasnet", "darts"])
def test_random_networks_learn_in_both_builders(space, assembly):
    cells = {"nasnet": 1, "darts": 3}[assembly]
    for architecture in sample_architectures(space, 3, seed=1):
        network = architecture.build(
            num_classes=3,
            cells=cells,
            channels=4,
            assembly=assembly,
            auxiliary=True,
            drop_path=0.2,
        )
        for size in (16, 20):
            network.zero_grad()
            logits, aux_logits = network(torch.randn(2, 3, size, size))
            (logits.square().sum() + aux_logits.square().sum()).backward()
            assert network.head.fc.weight.grad.abs().sum() > 0
        own = [m for m in network.modules() if isinstance(m, OwnOp)]
        assert {m.name for m in own} <= {"grouped", "gate"}
        assert network.eval()(torch.randn(1, 3, 16, 16)).shape == (1, 3)


@pytest.mark.parametrize("assembly", ["nasnet", "darts"])
def test_built_in_operations_are_those_of_nasnet(assembly):
    """With names of ours alone, a network is NASNet's, whatever the operations are called."""
    theirs = NASNetSpace(ops=AMOEBANET_OPS)
    ours = CellSpace(ops={f"op_{i}": op for i, op in enumerate(AMOEBANET_OPS)})
    for architecture in sample_architectures(ours, 5):
        params = {
            name: AMOEBANET_OPS[int(value[3:])] if "_op_" in name else value
            for name, value in architecture.params.items()
        }
        combine = {f"{c}_{s}_combine": "add" for c in ("normal", "reduce") for s in range(2, 7)}
        same = theirs.architecture({**params, **combine})
        shapes = []
        for a in (architecture, same):
            with torch.device("meta"):
                network = a.build(cells=3, channels=8, assembly=assembly)
            shapes.append([(name, p.shape) for name, p in network.named_parameters()])
        assert shapes[0] == shapes[1]


def test_factories_get_channels_and_stride():
    asked = []

    def recording(channels, stride):
        asked.append((channels, stride))
        return make_op("conv_1x1", channels, stride=stride, in_channels=channels)

    one_op(recording)
    # In every reduction cell and in no other one both operands have stride 2; widths double.
    assert asked == [(4, 1)] * 2 + [(8, 2)] * 2 + [(8, 1)] * 2 + [(16, 2)] * 2 + [(16, 1)] * 2


def test_an_own_operation_computes_what_its_module_computes():
    network = one_op(grouped).eval()
    cell = network.cells[2]
    x = torch.randn(2, 8, 6, 6)
    left, right = cell.nodes["2"].edges
    assert isinstance(left, OwnOp)
    states = {0: x, 1: -x}
    torch.testing.assert_close(cell.nodes["2"](states), left.op(x) + right.op(-x))


def test_a_projection_stands_before_an_operation_on_other_channels():
    """The first cell of NASNet reads the stem's output as it is, with three times the channels."""
    network = one_op(Gate)
    left, right = network.cells[0].nodes["2"].edges
    assert isinstance(left, OwnOp)
    projection, own = right
    assert [type(m) for m in projection] == [nn.ReLU, nn.Conv2d, nn.BatchNorm2d]
    assert projection[1].weight.shape == (4, 12, 1, 1)
    assert isinstance(own, OwnOp)


def test_batch_norms_of_an_own_operation_keep_their_epsilon():
    def normed(channels, stride):
        pool = nn.AvgPool2d(stride, ceil_mode=True)
        return nn.Sequential(pool, nn.BatchNorm2d(channels, eps=0.125))

    network = one_op(normed)
    theirs = [m for m in network.modules() if isinstance(m, OwnOp)]
    kept = [m.eps for own in theirs for m in own.modules() if isinstance(m, nn.BatchNorm2d)]
    assert set(kept) == {0.125}
    ours = [m.eps for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert set(ours) == {0.125, 1e-5}


def test_operations_that_learn_their_channels_late():
    network = one_op(lambda channels, stride: make_op("sep_conv_3x3", channels, stride=stride))
    assert network(torch.randn(2, 3, 8, 8)).shape == (2, 3)


def test_profile_counts_own_operations():
    architecture = TWO_BLOCKS.parse(TEXT)
    network = architecture.build(num_classes=3, cells=1, channels=4)
    found = profile(network, (3, 8, 8))
    assert found.params == sum(p.numel() for p in network.parameters())
    only = one_op(grouped)
    plain = one_op(lambda channels, stride: nn.AvgPool2d(stride, ceil_mode=True))
    # Ten convolutions of 2 groups: 9 C^2 / 2 multiply-adds for each pixel of their output.
    convs = sum(
        2 * 9 * c * c // 2 * size * size for c, size in ((4, 8), (8, 4), (8, 4), (16, 2), (16, 2))
    )
    assert profile(only, (3, 8, 8)).macs - profile(plain, (3, 8, 8)).macs == convs


def test_picture_names_the_operations_as_the_user_does():
    labels = {edge.label for edge in TWO_BLOCKS.parse(TEXT).graph().edges}
    assert labels == {"grouped", "gate", "sep", "max_pool_3x3", ""}
    panels = {node.panel for node in sample(OWN_SHARED, 1)[0].graph().nodes}
    assert panels == {"cell"}


# Texts, JSON, equality, digests


def test_texts():
    architecture = TWO_BLOCKS.parse(TEXT)
    assert str(architecture) == TEXT
    assert architecture.params["normal_3_op_a"] == "sep"
    with pytest.raises(ValueError, match=r"one of \('grouped', .*but got 'sep_conv_3x3'"):
        TWO_BLOCKS.parse(TEXT.replace("sep(", "sep_conv_3x3("))


def test_the_form_of_darts_is_read_too():
    ops = {"skip_connect_2": "identity", "conv_7x1_1x7": "conv_7x1_1x7", "gate": Gate}
    space = CellSpace(ops=ops, num_blocks=1, concat={"normal": (2,), "reduce": (2,)})
    read = space.parse(
        "Genotype(normal=[('conv_7x1_1x7', 0), ('gate', 1)], normal_concat=[2], "
        "reduce=[('gate', 0), ('gate', 0)], reduce_concat=[2])"
    )
    assert read.params["normal_2_op_a"] == "conv_7x1_1x7"  # here it keeps its name
    assert read.params["normal_2_input_a"] == 1
    with pytest.raises(ValueError, match="Expected 'cell:'"):
        OWN_SHARED.parse("Genotype(normal=[], normal_concat=[], reduce=[], reduce_concat=[])")


def test_json_holds_names_only():
    architecture = TWO_BLOCKS.parse(TEXT)
    data = json.loads(architecture.to_json())
    assert data["settings"]["ops"] == ["grouped", "gate", "sep = sep_conv_3x3", "max_pool_3x3"]
    assert data["space"] == "cells"


def test_json_is_read_by_this_space_only():
    text = TWO_BLOCKS.parse(TEXT).to_json()
    assert Architecture.from_json(text, TWO_BLOCKS).digest == TWO_BLOCKS.parse(TEXT).digest
    with pytest.raises(ValueError, match="space of your own is never.*Give the space itself"):
        Architecture.from_json(text)
    with pytest.raises(ValueError, match="space='pnas' here, space='cells' there.*Use the space"):
        Architecture.from_json(text, PNASSpace())
    other = CellSpace(ops={**OWN_OPS, "sep": "sep_conv_5x5"}, num_blocks=2)
    with pytest.raises(ValueError, match=r"sep = sep_conv_5x5.* here.*sep = sep_conv_3x3.* there"):
        Architecture.from_json(text, other)


def test_enqueued_into_other_cells():
    study = new_study()
    sample(OWN_SHARED, 1)[0].enqueue(study)
    with pytest.raises(ValueError, match="reduction_cell=True here, reduction_cell=False there"):
        OWN.suggest(study.ask())


def test_leftovers_of_the_other_kind_are_refused():
    pair, shared = sample(OWN, 1)[0], sample(OWN_SHARED, 1)[0]
    with pytest.raises(ValueError, match="did not ask for.*cell_2_input_a"):
        OWN.architecture({**pair.params, **shared.params})


def test_equality_is_that_of_names_and_factories():
    again = CellSpace(ops=dict(OWN_OPS))
    assert again == OWN
    assert hash(again) == hash(OWN)
    assert dataclasses.replace(OWN, prefix="x_").ops == OWN.ops
    backwards = CellSpace(ops=dict(reversed(OWN_OPS.items())))
    assert backwards != OWN
    other = CellSpace(ops={**OWN_OPS, "gate": grouped})
    assert other != OWN
    assert hash(other) == hash(OWN)
    assert other.settings == OWN.settings
    assert sample(other, 1)[0] != sample(OWN, 1)[0]
    assert OWN.ops != dict(OWN_OPS)


def test_a_changed_dictionary_does_not_change_the_space():
    ops = {"gate": Gate}
    space = CellSpace(ops=ops)
    ops["grouped"] = grouped
    assert list(space.ops) == ["gate"]
    with pytest.raises(TypeError, match="does not support item assignment"):
        space.ops["grouped"] = grouped


def test_copies_and_pickles():
    architecture = sample(OWN, 1)[0]
    assert copy.deepcopy(architecture) == architecture
    assert pickle.loads(pickle.dumps(architecture)) == architecture
    assert pickle.loads(pickle.dumps(OWN)).ops["gate"] is Gate


def test_an_unhashable_factory():
    class Unhashable:
        __hash__ = None

        def __call__(self, channels, stride):
            return nn.AvgPool2d(stride, ceil_mode=True)

    space = CellSpace(ops={"mine": Unhashable()})
    assert isinstance(hash(sample(space, 1)[0]), int)
    assert len(sample(space, 1)[0].digest) == 32


def of_kernel(kernel):
    return lambda channels, stride: nn.Conv2d(channels, channels, kernel, stride, kernel // 2)


def kernel_op(channels, stride, kernel=3):
    return nn.Conv2d(channels, channels, kernel, stride, kernel // 2)


def by_keyword(kernel):
    def factory(channels, stride, *, kernel=kernel):
        return nn.Conv2d(channels, channels, kernel, stride, kernel // 2)

    return factory


class Maker:
    def three(self, channels, stride):
        return kernel_op(channels, stride, 3)

    def five(self, channels, stride):
        return kernel_op(channels, stride, 5)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (grouped, Gate),
        (Maker().three, Maker().five),
        (of_kernel(3), of_kernel(5)),
        (by_keyword(3), by_keyword(5)),
        (functools.partial(kernel_op, kernel=3), functools.partial(kernel_op, kernel=5)),
        (lambda c, s, k=(3, 5): nn.AvgPool2d(s), lambda c, s, k=(3, 7): nn.AvgPool2d(s)),
        (grouped, "conv_3x3"),
    ],
)
def test_digests_see_changed_operations(one, other):
    digests = []
    for factory in (one, other):
        space = CellSpace(ops={"mine": factory}, num_blocks=1)
        text = "normal: 2 = mine(0) + mine(1) | reduce: 2 = mine(0) + mine(1)"
        digests.append(space.parse(text).digest)
        assert space.parse(text).digest == digests[-1]
    assert digests[0] != digests[1]


def test_digests_are_the_same_in_equal_spaces():
    ops = {"a": of_kernel(3), "b": functools.partial(kernel_op, kernel=5), "c": Gate}
    same = {"a": of_kernel(3), "b": functools.partial(kernel_op, kernel=5), "c": Gate}
    one, other = sample(CellSpace(ops=ops), 1)[0], sample(CellSpace(ops=same), 1)[0]
    assert one.digest == other.digest
    assert one != other  # a lambda equals itself only
