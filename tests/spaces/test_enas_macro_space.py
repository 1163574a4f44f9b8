"""Facts of specs/enas.md about the macro space, both sets of rules, notation and digests."""

import pytest
import torch
from space_testing import IMAGES, ImageSpaceTestCase, new_study
from torch import nn

from optuna_nas.spaces import Architecture, ENASMacroSpace, published, sample_architectures
from optuna_nas.spaces.layers._enas_macro import OPS

RELEASED = published.ENAS_MACRO


class TestENASMacroSpace(ImageSpaceTestCase):
    build = {**IMAGES, "channels": 4}

    @pytest.fixture
    def space(self):
        return ENASMacroSpace(num_layers=5)


class TestENASMacroSpaceOfTheReleaseWithDepths(ImageSpaceTestCase):
    build = {**IMAGES, "channels": 4}

    @pytest.fixture
    def space(self):
        return ENASMacroSpace(num_layers=(1, 5), rules="release")


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def on_meta(architecture: Architecture, **arguments) -> nn.Module:
    with torch.device("meta"):
        return architecture.build(**arguments)


# Facts


def test_sizes():
    size = ENASMacroSpace().num_architectures
    assert size == 6**12 * 2**66 == 160_618_186_625_454_535_808_756_219_904
    assert ENASMacroSpace(num_layers=(1, 3)).num_architectures == 6 + 6**2 * 2 + 6**3 * 8


def test_released_string():
    rows = [row.split() for row in str(RELEASED).split("|")]
    assert [len(row) for row in rows] == list(range(1, 25))
    assert sum(map(len, rows)) == 300
    bits = [bit for row in rows for bit in row[1:]]
    assert (len(bits), bits.count("1")) == (276, 98)
    ops = [layer.op for layer in RELEASED.genotype]
    assert {op: ops.count(op) for op in OPS} == {
        "conv_3x3": 8,
        "sep_conv_3x3": 2,
        "conv_5x5": 9,
        "sep_conv_5x5": 5,
        "avg_pool_3x3": 0,
        "max_pool_3x3": 0,
    }


def test_released_network():
    """The count of specs/enas.md; with real separable convolutions it is another one."""
    assert count(on_meta(RELEASED, channels=96)) == 42_559_392
    by_the_paper = ENASMacroSpace(num_layers=24).parse(str(RELEASED))
    assert count(on_meta(by_the_paper)) == 30_947_424
    assert RELEASED.digest != by_the_paper.digest


