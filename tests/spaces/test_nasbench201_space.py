"""Facts of specs/nasbench201.md, notation, and what digests mean in real networks."""

import itertools
import json

import pytest
import torch
from space_testing import new_study
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from optuna_nas.keys import ARCHITECTURE_KEY
from optuna_nas.nn import ImageTooSmallError, ReLUConvBN
from optuna_nas.nn.networks import NASBench201Cell
from optuna_nas.spaces import Architecture, NASBench201Space, NASRLSpace, nb201_string, published

SPACE = NASBench201Space()
OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ("1_from_0", "2_from_0", "2_from_1", "3_from_0", "3_from_1", "3_from_2")
RESNET = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
NAMES = [f"op_{edge}" for edge in EDGES]


def cell(*ops: str) -> Architecture:
    return SPACE.architecture(dict(zip(NAMES, ops, strict=True)))


def everywhere(op: str) -> Architecture:
    return cell(*[op] * 6)


@pytest.fixture(scope="module")
def all_cells() -> list[Architecture]:
    return [cell(*ops) for ops in itertools.product(OPS, repeat=6)]


def num_params(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


# Facts 1 to 4, 7, 9 and 10 of the spec


@pytest.mark.parametrize(
    ("architecture", "params", "macs"),
    [
        (everywhere("none"), (73_306, 79_156, 80_456), 7_783_040),
        (everywhere("skip_connect"), (73_306, 79_156, 80_456), 7_783_040),
        (everywhere("avg_pool_3x3"), (73_306, 79_156, 80_456), 7_783_040),
        (everywhere("nor_conv_1x1"), (241_306, 247_156, 248_456), 31_376_000),
        (everywhere("nor_conv_3x3"), (1_531_546, 1_537_396, 1_538_696), 220_119_680),
        (published.NASBENCH201_RESNET, (559_386, 565_236, 566_536), 78_561_920),
    ],
    ids=["none", "skip", "pool", "1x1", "3x3", "resnet"],
)
def test_published_sizes(architecture, params, macs):
    with torch.device("meta"):
        counts = [num_params(architecture.build(num_classes=n)) for n in (10, 100, 120)]
        model = architecture.build().eval()
        with FlopCounterMode(display=False) as counter:
            model(torch.zeros(1, 3, 32, 32))
    assert counts == list(params)
    assert counter.get_total_flops() // 2 == macs


def test_reductions_stand_at_5_and_11():
    with torch.device("meta"):
        cells = published.NASBENCH201_RESNET.build().cells
    reductions = [i for i, c in enumerate(cells) if not isinstance(c, NASBench201Cell)]
    assert len(cells) == 17
    assert reductions == [5, 11]
    assert [num_params(cells[i]) for i in reductions] == [14_464, 57_600]


def test_published_counts(all_cells):
    assert SPACE.num_architectures == len(all_cells) == 15_625
    assert len({a.digest for a in all_cells}) == 5_875
    assert len({nb201_string(a) for a in all_cells}) == 6_466
    with_path = [a for a in all_cells if "input" in json.dumps(SPACE.canonical(a.genotype))]
    assert len(with_path) == 15_284


def test_all_strings_round_trip(all_cells):
    texts = [str(a) for a in all_cells]
    assert [SPACE.parse(text) for text in texts] == all_cells
    assert len(set(texts)) == 15_625


def test_notation():
    assert str(published.NASBENCH201_RESNET) == RESNET
    assert published.NASBENCH201_RESNET == SPACE.parse(RESNET)
    assert SPACE.parse(RESNET).params == dict(
        zip(
            NAMES,
            ["nor_conv_3x3", "none", "nor_conv_3x3", "skip_connect", "none", "skip_connect"],
            strict=True,
        )
    )


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("|none~0|+|none~0|+|none~0|none~1|none~2|", "Node 2 lacks the edge from node 1", 9),
        ("|nine~0|+|none~0|none~1|+|none~0|none~1|none~2|", "Unknown operation 'nine'", 1),
        ("|none~0|+|none~0|none~2|+|none~0|none~1|none~2|", "from nodes 0 to 1, but got '2'", 22),
        ("|none~0|+|none~0|none~0|+|none~0|none~1|none~2|", "two edges from node 0", 17),
        ("|none~0|+|none~0|none~1|", "3 nodes joined by '\\+', but got 2", 24),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|+|none~0|", "but got 4", 48),
        ("none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "Node 1 must look like", 0),
        ("|none|+|none~0|none~1|+|none~0|none~1|none~2|", "from nodes 0 to 0, but got ''", 6),
        ("|none~00|+|none~0|none~1|+|none~0|none~1|none~2|", "but got '00'", 6),
        ("", "Node 1 must look like", 0),
    ],
)
def test_wrong_text_is_pointed_at(text, message, column):
    with pytest.raises(ValueError, match=message) as caught:
        SPACE.parse(text)
    assert str(caught.value).splitlines()[1:] == ["    " + text, "    " + " " * column + "^"]


def test_golden_names_and_json():
    """Stored in people's studies: a change here breaks them."""
    assert list(SPACE.distributions()) == NAMES
    assert all(d.choices == OPS for d in SPACE.distributions().values())
    assert ARCHITECTURE_KEY == "optuna_nas:architecture"
    assert everywhere("none").to_json() == (
        '{"space": "nasbench201", "version": 1, "settings": {"prefix": ""}, "params": {'
        + ", ".join(f'"{name}": "none"' for name in NAMES)
        + "}}"
    )


def test_golden_digests():
    """Made by this package at version 0.1.0: run keys of stored results contain them."""
    assert everywhere("none").digest == "a49a1a9bd28b5de489b3c5a54c316a2d"
    assert published.NASBENCH201_RESNET.digest == "c919bef61f565d5a3a391d862a970a04"


