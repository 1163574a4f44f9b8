"""The published networks of cells: sizes, shapes and places, against the papers' own code."""

import pytest
import torch
from published_cells import (
    AMOEBANET_A,
    AMOEBANET_A_IN_DARTS,
    AMOEBANET_D,
    DARTS_V1,
    DARTS_V2,
    ENAS,
    NASNET_A,
    PNASNET_5,
)
from torch.utils.flop_counter import FlopCounterMode

from optuna_nas.nn import Cell, Edge, ImageTooSmallError, Node, OddSizeError, cell_network


def strict(cells):
    return tuple(Cell(c.nodes, c.loose_ends, c.previous) for c in cells)


def build(genotype, cells, channels, *, num_classes=10, device="meta", **options):
    with torch.device(device):
        return cell_network(
            *genotype,
            num_classes=num_classes,
            in_channels=3,
            cells=cells,
            channels=channels,
            **options,
        )


def count(module):
    return sum(p.numel() for p in module.parameters())


def shapes(network, size):
    """Height, width and channels after each cell."""
    found = []
    for module in network.cells:
        module.register_forward_hook(
            lambda m, _, out: found.append((*out.shape[2:], out.shape[1]))
        )
    network.eval()(torch.empty(1, 3, size, size, device="meta"))
    return found


@pytest.mark.parametrize(
    ("genotype", "cells", "channels", "options", "parameters"),
    [
        (NASNET_A, 6, 32, {}, 3_346_538),
        (NASNET_A, 2, 32, {}, 1_294_698),
        (NASNET_A, 3, 24, {}, 1_053_922),
        (NASNET_A, 7, 96, {}, 32_590_954),
        (strict(NASNET_A), 6, 32, {}, 3_076_906),
        (strict(NASNET_A), 4, 44, {"stem": "imagenet", "num_classes": 1000}, 4_772_516),
        (AMOEBANET_A, 6, 32, {"ops": "amoebanet"}, 2_567_754),
        (AMOEBANET_A, 6, 36, {"ops": "amoebanet"}, 3_218_266),
        (AMOEBANET_A, 3, 24, {"ops": "amoebanet"}, 843_322),
        (strict(AMOEBANET_A), 6, 32, {"ops": "amoebanet"}, 2_257_162),
        (strict(AMOEBANET_A), 6, 36, {"ops": "amoebanet"}, 2_825_362),
        (AMOEBANET_A_IN_DARTS, 20, 36, {"assembly": "darts"}, 3_145_078),
        (PNASNET_5, 3, 48, {"assembly": "pnas"}, 3_189_082),
        (PNASNET_5, 2, 24, {"assembly": "pnas"}, 545_266),
        (ENAS, 15, 36, {"assembly": "enas"}, 3_894_372),
        (DARTS_V1, 20, 36, {"assembly": "darts"}, 3_169_414),
        (DARTS_V2, 20, 36, {"assembly": "darts"}, 3_349_342),
        (DARTS_V1, 20, 36, {"assembly": "darts", "auxiliary": True}, 3_645_840),
        (DARTS_V2, 20, 36, {"assembly": "darts", "auxiliary": True}, 3_825_768),
        (DARTS_V1, 20, 36, {"assembly": "darts", "num_classes": 100}, 3_221_344),
        (DARTS_V2, 20, 36, {"assembly": "darts", "num_classes": 100}, 3_401_272),
        (DARTS_V1, 8, 16, {"assembly": "darts"}, 232_890),
        (DARTS_V2, 8, 16, {"assembly": "darts"}, 246_106),
        (DARTS_V1, 5, 8, {"assembly": "darts"}, 35_058),
        (DARTS_V2, 5, 8, {"assembly": "darts"}, 37_018),
        (DARTS_V1, 3, 4, {"assembly": "darts"}, 2_798),
        (DARTS_V2, 3, 4, {"assembly": "darts"}, 2_858),
    ],
)
def test_published_sizes(genotype, cells, channels, options, parameters):
    assert count(build(genotype, cells, channels, **options)) == parameters


@pytest.mark.parametrize(
    ("genotype", "cells", "channels", "options", "millions"),
    [
        (NASNET_A, 4, 44, {"stem": "imagenet"}, 5.3),
        (AMOEBANET_A, 4, 50, {"stem": "imagenet", "ops": "amoebanet"}, 5.1),
        (AMOEBANET_A, 6, 190, {"stem": "imagenet", "ops": "amoebanet"}, 86.7),
        (PNASNET_5, 3, 54, {"stem": "imagenet", "assembly": "pnas"}, 5.1),
        (DARTS_V2, 14, 48, {"stem": "imagenet", "assembly": "darts"}, 4.7),
    ],
)
def test_printed_sizes_on_imagenet(genotype, cells, channels, options, millions):
    network = build(genotype, cells, channels, num_classes=1000, **options)
    assert round(count(network) / 1e6, 1) == millions


