"""Facts of specs/mnasnet.md, notation, digests, and equality with timm and torchvision."""

import json

import pytest
import torch
from space_testing import IMAGES, ImageSpaceTestCase, new_study
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from optuna_nas.spaces import Architecture, MnasNetSpace, published, sample_architectures

A1, B1, SMALL = published.MNASNET_A1, published.MNASNET_B1, published.MNASNET_SMALL
SPACE = MnasNetSpace()


class TestMnasNetSpace(ImageSpaceTestCase):
    build = {**IMAGES, "width": 0.25}

    @pytest.fixture
    def space(self):
        return SPACE

    def test_default_build_arguments(self, space, architectures):
        assert space.build_arguments["num_classes"] == 1000
        assert space.build_arguments["in_channels"] == 3
        assert not space.proxy  # the paper searches with the whole network


class TestSmallMnasNetSpace(TestMnasNetSpace):
    @pytest.fixture
    def space(self):
        return MnasNetSpace(
            widths=(16, 32), layers=(1, 2), strides=(1, 2), filters=(0.5, 1.0, 20), stem=8, head=32
        )


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def on_meta(architecture: Architecture, **arguments) -> nn.Module:
    with torch.device("meta"):
        return architecture.build(**arguments).eval()


# Facts


@pytest.mark.parametrize(
    ("architecture", "arguments", "parameters"),
    [
        (A1, {}, 3_887_038),
        (B1, {}, 4_383_312),
        (A1, {"width": 0.5}, 2_082_006),
        (B1, {"width": 0.5}, 2_218_512),
        (SMALL, {}, 2_030_264),
    ],
)
def test_parameters(architecture, arguments, parameters):
    assert count(on_meta(architecture, **arguments)) == parameters


@pytest.mark.parametrize(
    ("architecture", "macs"), [(A1, 311_579_072), (B1, 314_415_872), (SMALL, 68_339_184)]
)
def test_multiply_adds(architecture, macs):
    model = on_meta(architecture)
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, 224, 224, device="meta"))
    assert counter.get_total_flops() // 2 == macs


@pytest.mark.parametrize(
    ("architecture", "blocks"),
    [
        (A1, [896, 13_968, 39_098, 281_680, 316_144, 1_067_244, 473_920]),
        (B1, [896, 11_472, 33_096, 217_680, 209_184, 1_611_456, 605_440]),
    ],
)
def test_parameters_of_blocks(architecture, blocks):
    model = on_meta(architecture)
    assert [count(stage) for stage in model.stages] == blocks
    assert [count(m) for m in (model.stem, model.features, model.head)] == [
        928,
        412_160,
        1_281_000,
    ]


def test_a1_has_16_layers():
    layers = [len(stage) for stage in on_meta(A1).stages]
    assert layers == [1, 2, 3, 4, 2, 3, 1]
    assert sum(layers) == 16


def test_size():
    assert SPACE.num_architectures == 15_045_919_506_432 == 432**5
    assert len(SPACE.distributions()) == 30
    assert MnasNetSpace(layers=(1, 3, 4, 3, 3)).num_architectures == 432**4 * 288


def test_golden_names_and_json():
    """Stored in people's studies: a change here breaks them."""
    trial = new_study().ask()
    architecture = SPACE.suggest(trial)
    block = {
        "op": ["conv", "sep_conv", "mbconv3", "mbconv6"],
        "kernel": [3, 5],
        "se": [0.0, 0.25],
        "skip": ["pool", "identity", "none"],
        "filters": [0.75, 1.0, 1.25],
        "layers": [-1, 1],
    }
    assert {
        name: list(d.choices) if hasattr(d, "choices") else [d.low, d.high]
        for name, d in trial.distributions.items()
    } == {f"block_{i}_{field}": values for i in range(2, 7) for field, values in block.items()}
    assert architecture.to_json().startswith(
        '{"space": "mnasnet", "version": 1, "settings": {"prefix": "", '
        '"widths": [24, 32, 64, 96, 160], "layers": [2, 3, 4, 3, 3], "strides": [2, 2, 2, 1, 2], '
        '"filters": [0.75, 1.0, 1.25], "se_ratios": [0.0, 0.25], '
        '"first": "ds_r1_k3_s1_c16_noskip", "last": "ir_r1_k3_s1_e6_c320", "stem": 32, '
        '"head": 1280}, "params": {'
    )