def formula(architecture: Architecture, channels: int) -> int:
    """Parameters counted line by line from the released program, pools and separable ones too."""
    depth = len(architecture.genotype)
    total = 27 * channels + 2 * channels
    for k, (op, skips) in enumerate(architecture.genotype, start=1):
        total += channels**2 + 2 * channels
        size = int(op[-1])
        if op.startswith("conv"):
            total += size**2 * channels**2 + 2 * channels
        elif op.startswith("sep"):
            total += size**2 * channels + channels**2 + 2 * channels
        if k > 1:
            total += (len(skips) + 1) * channels**2 + 2 * channels
        if depth >= 3 and k in (depth // 3, 2 * (depth // 3)):
            total += (k + 1) * (2 * channels**2 + 4 * channels)
            channels *= 2
    return total + 10 * channels


@pytest.mark.parametrize("depth", [1, 3, 7, 12])
def test_parameters_by_formula(depth):
    for architecture in sample_architectures(ENASMacroSpace(num_layers=depth), 5):
        assert count(on_meta(architecture, channels=5)) == formula(architecture, 5)


def test_defaults_are_the_final_size_and_proxy_that_of_the_search():
    space = ENASMacroSpace()
    assert space.build_arguments == {
        "num_classes": 10,
        "in_channels": 3,
        "channels": 96,
        "dropout": 0.5,
        "features_only": False,
    }
    assert space.proxy == {"channels": 36, "dropout": 0.1}


def test_the_release_joins_the_inputs_of_the_chosen_layers():
    text = "0 | 2 1 | 3 0 1 | 4 1 0 1"
    paper = on_meta(ENASMacroSpace(num_layers=4).parse(text))
    release = on_meta(ENASMacroSpace(num_layers=4, rules="release").parse(text))
    assert paper.skips == [(), (1,), (2,), (1, 3)]
    assert release.skips == [(), (0,), (1,), (0, 2)]
    assert count(release) - count(paper) == (25 - 1) * 384**2 - 25 * 384  # layer 3


def test_golden_names_and_json():
    """Stored in people's studies: a change here breaks them."""
    space = ENASMacroSpace(num_layers=(3, 3))
    trial = new_study().ask()
    architecture = space.suggest(trial)
    assert {name: list(getattr(d, "choices", [])) for name, d in trial.distributions.items()} == {
        "num_layers": [],
        "layer_01_op": list(OPS),
        "layer_02_op": list(OPS),
        "layer_02_from_01": [False, True],
        "layer_03_op": list(OPS),
        "layer_03_from_01": [False, True],
        "layer_03_from_02": [False, True],
    }
    assert OPS == (
        "conv_3x3",
        "sep_conv_3x3",
        "conv_5x5",
        "sep_conv_5x5",
        "avg_pool_3x3",
        "max_pool_3x3",
    )
    assert architecture.to_json().startswith(
        '{"space": "enas_macro", "version": 1, "settings": {"prefix": "", "num_layers": [3, 3], '
        '"rules": "paper"}, "params": {'
    )


def test_names_do_not_depend_on_settings():
    small, large = ENASMacroSpace(num_layers=3), ENASMacroSpace(num_layers=9, rules="release")
    assert small.distributions().items() <= large.distributions().items()


# Round trips and digests


def test_every_decision_counts():
    space = ENASMacroSpace(num_layers=4)
    for architecture in sample_architectures(space, 20):
        for name, distribution in space.distributions().items():
            digests = {
                space.digest({**architecture.params, name: value})
                for value in distribution.choices
            }
            assert len(digests) == len(distribution.choices)


def test_separable_convolutions_are_none_in_the_release():
    space = ENASMacroSpace(num_layers=3, rules="release")
    one, other = space.parse("0 | 3 0 | 5 1 1"), space.parse("1 | 2 0 | 5 1 1")
    assert one != other
    assert one.digest == other.digest
    models = [a.build(channels=4).eval() for a in (one, other)]
    models[1].load_state_dict(models[0].state_dict())
    x = torch.randn(1, 3, 9, 8)
    assert torch.equal(models[0](x), models[1](x))


def test_golden_digest():
    """Made by this package at version 0.1.0: run keys of stored results contain it."""
    assert RELEASED.digest == "277224a794d9cd818050241e6798e6b4"


# Notation


@pytest.mark.parametrize(
    "text", ["0|3 0|5 1 1", "0\n3 0\n5 1 1\n", " 0 3 0 5 1 1 ", "0 3 0|5 1 1"]
)
def test_integers_in_any_form(text):
    assert str(ENASMacroSpace(num_layers=3).parse(text)) == "0 | 3 0 | 5 1 1"
    assert str(ENASMacroSpace(num_layers=(1, 9)).parse(text)) == "0 | 3 0 | 5 1 1"


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("", "Expected the operation of layer 1", 0),
        ("6", "operation of layer 1, one of .* but got 6", 0),
        ("0 | 3", "Expected the bit of layer 2 for layer 1", 5),
        ("0 | 3 2", r"bit of layer 2 for layer 1, one of \(0, 1\), but got 2", 6),
        ("0 | 3 | 0", "Expected the bit of layer 2 for layer 1", 6),
        ("0 | 3 1 0", "Expected the bit of layer 3 for layer 1", 9),
        ("0 | | 3 1", "Expected the operation of layer 2", 4),
        ("0 | 3 1 | 0 1 1 0", "Expected the end after layer 3, the last one", 16),
        ("0, 3", "Expected the operation of layer 2", 1),
    ],
)
def test_wrong_text_is_pointed_at(text, message, column):
    with pytest.raises(ValueError, match=message) as caught:
        ENASMacroSpace(num_layers=3).parse(text)
    assert str(caught.value).splitlines()[1:] == ["    " + text, "    " + " " * column + "^"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_layers": 0}, r"`num_layers` must be .* within \[1, 99\], but got num_layers=0"),
        ({"num_layers": (3, 2)}, "`num_layers` must be"),
        ({"rules": "ours"}, r"`rules` must be one of .'paper', 'release'., but got rules='ours'"),
    ],
)
def test_wrong_settings(options, message):
    with pytest.raises(ValueError, match=message):
        ENASMacroSpace(**options)


def test_too_few_layers():
    space = ENASMacroSpace(num_layers=(2, 4))
    with pytest.raises(ValueError, match="Expected the operation of layer 2"):
        space.parse("0")


# Picture


def test_picture_shows_skips_and_reductions():
    graph = ENASMacroSpace(num_layers=3).parse("0 | 3 1 | 5 1 0").graph()
    assert [node.label for node in graph.nodes] == [
        "stem",
        "1\nconv 3x3",
        "halve\nall",
        "2\nsep conv 5x5",
        "halve\nall",
        "3\nmax pool 3x3",
        "classifier",
    ]
    arrows = [(edge.source, edge.target) for edge in graph.edges]
    assert ("1", "2") in arrows
    assert ("1", "3") in arrows
    assert ("2", "3") not in arrows