@pytest.mark.parametrize(
    ("genotype", "cells", "channels", "assembly", "parameters"),
    [
        (NASNET_A, 6, 32, "nasnet", 1_631_498),
        (ENAS, 15, 36, "enas", 494_848),
        (DARTS_V1, 20, 36, "darts", 476_426),
    ],
)
def test_auxiliary_heads(genotype, cells, channels, assembly, parameters):
    network = build(genotype, cells, channels, assembly=assembly, auxiliary=True)
    assert count(network.auxiliary_head) == parameters
    small = build(genotype, 2, 4, assembly=assembly, auxiliary=True, device="cpu")
    for x in (torch.rand(2, 3, 32, 32), torch.rand(2, 3, 8, 16)):
        logits, aux_logits = small.train()(x)
        assert logits.shape == aux_logits.shape == (2, 10)
        assert small.eval()(x).shape == (2, 10)


def test_shapes_of_nasnet():
    network = build(NASNET_A, 6, 32)
    found = shapes(network, 32)
    assert network.stem[0][0].out_channels == 96
    normal = [(32, 32, 192)] * 6, [(16, 16, 384)] * 6, [(8, 8, 768)] * 6
    assert found == [*normal[0], (16, 16, 256), *normal[1], (8, 8, 512), *normal[2]]
    assert network.reductions == (6, 13)  # before normal cells 6 and 12
    assert network.auxiliary_at == 12  # normal cell 11


def test_shapes_of_nasnet_on_imagenet():
    network = build(NASNET_A, 4, 44, stem="imagenet")
    assert (network.reductions, network.auxiliary_at) == ((0, 1, 6, 11), 10)
    found = shapes(network, 224)
    assert found[:3] == [(56, 56, 44), (28, 28, 88), (28, 28, 264)]
    assert found[6:8] == [(14, 14, 352), (14, 14, 528)]
    assert found[11:] == [(7, 7, 704), *[(7, 7, 1056)] * 4]
    assert [k for k, back in enumerate(network.older) if back != 2] == [0]
    large = build(NASNET_A, 6, 168, stem="imagenet_large")
    assert [k for k, back in enumerate(large.older) if back == 3] == [9, 16]  # after reductions
    found = shapes(large, 331)
    assert found[1:3] == [(42, 42, 336), (42, 42, 1008)]
    assert found[8:10] == [(21, 21, 1344), (21, 21, 2016)]
    assert found[-1] == (11, 11, 4032)


def test_shapes_and_reductions_of_pnas():
    network = build(PNASNET_5, 3, 48, assembly="pnas")
    assert network.reductions == (3, 6)
    assert network.auxiliary_at == 5
    assert shapes(network, 32)[-1] == (8, 8, 960)
    assert shapes(build(PNASNET_5, 2, 24, assembly="pnas"), 32)[-1] == (8, 8, 480)
    large = build(PNASNET_5, 4, 216, assembly="pnas", stem="imagenet_large")
    assert large.reductions == (0, 1, 2 + 4, 2 + 8)


@pytest.mark.parametrize(("cells", "reductions"), [(15, (5, 11)), (6, (2, 5)), (1, (0, 1))])
def test_reductions_of_enas(cells, reductions):
    network = build(ENAS, cells, 36, assembly="enas")
    assert network.reductions == reductions
    assert len(network.cells) == cells + 2
    assert network.auxiliary_at == reductions[1] + 1
    assert network.head.fc.bias is None
    assert shapes(network, 32)[-1] == (8, 8, 720)


@pytest.mark.parametrize(
    ("cells", "reductions"), [(20, (6, 13)), (14, (4, 9)), (8, (2, 5)), (2, (0, 1)), (1, (0,))]
)
def test_reductions_of_darts(cells, reductions):
    network = build(DARTS_V2, cells, 36, assembly="darts")
    assert network.reductions == reductions
    assert network.auxiliary_at == 2 * cells // 3
    widths = {144 * 2 ** sum(r <= k for r in reductions) for k in range(cells)}
    assert {c for _, _, c in shapes(network, 32)} == widths


@pytest.mark.parametrize(("genotype", "macs"), [(DARTS_V1, 500_987_520), (DARTS_V2, 528_359_040)])
def test_multiply_adds_of_darts(genotype, macs):
    network = build(genotype, 20, 36, assembly="darts").eval()
    with FlopCounterMode(display=False) as counter:
        network(torch.empty(1, 3, 32, 32, device="meta"))
    assert counter.get_total_flops() == 2 * macs