def test_golden_digest():
    """Made by this package at version 0.1.0: run keys of stored results contain it."""
    assert A1.digest == "9ec2a3fd7581b58754f23d30c3519bb2"


def test_absolute_widths_stay_whole_numbers():
    again = Architecture.from_json(A1.to_json())
    assert again == A1
    assert again.params["block_5_filters"] == 112
    assert A1.space.architecture({**A1.params, "block_5_filters": 112.0}) == A1
    assert json.loads(A1.to_json())["settings"]["filters"] == [0.75, 1.0, 1.25, 112]


def test_published_networks_are_refused_by_the_default_space():
    study = new_study()
    A1.enqueue(study)
    with pytest.raises(ValueError, match=r"filters=\[0.75, 1.0, 1.25\] here, filters=.*112\]"):
        SPACE.suggest(study.ask())


# Every random network


def formula(architecture: Architecture) -> int:
    """Parameters of the whole network, counted from the decisions."""
    space, params = architecture.space, architecture.params
    total = 27 * space.stem + 2 * space.stem
    before = space.stem
    blocks = [("sep_conv", 3, 0.0, 16, 1)]
    for i, (width, layers) in enumerate(zip(space.widths, space.layers, strict=True), start=2):
        op, kernel, se, filters, more = (
            params[f"block_{i}_{field}"] for field in ("op", "kernel", "se", "filters", "layers")
        )
        blocks.append((op, kernel, se, round(width * filters), layers + more))
    for op, kernel, se, channels, layers in [*blocks, ("mbconv6", 3, 0.0, 320, 1)]:
        for _ in range(layers):
            if op == "conv":
                total += kernel**2 * before * channels + 2 * channels
            else:
                wide = before * {"sep_conv": 1, "mbconv3": 3, "mbconv6": 6}[op]
                total += (before * wide + 2 * wide) * (op != "sep_conv")
                total += kernel**2 * wide + 2 * wide + wide * channels + 2 * channels
                squeezed = max(1, int(before * se))
                total += (2 * wide * squeezed + wide + squeezed) * (se > 0)
            before = channels
    return total + before * 1280 + 2 * 1280 + 1281 * 1000


def test_parameters_by_formula():
    for architecture in sample_architectures(SPACE, 15, seed=1):
        assert count(on_meta(architecture)) == formula(architecture)


def test_odd_and_tiny_images():
    model = A1.build(num_classes=4, width=0.25).eval()
    for size in (1, 2, 33):
        assert model(torch.zeros(1, 3, size, size + 1)).shape == (1, 4)


# Digests

BLOCKS = "{} | ir_r3_k5_s2_e3_c32 | ir_r4_k3_s2_e6_c64 | {} | ir_r3_k5_s2_e6_c160"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cn_r2_k3_s2_c24", "cn_r2_k3_s2_c24_se0.25"),  # a convolution is not weighed
        ("ir_r1_k3_s2_e6_c24", "ir_r1_k3_s2_e6_c24_noskip"),  # an identity takes no stride
        ("ds_r1_k3_s2_c24", "ds_r1_k3_s2_c24_noskip"),
    ],
)
def test_decisions_without_effect(one, other):
    first, second = (
        SPACE.parse(BLOCKS.format(text, "ir_r3_k3_s1_e6_c96")) for text in (one, other)
    )
    assert first != second
    assert first.digest == second.digest
    x = torch.randn(1, 3, 32, 32)
    for width in (0.05, 1.0):
        models = [a.build(num_classes=5, width=width).eval() for a in (first, second)]
        models[1].load_state_dict(models[0].state_dict())
        assert torch.equal(models[0](x), models[1](x))


