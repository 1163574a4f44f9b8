"""Sizes of the scalable networks against what their papers and releases print."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from optuna_nas.nn import DropPath, MBConv
from optuna_nas.profiling import profile
from optuna_nas.scaling import (
    EFFICIENTNETS,
    RESNETS_RS,
    EfficientNet,
    MnasNet,
    MobileNetV2,
    ResNet,
    ResNetRS,
    ScalableCells,
    ScalableNetwork,
    efficientnet,
    parse_size,
    repeats,
    resnet_rs,
    stage_blocks,
)
from optuna_nas.spaces import published

# Parameters and multiply-adds: counted with timm 1.0 at the models' own resolutions; the papers'
# multiply-adds in billions (EfficientNet prints these, ResNet-RS twice them).
EFFICIENTNET_SIZES = {
    "b0": (5_288_548, 385_814_752, 0.39),
    "b1": (7_794_184, 686_802_832, 0.70),
    "b2": (9_109_994, 993_561_872, 1.0),
    "b3": (None, None, 1.8),
    "b4": (19_341_616, 4_393_771_024, 4.2),
    "b5": (None, None, 9.9),
    "b6": (43_040_704, 19_067_593_536, 19.0),
    "b7": (None, None, 37.0),
}
RESNET_RS_SIZES = {
    ("50", 160): (35_691_912, 2_278_629_376, 4.6),
    ("101", 160): (63_618_696, 4_181_532_672, 8.4),
    ("101", 192): (63_618_696, 6_012_157_952, 12),
    ("152", 192): (86_621_576, 8_746_844_160, 17.5),
    ("152", 224): (86_621_576, 11_895_185_408, 24),
    ("152", 256): (86_621_576, 15_527_886_848, 31),
    ("200", 256): (None, None, 40),
    ("270", 256): (None, None, 54),
    ("350", 256): (None, None, 69),
    ("350", 320): (None, None, 107),
    ("420", 320): (191_891_656, 63_942_344_704, 128),
}


QUICK = {("50", 160), ("101", 160), ("152", 256), ("420", 320)}


@pytest.mark.parametrize("name", EFFICIENTNETS)
def test_efficientnet_sizes(name: str) -> None:
    counted = EfficientNet.named(name).profile()
    params, macs, printed = EFFICIENTNET_SIZES[name]
    if params is not None:
        assert (counted.params, counted.macs) == (params, macs)
    assert counted.macs / 1e9 == pytest.approx(printed, rel=0.05)


@pytest.mark.parametrize(
    ("name", "resolution"),
    [
        pytest.param(*key, marks=pytest.mark.slow) if key not in QUICK else key
        for key in RESNET_RS_SIZES
    ],
)
def test_resnet_rs_sizes(name: str, resolution: int) -> None:
    counted = ResNetRS.named(name, resolution=resolution).profile()
    params, macs, printed = RESNET_RS_SIZES[name, resolution]
    if params is not None:
        assert (counted.params, counted.macs) == (params, macs)
    assert counted.flops / 1e9 == pytest.approx(printed, rel=0.05)


def test_all_resnet_rs_releases_are_checked() -> None:
    released = {(name, px) for name, line in RESNETS_RS.items() for px in line.dropout}
    assert released == RESNET_RS_SIZES.keys()


def test_resnet_rs_parts() -> None:
    with torch.device("meta"):
        model = resnet_rs("50")
    stages = [sum(p.numel() for p in stage.parameters()) for stage in model.stages]
    assert stages == [315_072, 1_746_432, 10_251_776, 21_263_872]
    assert sum(p.numel() for p in model.stem.parameters()) == 28_640 + 128 + 36_992
    assert sum(p.numel() for p in model.head.parameters()) == 2_049_000


def test_stages_of_b0() -> None:
    with torch.device("meta"):
        model = efficientnet("b0")
    sizes = [sum(p.numel() for p in stage.parameters()) for stage in model.stages]
    assert sizes == [1_448, 16_714, 46_640, 242_930, 543_148, 2_026_348, 717_232]


@pytest.mark.parametrize(
    ("network", "params", "macs"),
    [
        (MnasNet(), 3_887_038, 311_579_072),
        (MnasNet.named("b1"), 4_383_312, 314_415_872),
        (MnasNet(width=0.5), 2_082_006, None),
        (MnasNet.named("b1").scaled(width=0.5), 2_218_512, None),
        (MobileNetV2(), 3_504_872, None),
        (ResNet(), 25_557_032, None),
        (EfficientNet().scaled(depth=4.0), 20_091_856, 1_575_132_640),
        (EfficientNet().scaled(width=2.0), 18_122_720, 1_449_958_848),
        (EfficientNet().scaled(resolution=2.0), 5_288_548, 1_537_537_408),
    ],
    ids=str,
)
def test_sizes(network: ScalableNetwork, params: int, macs: int | None) -> None:
    counted = network.profile()
    assert counted.params == params
    assert macs is None or counted.macs == macs


@pytest.mark.parametrize(
    ("width", "params", "macs"),
    [(0.35, 1.7e6, 63.2e6), (0.5, 2.1e6, 105.2e6), (0.75, 2.9e6, 226.7e6), (1.4, 6.1e6, 591.5e6)],
)
def test_mnasnet_multipliers(width: float, params: float, macs: float) -> None:
    counted = MnasNet(width=width).profile()
    assert counted.params == pytest.approx(params, rel=0.03)
    assert counted.macs == pytest.approx(macs, rel=0.05)


def test_repeats_are_rounded_up_and_forgive_the_last_bit() -> None:
    assert [repeats(1, 1.1), repeats(4, 3.1), repeats(3, 1.0), repeats(2, 0.1)] == [2, 13, 3, 1]
    twice = 2**0.5 * 2**0.5
    assert 3 * twice > 6  # so the product alone would be seven layers
    assert repeats(3, twice) == 6


def test_scaling_twice_does_not_round_twice() -> None:
    base = EfficientNet()
    assert base.scaled(width=1.1).scaled(width=1.1) == base.scaled(width=1.1 * 1.1)
    assert base.scaled(resolution=1.3).resolution == 291
    assert base.at(width=1.2, resolution=300) == dataclasses.replace(
        base, width=1.2, resolution=300
    )


def test_drop_path_of_the_layers() -> None:
    layers = [m.drop_path for m in efficientnet("b0").modules() if isinstance(m, MBConv)]
    assert len(layers) == 16
    assert layers[0].drop_prob == 0.0
    assert layers[15].drop_prob == pytest.approx(0.1875)  # 0.2 * 15 / 16


def test_stochastic_depth_of_the_stages() -> None:
    model = ResNetRS(depth=26, width=0.25, drop_path=0.1).build()
    rates = [
        {m.drop_prob for m in stage.modules() if isinstance(m, DropPath)} for stage in model.stages
    ]
    assert [pytest.approx(rate) for (rate,) in rates] == [0.04, 0.06, 0.08, 0.1]


def test_released_dropout_and_resolution() -> None:
    assert [EfficientNet.named(name).dropout for name in EFFICIENTNETS] == [
        0.2, 0.2, 0.3, 0.3, 0.4, 0.4, 0.5, 0.5,
    ]  # fmt: skip
    assert ResNetRS.named("350").dropout == 0.25
    assert ResNetRS.named("350", resolution=320).dropout == 0.4
    assert [ResNetRS.named(name).drop_path for name in RESNETS_RS] == [0, 0, 0, 0.1, 0.1, 0.1, 0.1]


def test_resnet_rs_layers() -> None:
    layers = {depth: 3 * sum(stage_blocks(depth)) + 2 for depth in (26, 50, 101, 270, 350, 420)}
    assert layers == {26: 26, 50: 50, 101: 101, 270: 272, 350: 350, 420: 419}
    assert stage_blocks(300) == (4, 32, 60, 4)
    released, totals = (26, 50, 101, 152, 200), (8, 16, 33, 50, 66)
    for depth in range(26, 201):
        assert sum(stage_blocks(depth)) == round(float(np.interp(depth, released, totals)))
    assert all(min(stage_blocks(depth)) >= 2 for depth in range(26, 500))


def test_multiply_adds_of_resnet_rs_grow_with_the_square_of_the_resolution() -> None:
    small, large = (ResNetRS(resolution=pixels).profile() for pixels in (160, 320))
    assert small.params == large.params
    assert large.macs / small.macs == pytest.approx(4.0, rel=0.01)


def test_slow_resolution_is_what_the_family_does() -> None:
    small = ResNetRS.named("50").profile().macs
    large = ResNetRS.named("350").profile().macs
    share = torch.tensor((256 / 160) ** 2).log() / torch.tensor(large / small).log()
    assert float(share) == pytest.approx(1 / 3, abs=0.02)


def test_cells_grow() -> None:
    searched = ScalableCells(architecture=published.NASNET_A, cells=2, channels=32, resolution=32)
    assert searched.profile(num_classes=10).params == 1_294_698
    assert searched.scaled(depth=3.0).profile(num_classes=10).params == 3_346_538
    assert searched.scaled(width=1.37).sizes == {"cells": 2, "channels": 44}
    assert searched.stride == 4


def test_cells_for_large_images() -> None:
    large = ScalableCells(
        architecture=published.NASNET_A,
        cells=4,
        channels=44,
        resolution=224,
        build_arguments={"stem": "imagenet"},
    )
    counted = large.profile()
    assert counted.macs / 1e6 == pytest.approx(564, rel=0.05)
    with pytest.raises(ValueError, match="at least 32 pixels"):
        large.at(resolution=31)


@pytest.mark.parametrize(
    ("architecture", "build"),
    [
        (published.NASBENCH201_RESNET, {}),
        (published.AMOEBANET_A, {}),
        (published.PNASNET_5, {}),
        (published.DARTS_V2, {}),
        (published.ENAS_MICRO, {}),
    ],
    ids=["nasbench201", "amoebanet", "pnas", "darts", "enas"],
)
def test_cells_of_every_space(architecture: object, build: dict[str, object]) -> None:
    network = ScalableCells(
        architecture=architecture, cells=3, channels=8, resolution=16, build_arguments=build
    )
    larger = network.scaled(width=2.0, depth=2.0, resolution=2.0)
    assert larger.sizes == {"cells": 6, "channels": 16}
    model = larger.build(num_classes=7, in_channels=1).eval()
    assert model(torch.zeros(2, 1, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize(
    "network",
    [
        EfficientNet(width=0.25),
        ResNetRS(depth=26, width=0.25),
        ScalableCells(architecture=published.DARTS_V2, cells=3, channels=4, resolution=32),
    ],
    ids=["efficientnet", "resnet_rs", "darts"],
)
def test_counts_are_those_of_the_whole_network(network: ScalableNetwork) -> None:
    whole = profile(network.build(num_classes=7), (3, network.resolution, network.resolution))
    assert network.profile(num_classes=7) == whole


def test_small_networks_for_small_images() -> None:
    for network in (
        EfficientNet(stem_stride=1, width=0.25, resolution=28),
        MobileNetV2(stem_stride=1, width=0.25, resolution=28),
        ResNet(blocks=(1, 1, 1, 1), kind="basic", stem="cifar", width=0.125, resolution=28),
        ResNetRS(depth=26, stem="cifar", width=0.125, resolution=28),
    ):
        model = network.build(num_classes=10, in_channels=1)
        assert model(torch.randn(2, 1, 28, 28)).shape == (2, 10)


def test_notation() -> None:
    assert parse_size("6 @ 768", published.NASNET_A) == (6, 32)
    assert parse_size("4@1056", published.NASNET_A) == (4, 44)
    with pytest.raises(ValueError, match=r"multiple of 24.*P=1538: the nearest is 5 @ 1536"):
        parse_size("5 @ 1538", published.NASNET_A)
    with pytest.raises(ValueError, match="written as N @ P"):
        parse_size("six @ 768", published.NASNET_A)


def test_identity_is_json() -> None:
    cells = ScalableCells(architecture=published.NASNET_A, cells=2, channels=8, resolution=32)
    for network in (EfficientNet(), ResNetRS(), ResNet(), cells):
        assert json.loads(json.dumps(network.identity))["resolution"] == network.resolution


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        (lambda: EfficientNet(resolution=28), "at least 32 pixels, the stride of EfficientNet"),
        (lambda: ResNetRS().scaled(resolution=0.1), "resolution=16"),
        (lambda: EfficientNet(width=0.0), "`width` must be a finite number above 0"),
        (lambda: EfficientNet().scaled(depth=-1.0), "`depth` must be a finite number above 0"),
        (lambda: EfficientNet(dropout=1.0), r"`dropout` must lie in \[0, 1\)"),
        (lambda: EfficientNet(stages=()), "`stages` must be at least one"),
        (lambda: EfficientNet.named("b9"), "`name` must be one of"),
        (lambda: MnasNet.named("a9"), "`name` must be one of"),
        (lambda: ResNetRS.named("51"), "`name` must be one of"),
        (lambda: ResNetRS.named("50", resolution=224), r"must be one of \(160,\)"),
        (lambda: ResNetRS(depth=20), "at least 26 layers"),
        (lambda: ResNetRS(stem="none"), "`stem` must be one of"),
        (lambda: ResNet(kind="wide"), "`kind` must be one of"),
        (lambda: ResNet(blocks=(1, 1, 0, 1)), "`blocks` must be four numbers"),
    ],
)
def test_errors(wrong: object, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        wrong()


def test_cells_errors() -> None:
    options = {"architecture": published.NASNET_A, "cells": 2, "channels": 8, "resolution": 32}
    with pytest.raises(ValueError, match="`cells` must be at least 1"):
        ScalableCells(**(options | {"cells": 0}))
    with pytest.raises(ValueError, match="settings of their own"):
        ScalableCells(**options, build_arguments={"channels": 3})