def test_darts_on_imagenet():
    network = build(
        DARTS_V2, 14, 48, assembly="darts", stem="imagenet", auxiliary=True, num_classes=1000
    )
    assert shapes(network, 224)[::4] == [(28, 28, 192), (14, 14, 384), (14, 14, 384), (7, 7, 768)]
    aux = network.auxiliary_head  # its second batch norm is left out
    assert count(aux) == 768 * 128 + 256 + 4 * 128 * 768 + 768 * 1000 + 1000


@pytest.mark.parametrize("assembly", ["nasnet", "pnas", "darts", "enas"])
@pytest.mark.parametrize(
    "genotype", [NASNET_A, AMOEBANET_D, PNASNET_5, ENAS, DARTS_V1], ids="nadp1"
)
def test_every_cell_builds_in_every_assembly(genotype, assembly):
    network = build(genotype, 3, 8, assembly=assembly, device="cpu", auxiliary=True)
    logits, aux_logits = network(torch.rand(2, 3, 8, 8))
    (logits.sum() + aux_logits.sum()).backward()
    assert network.eval()(torch.rand(1, 3, 8, 16)).shape == (1, 10)


@pytest.mark.parametrize(
    ("assembly", "stem", "size", "works"),
    [
        ("darts", "cifar", 3, 4),
        ("darts", "imagenet", 28, 29),
        ("nasnet", "imagenet", 2, 3),
        ("pnas", "imagenet_large", 2, 3),
    ],
)
def test_too_small_images(assembly, stem, size, works):
    network = build(DARTS_V2, 5, 8, assembly=assembly, stem=stem).eval()
    with pytest.raises(ImageTooSmallError, match=f"smallest size that works is {works}x{works}"):
        network(torch.empty(1, 3, size, 64, device="meta"))
    assert network(torch.empty(1, 3, works, works, device="meta")).shape == (1, 10)


@pytest.mark.parametrize("assembly", ["nasnet", "pnas", "enas"])
def test_a_pixel_is_enough_where_reductions_pad(assembly):
    network = build(DARTS_V2, 3, 8, assembly=assembly).eval()
    assert network(torch.empty(1, 3, 1, 1, device="meta")).shape == (1, 10)


def test_odd_maps_name_the_sizes_that_work():
    network = build(DARTS_V2, 5, 8, assembly="darts")
    with pytest.raises(OddSizeError, match=r"30x32 .* 28 or 32 for the height and 32 for the w"):
        network(torch.empty(2, 3, 30, 32, device="meta"))
    large = build(DARTS_V2, 14, 8, assembly="darts", stem="imagenet")
    with pytest.raises(OddSizeError, match=r"192x200 .* 192 for the height and 192 or 221 for"):
        large(torch.empty(2, 3, 192, 200, device="meta"))
    for size in (4, 8, 12, 28):
        assert network.works_with(size)
    assert not network.works_with(6)
    # Where the last cell is a reduction, nothing halves its map by a factorised reduction.
    assert build(DARTS_V2, 3, 8, assembly="darts").works_with(6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"assembly": "nas"}, '`assembly` must be one of "nasnet", "pnas", "darts", "enas"'),
        ({"assembly": "enas", "stem": "imagenet"}, r"one of \('cifar',\) with assembly='enas'"),
        ({"assembly": "darts", "stem": "imagenet_large"}, r"\('cifar', 'imagenet'\) with asse"),
        ({"cells": 0}, "`cells` must be at least 1"),
        ({"channels": 1}, "`channels` must be at least 2 with this stem, but got channels=1"),
        ({"channels": 7, "stem": "imagenet"}, "`channels` must be at least 8"),
        ({"drop_path": 1.5}, r"`drop_path` must lie in \[0, 1\], but got drop_path=1.5"),
        ({"dropout": -0.1}, r"`dropout` must lie in \[0, 1\]"),
        ({"num_classes": -1}, "`num_classes` must be at least 0"),
        ({"features_only": 1}, "`features_only` must be True or False"),
        ({"features_only": True, "auxiliary": True}, "`auxiliary` must be False with features_on"),
        ({"ops": "vgg"}, "`family` must be one of"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        build(NASNET_A, **{"cells": 2, "channels": 8, **options})


def test_unknown_operation():
    wrong = Cell((Node((Edge(0, "conv_9x9"),)),), (2,), 0)
    with pytest.raises(ValueError, match="`name` must be one of .*'conv_9x9'"):
        build((wrong, None), 1, 8)