def test_what_has_an_effect_at_some_width_counts():
    """Narrowed to 8 channels everywhere, even the first layer of a block has a shortcut."""
    texts = ["ir_r2_k3_s1_e6_c96", "ir_r2_k3_s1_e6_c96_noskip", "ir_r2_k3_s1_e6_c96_poolskip"]
    one_layer = MnasNetSpace(layers=(2, 3, 4, 2, 3))
    for space, blocks in [
        (SPACE, texts),
        (one_layer, [text.replace("r2", "r1") for text in texts]),
    ]:
        networks = [space.parse(BLOCKS.format("ir_r1_k3_s2_e6_c24", text)) for text in blocks]
        assert len({network.digest for network in networks}) == 3


def test_every_other_decision_counts():
    for architecture in sample_architectures(SPACE, 10, seed=2):
        params = architecture.params
        for name, distribution in SPACE.distributions().items():
            block = name.removesuffix("_" + name.split("_")[-1])
            idle = name.endswith("_se") and params[f"{block}_op"] == "conv"
            if not idle and not (name.endswith("_skip") and params[f"{block}_layers"] < 0):
                values = getattr(distribution, "choices", (-1, 0, 1))
                digests = {SPACE.digest({**params, name: value}) for value in values}
                assert len(digests) == len(values), name


# Notation


def test_notation_of_timm():
    text = (
        " ds_r3_k3_s2_e1_c24 |cn_r4_k5_s2_c24_skip\n| ir_r5_k3_s2_e6_c80_se0.25_noskip"
        " | ir_r2_k3_s1_e3_c72_poolskip | cn_r2_k3_s2_c160_noskip "
    )
    network = SPACE.parse(text)
    assert str(network) == (
        "ds_r3_k3_s2_c24 | cn_r4_k5_s2_c24_skip | ir_r5_k3_s2_e6_c80_se0.25_noskip"
        " | ir_r2_k3_s1_e3_c72_poolskip | cn_r2_k3_s2_c160"
    )
    assert [block.skip for block in network.genotype] == [
        "none",
        "identity",
        "identity",
        "none",
        "pool",
        "none",
        "identity",
    ]


GOOD = "ir_r2_k3_s2_e6_c24"


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("", "Expected a block: ir", 0),
        ("xx_r1", "Expected a block: ir", 0),
        ("ir_k3", "Expected '_r' and the number of layers", 2),
        ("ir_r4", r"number of layers, one of \(1, 2, 3\), but got 4", 4),
        ("ir_r2_k7", r"the kernel's side, one of \(3, 5\), but got 7", 7),
        ("ir_r2_k3_s1", r"stride of this block, one of \(2,\), but got 1", 10),
        ("ir_r2_k3_s2_c24", "Expected '_e' and the expansion", 11),
        ("ir_r2_k3_s2_e4", r"the expansion, one of \(3, 6\), but got 4", 13),
        ("ir_r2_k3_s2_e6_c25", r"channels of this block, one of \(18, 24, 30\), but got 25", 16),
        (GOOD + "_se0.5", r"squeeze-and-excitation ratio, one of \(0.0, 0.25\)", 21),
        (GOOD + "_sk", r"Expected '\|' and block 3", 18),
        (GOOD + " ; ir", r"Expected '\|' and block 3", 19),
        (str(SPACE.parse(BLOCKS.format(GOOD, "ir_r3_k3_s1_e6_c96"))) + " |", "searches 5", 104),
    ],
)
def test_wrong_text_is_pointed_at(text, message, column):
    with pytest.raises(ValueError, match=message) as caught:
        SPACE.parse(text)
    assert str(caught.value).splitlines()[-1] == " " * (4 + column) + "^"


