"""The papers' networks by their numbers of parameters, and digests against real networks."""

import random

import pytest
import torch
from cell_examples import AMOEBANET_OPS, CELLS, FREE, shuffled, spelled
from space_testing import sample
from torch import nn

from optuna_nas.nn.networks import CellNetwork
from optuna_nas.spaces import AmoebaNetSpace, DARTSSpace, NASNetSpace, PNASSpace, published

AMOEBANET_IN_DARTS = (
    "Genotype(normal=[('avg_pool_3x3', 0), ('max_pool_3x3', 1), ('sep_conv_3x3', 0), "
    "('sep_conv_5x5', 2), ('sep_conv_3x3', 0), ('avg_pool_3x3', 3), ('sep_conv_3x3', 1), "
    "('skip_connect', 1), ('skip_connect', 0), ('avg_pool_3x3', 1)], normal_concat=range(4, 7), "
    "reduce=[('avg_pool_3x3', 0), ('sep_conv_3x3', 1), ('max_pool_3x3', 0), ('sep_conv_7x7', 2), "
    "('sep_conv_7x7', 0), ('avg_pool_3x3', 1), ('max_pool_3x3', 0), ('max_pool_3x3', 1), "
    "('conv_7x1_1x7', 0), ('sep_conv_3x3', 5)], reduce_concat=[3, 4, 6])"
)


def num_params(model: nn.Module, *, auxiliary: bool = False) -> int:
    return sum(
        p.numel()
        for name, p in model.named_parameters()
        if name.startswith("auxiliary_head") == auxiliary
    )


@pytest.mark.parametrize(
    ("architecture", "scale", "params"),
    [
        (published.NASNET_A, {}, 3_346_538),
        (published.NASNET_A, {"cells": 2, "channels": 32}, 1_294_698),
        (published.NASNET_A, {"cells": 3, "channels": 24}, 1_053_922),
        (published.AMOEBANET_A, {}, 3_218_266),
        (published.AMOEBANET_A, {"channels": 32}, 2_567_754),
        (published.AMOEBANET_A, {"cells": 3, "channels": 24}, 843_322),
        (published.PNASNET_5, {}, 3_189_082),
        (published.PNASNET_5, {"cells": 2, "channels": 24}, 545_266),
        (published.ENAS_MICRO, {}, 3_894_372),
        (published.DARTS_V1, {}, 3_169_414),
        (published.DARTS_V1, {"num_classes": 100}, 3_221_344),
        (published.DARTS_V1, {"cells": 8, "channels": 16}, 232_890),
        (published.DARTS_V1, {"cells": 5, "channels": 8}, 35_058),
        (published.DARTS_V1, {"cells": 3, "channels": 4}, 2_798),
        (published.DARTS_V2, {}, 3_349_342),
        (published.DARTS_V2, {"num_classes": 100}, 3_401_272),
        (published.DARTS_V2, {"cells": 8, "channels": 16}, 246_106),
        (published.DARTS_V2, {"cells": 5, "channels": 8}, 37_018),
        (published.DARTS_V2, {"cells": 3, "channels": 4}, 2_858),
    ],
)
def test_published_sizes(architecture, scale, params):
    with torch.device("meta"):
        assert num_params(architecture.build(**scale)) == params


@pytest.mark.parametrize(
    ("architecture", "params"),
    [
        (published.NASNET_A, 1_631_498),
        (published.ENAS_MICRO, 494_848),
        (published.DARTS_V1, 476_426),
        (published.DARTS_V2, 476_426),
    ],
)
def test_published_auxiliary_heads(architecture, params):
    with torch.device("meta"):
        assert num_params(architecture.build(auxiliary=True), auxiliary=True) == params


@pytest.mark.parametrize(
    ("architecture", "scale", "params"),
    [
        (published.NASNET_A, {}, 3_076_906),
        (published.AMOEBANET_A, {"channels": 32}, 2_257_162),
        (published.AMOEBANET_A, {}, 2_825_362),
    ],
)
def test_with_loose_ends_they_would_be_smaller(architecture, scale, params):
    strict = type(architecture.space)().architecture(architecture.params)
    with torch.device("meta"):
        assert num_params(strict.build(**scale)) == params


def test_amoebanet_as_darts_has_it():
    space = AmoebaNetSpace(concat={"normal": (4, 5, 6), "reduce": (3, 4, 6)})
    with torch.device("meta"):
        model = space.parse(AMOEBANET_IN_DARTS).build(assembly="darts", cells=20, channels=36)
    assert num_params(model) == 3_145_078


def test_enas_cell_of_the_paper_in_its_place():
    with torch.device("meta"):
        model = published.ENAS_MICRO.build()
    assert model.reductions == (5, 11)
    assert len(model.cells) == 17
    assert model.cells[-1].out_channels == 720