def test_another_kind_of_space_is_refused():
    study = new_study()
    published.NAS_RL_V1.enqueue(study)
    with pytest.raises(ValueError, match="space='nasbench201' here, space='nas_rl' there"):
        SPACE.suggest(study.ask())


def test_nb201_string_is_for_its_space_only():
    architecture = NASRLSpace(num_layers=1).parse("3x3@36")
    with pytest.raises(TypeError, match="must belong to a NASBench201Space"):
        nb201_string(architecture)


# Networks


def test_small_images():
    model = published.NASBENCH201_RESNET.build(cells=1, channels=4)
    for size in (32, 16, 8, 7, 3):
        assert model(torch.zeros(2, 3, size, size)).shape == (2, 10)
    with pytest.raises(ImageTooSmallError, match="images of 2x5.*works is 3x3"):
        model(torch.zeros(2, 3, 2, 5))


@pytest.mark.parametrize("argument", ["in_channels", "cells", "channels"])
def test_build_arguments_are_positive(argument):
    with pytest.raises(ValueError, match=f"`{argument}` must be at least 1"):
        everywhere("none").build(**{argument: 0})


# Digests against real cells: double precision, random weights, batch norm in evaluation mode


def real_cell(architecture: Architecture, seed: int = 0) -> NASBench201Cell:
    generator = torch.Generator().manual_seed(seed)
    module = NASBench201Cell(architecture.genotype, 2).double().eval()
    for tensor in [*module.parameters(), *module.buffers()]:
        if tensor.is_floating_point():
            tensor.data.uniform_(0.1, 1.0, generator=generator)
    return module


def output_of(module: nn.Module) -> torch.Tensor:
    x = torch.linspace(-1, 2, 50, dtype=torch.float64).sin().reshape(1, 2, 5, 5)
    return module(x)


def living_convs(module: NASBench201Cell) -> list[ReLUConvBN]:
    """The convolutions that reach the output, found by autograd."""
    module.zero_grad()
    out = output_of(module)
    if out.requires_grad:
        out.sum().backward()
    convs = [m for m in module.modules() if isinstance(m, ReLUConvBN)]
    return [conv for conv in convs if conv[2].bias.grad is not None]


def can_compute(one: Architecture, other: Architecture) -> bool:
    """Whether the weights of one cell can be placed in the other so that the outputs agree."""
    source, target = real_cell(one), real_cell(other, seed=1)
    weights = [conv.state_dict() for conv in living_convs(source)]
    places = living_convs(target)
    if len(weights) != len(places):
        return False
    wanted = output_of(source)
    for order in itertools.permutations(weights):
        pairs = list(zip(places, order, strict=True))
        if any(conv[1].weight.shape != w["1.weight"].shape for conv, w in pairs):
            continue
        for conv, w in pairs:
            conv.load_state_dict(w)
        if torch.allclose(output_of(target), wanted, rtol=1e-9, atol=1e-12):
            return True
    return False


def pairs_by(all_cells, key, count):
    """Spread ``count`` pairs of cells with equal keys over all of the space."""
    classes: dict[str, list[Architecture]] = {}
    for architecture in all_cells:
        classes.setdefault(key(architecture), []).append(architecture)
    pairs = [(c[0], other) for c in classes.values() for other in c[1:]]
    return pairs[:: len(pairs) // count]


def test_equal_digests_compute_the_same(all_cells):
    for one, other in pairs_by(all_cells, lambda a: a.digest, 150):
        assert can_compute(one, other), (str(one), str(other))


def test_unequal_digests_of_equal_strings_do_not(all_cells):
    pairs = pairs_by(all_cells, nb201_string, 800)
    pairs = [(one, other) for one, other in pairs if one.digest != other.digest]
    assert len(pairs) > 20
    for one, other in pairs:
        assert not can_compute(one, other), (str(one), str(other))


def test_a_shared_convolution_is_not_two():
    shared = cell("nor_conv_3x3", "none", "skip_connect", "none", "skip_connect", "avg_pool_3x3")
    two = cell("nor_conv_3x3", "nor_conv_3x3", "none", "none", "skip_connect", "avg_pool_3x3")
    assert nb201_string(shared) == nb201_string(two)
    assert shared.digest != two.digest
    assert not can_compute(shared, two)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # an edge that leads nowhere
        (("nor_conv_3x3", "none", "none", "skip_connect", "none", "none"), ("none",) * 3
         + ("skip_connect", "none", "none")),
        # relabelled nodes
        (("nor_conv_1x1", "nor_conv_3x3", "none", "none", "skip_connect", "avg_pool_3x3"),
         ("nor_conv_3x3", "nor_conv_1x1", "none", "none", "avg_pool_3x3", "skip_connect")),
        # a skip is transparent
        (("skip_connect", "none", "nor_conv_3x3", "none", "none", "skip_connect"),
         ("none", "none", "none", "nor_conv_3x3", "none", "none")),
        # a pool of nothing is nothing
        (("none", "none", "avg_pool_3x3", "nor_conv_3x3", "none", "avg_pool_3x3"),
         ("none", "none", "none", "nor_conv_3x3", "none", "none")),
    ],
    ids=["dead", "relabelled", "skip", "empty pool"],
)  # fmt: skip
def test_digest_sees_through(one, other):
    assert cell(*one).digest == cell(*other).digest


def test_a_convolution_of_nothing_is_a_constant():
    constant = cell("none", "none", "nor_conv_3x3", "none", "none", "skip_connect")
    assert constant.digest != everywhere("none").digest
    assert output_of(real_cell(constant)).abs().sum() > 0