def test_a_ratio_must_be_written_where_none_is_no_choice():
    space = MnasNetSpace(widths=(16,), layers=(1,), strides=(1,), se_ratios=(0.25, 0.5))
    assert str(space.parse("ir_r1_k3_s1_e6_c16_se0.5")) == "ir_r1_k3_s1_e6_c16_se0.5"
    with pytest.raises(ValueError, match=r"Expected '_se' and a ratio, one of \(0.25, 0.5\)"):
        space.parse("ir_r1_k3_s1_e6_c16")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": (24, 32)}, "must have one value for each searched block"),
        ({"widths": (), "layers": (), "strides": ()}, "must have one value for each"),
        ({"layers": (0, 3, 4, 3, 3)}, "`widths` and `layers` must be at least 1"),
        ({"strides": (2, 2, 3, 1, 2)}, "`strides` 1 or 2"),
        ({"filters": (0.5, 1)}, "absolute widths from 8"),
        ({"filters": (0.0, 1.0)}, "`filters` must be positive"),
        ({"filters": ()}, "at least one, but got filters="),
        ({"filters": (1.0, 96)}, r"block 5 of width 96 has \[96, 96\]"),
        ({"filters": (0.01, 1.0)}, "`filters` must give different widths"),
        ({"se_ratios": (0.25, 0.25)}, "`se_ratios` must be different"),
        ({"se_ratios": ()}, "`se_ratios` must be different"),
        ({"stem": 0}, "`stem` must be at least 1"),
        ({"head": -1}, "`head` must be at least 1"),
        ({"first": "ir_r1_k3"}, "`first` must be a block .* Expected '_s'"),
        ({"last": "ir_r1_k3_s1_e6_c320 x"}, "`last` must be a block .* Expected the end"),
    ],
)
def test_wrong_settings(options, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        MnasNetSpace(**options)


def test_no_block_loses_its_last_layer():
    space = MnasNetSpace(layers=(1, 3, 4, 3, 3))
    assert space.distributions()["block_2_layers"].low == 0
    params = {**space.parse(BLOCKS.format(GOOD, "ir_r3_k3_s1_e6_c96")).params}
    with pytest.raises(ValueError, match=r"`block_2_layers` must be an int in \[0, 1\]"):
        space.architecture({**params, "block_2_layers": -1})


# Picture


def test_picture_names_all_stages():
    labels = [node.label for node in A1.graph().nodes]
    assert labels[0] == "image"
    assert labels[4] == "block 3: MBConv3 5x5\n3 layers, stride 2\n40 channels\nSE 0.25, residual"
    assert len(labels) == 11


# The same networks elsewhere


def copy_in_order(source: nn.Module, target: nn.Module) -> None:
    """Copy weights and statistics by their order; shapes must agree one by one."""
    state = target.state_dict()
    theirs = source.state_dict()
    assert [tuple(v.shape) for v in theirs.values()] == [tuple(v.shape) for v in state.values()]
    target.load_state_dict(dict(zip(state, theirs.values(), strict=True)))


def randomised(model: nn.Module) -> nn.Module:
    """Give every batch norm statistics and weights that are not trivial."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
            module.running_mean.normal_(std=0.2)
            module.running_var.uniform_(0.5, 1.5)
    return model.eval()


def assert_equal_outputs(theirs: nn.Module, ours: nn.Module) -> None:
    randomised(theirs)
    copy_in_order(theirs, ours.eval())
    for module in ours.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-5  # of timm and torchvision; the release has 1e-3
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = theirs(x)
        assert torch.allclose(ours(x), expected, rtol=1e-5, atol=1e-5 * expected.abs().max())


@pytest.mark.parametrize(
    ("name", "architecture", "width"),
    [
        ("semnasnet_100", A1, 1.0),
        pytest.param("semnasnet_075", A1, 0.75, marks=pytest.mark.slow),
        ("mnasnet_100", B1, 1.0),
        pytest.param("mnasnet_140", B1, 1.4, marks=pytest.mark.slow),
        ("mnasnet_small", SMALL, 1.0),
    ],
)
def test_equals_timm(name, architecture, width):
    timm = pytest.importorskip("timm")
    assert_equal_outputs(timm.create_model(name), architecture.build(width=width))


def test_equals_torchvision():
    from torchvision.models import mnasnet1_0

    assert_equal_outputs(mnasnet1_0(), B1.build())