@pytest.mark.parametrize("architecture", CELLS)
def test_every_published_network_builds_with_its_stems(architecture):
    stems = ["cifar", "imagenet", "imagenet_large"]
    taken = architecture.space.build_arguments
    stems = stems[: {"enas_micro": 0, "darts": 2}.get(architecture.space.name, 3)]
    assert ("stem" in taken) == bool(stems)
    assert ("assembly" in taken) == (architecture.space.name in ("nasnet", "amoebanet"))
    for stem in stems:
        with torch.device("meta"):
            model = architecture.build(stem=stem, cells=3, channels=16)
        assert isinstance(model, CellNetwork)


# Digests: double precision and evaluation mode. Operations of one kind get the same weights, equal
# for all of their input channels, so that the order of concatenated states leaves no trace.


def output_of(architecture, assembly=None) -> torch.Tensor:
    scale = {"cells": 3 if architecture.space.name in ("darts", "enas_micro") else 1}
    arguments = {"assembly": assembly} if assembly else {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = architecture.build(num_classes=3, channels=4, **scale, **arguments)
    model = model.double().eval()
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            weight = module.weight.data
            depthwise = isinstance(module, nn.Conv2d) and module.groups > 1
            generator = torch.Generator().manual_seed(sum(weight.shape[2:]) + 10 * depthwise)
            outputs = torch.rand(1 if depthwise else len(weight), generator=generator)
            kernel = torch.rand(weight.shape[2:], generator=generator)
            weight[:] = (outputs.reshape(-1, 1, *[1] * kernel.dim()) * kernel).double()
            weight /= weight[0].sum()
            if module.bias is not None:
                module.bias.data.fill_(0.1)
        elif isinstance(module, nn.BatchNorm2d):
            module.bias.data.fill_(0.2)
    x = torch.linspace(-1, 9, 2 * 3 * 16 * 16, dtype=torch.float64).sin().reshape(2, 3, 16, 16)
    with torch.no_grad():
        return model(x)


def same(one, other, assembly=None) -> bool:
    return torch.allclose(
        output_of(one, assembly), output_of(other, assembly), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("space", FREE, ids=lambda s: f"{s.name}{len(str(s))}")
def test_equal_digests_compute_the_same(space):
    rng = random.Random(1)
    for architecture in sample(space, 3, seed=2):
        cells = {s: shuffled(c, rng) for s, c in space._by_scope(architecture.genotype).items()}
        other = spelled(space, cells)
        assert other.digest == architecture.digest
        assert same(architecture, other), (str(architecture), str(other))


@pytest.mark.parametrize("assembly", ["nasnet", "darts"])
def test_unused_blocks_compute_nothing(assembly):
    space = AmoebaNetSpace(concat={"normal": (2, 3, 4), "reduce": (4,)})
    one, other = sample(space, 2, seed=4)
    dead = ("normal_5", "normal_6", "reduce_5", "reduce_6")
    mixed = {k: (other if k.startswith(dead) else one).params[k] for k in one.params}
    mixed = space.architecture(mixed)
    assert mixed != one
    assert mixed.digest == one.digest
    assert same(one, mixed, assembly)


def test_all_small_cells_of_one_digest_compute_the_same():
    """Every class of a whole small space: its members are equal, and classes mostly differ."""
    space = PNASSpace(num_blocks=2, ops=("identity", "sep_conv_3x3"))
    classes: dict[str, list] = {}
    for architecture in sample(space, 120, seed=0):
        classes.setdefault(architecture.digest, []).append(architecture)
    firsts = []
    for members in classes.values():
        outputs = [output_of(member) for member in dict.fromkeys(members)]
        assert all(torch.allclose(o, outputs[0], rtol=1e-9, atol=1e-9) for o in outputs)
        firsts.append(outputs[0])
    distinct = {tuple((o * 1e6).round().flatten().tolist()) for o in firsts}
    assert len(distinct) > 0.8 * len(classes)


def test_nothing_on_an_edge_computes_nothing():
    text = (
        "Genotype(normal=[('none', 0), ('skip_connect', 1), ('none', {}), ('sep_conv_3x3', 2)], "
        "normal_concat=[2, 3], reduce=[('none', 0), ('none', 1), ('skip_connect', 0), "
        "('max_pool_3x3', 2)], reduce_concat=[2, 3])"
    )
    space = DARTSSpace(num_nodes=2, keep_none=True)
    assert same(space.parse(text.format(0)), space.parse(text.format(1)))


def test_two_assemblies_of_one_genotype():
    cells = sample(NASNetSpace(ops=AMOEBANET_OPS, num_blocks=2), 1, seed=1)[0]
    one, other = (cells.build(cells=4, channels=4, assembly=a) for a in ("nasnet", "darts"))
    assert len(one.cells) == 14
    assert len(other.cells) == 4
