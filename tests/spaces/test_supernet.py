"""Supernets of NAS-Bench-201, and the arguments and errors of all supernets."""

import itertools
import re

import pytest
import torch
from space_testing import sample
from torch import nn

from optuna_nas.nn import ImageTooSmallError
from optuna_nas.nn.supernets._nasbench201_supernet import NASBench201MixedCell
from optuna_nas.spaces import (
    SPACES,
    DARTSSpace,
    NASBench201Space,
    NASRLSpace,
    PNASSpace,
    function_space,
    published,
)

SPACE = NASBench201Space()
OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NAMES = [f"op_{i}_from_{j}" for i in (1, 2, 3) for j in range(i)]
SMALL = {"cells": 1, "channels": 4, "num_classes": 5, "in_channels": 2}
X = torch.linspace(-1, 1, 2 * 2 * 8 * 8).sin().reshape(2, 2, 8, 8)


def shaken(module: nn.Module) -> nn.Module:
    """Give the batch norms statistics that matter."""
    torch.manual_seed(1)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None:
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2.0)
    return module


def cell(*ops):
    return SPACE.architecture(dict(zip(NAMES, ops, strict=True)))


# NAS-Bench-201


def test_alphas_are_shared_by_all_cells():
    supernet = SPACE.supernet()
    assert list(supernet.alphas()) == NAMES
    assert all(alpha.shape == (5,) for alpha in supernet.alphas().values())
    cells = [m for m in supernet.modules() if isinstance(m, NASBench201MixedCell)]
    assert len(cells) == 15
    # Skeleton, and 1x1 and 3x3 convolutions on six edges of five cells of each width.
    convs = sum(10 * c * c for c in (16, 32, 64))
    assert sum(p.numel() for p in supernet.weights().values()) == 73_306 + 6 * 5 * convs
    affine = SPACE.supernet(affine=True)
    norms = sum(2 * 2 * c for c in (16, 32, 64))
    assert sum(p.numel() for p in affine.weights().values()) == 73_306 + 30 * (convs + norms)


def test_a_cell_mixes_by_hand():
    torch.manual_seed(0)
    edges = [["1_0"], ["2_0", "2_1"]]
    mixed = NASBench201MixedCell(
        edges, dict.fromkeys(("1_0", "2_0", "2_1"), OPS), 3, affine=False, track_running_stats=True
    )
    mixed.double().eval()
    x = torch.randn(2, 3, 5, 5, dtype=torch.float64)
    weights = {name: torch.rand(5, dtype=torch.float64).softmax(0) for name in mixed.mixed}

    def edge(name, state):
        skip, conv_1, conv_3, pool = mixed.mixed[name].ops
        _, a, b, c, d = weights[name]
        return a * skip(state) + b * conv_1(state) + c * conv_3(state) + d * pool(state)

    first = edge("1_0", x)
    expected = edge("2_0", x) + edge("2_1", first)
    torch.testing.assert_close(mixed(x, weights), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("affine", [False, True])
def test_one_path_is_the_built_network_with_the_same_weights(affine):
    supernet = shaken(SPACE.supernet(affine=affine, **SMALL)).eval()
    for architecture in [*sample(SPACE, 4), cell(*["none"] * 6), published.NASBENCH201_RESNET]:
        built = architecture.build(**SMALL)
        copy_path(supernet.network.skeleton, built, architecture)
        torch.testing.assert_close(
            supernet(X, architecture=architecture), built.eval()(X), rtol=0, atol=1e-6
        )


def copy_path(skeleton, built, architecture):
    """Copy the weights of one architecture out of a supernet."""
    for source, target in zip(skeleton.cells, built.cells, strict=True):
        if not isinstance(source, NASBench201MixedCell):
            target.load_state_dict(source.state_dict())
            continue
        for names, edges, ops in zip(
            source.edges, target.nodes, architecture.genotype, strict=True
        ):
            used = [(name, op) for name, op in zip(names, ops, strict=True) if op != "none"]
            for (name, op), edge in zip(used, edges, strict=True):
                mine = source.mixed[name].ops[OPS.index(op) - 1]
                edge.load_state_dict(
                    mine.state_dict(), strict=False
                )  # weights 1 and biases 0 stay
    for part in ("stem", "act", "head"):
        getattr(built, part).load_state_dict(getattr(skeleton, part).state_dict())


def test_derive_takes_none_as_well():
    supernet = SPACE.supernet(**SMALL)
    wanted = ("none", "avg_pool_3x3", "nor_conv_1x1", "none", "skip_connect", "nor_conv_3x3")
    with torch.no_grad():
        for name, op in zip(NAMES, wanted, strict=True):
            supernet.alphas()[name][OPS.index(op)] = 1.0
    assert supernet.derive() == cell(*wanted)
    with torch.no_grad():
        for alpha in supernet.alphas().values():
            alpha.copy_(torch.tensor([0.0, 0.5, 0.5, 0.5, 0.1]))
    assert supernet.derive() == cell(*["skip_connect"] * 6)  # of ties the first


def test_children_that_share_an_edge_share_the_tensor():
    supernet = SPACE.supernet(**SMALL)
    one = cell("nor_conv_3x3", "none", "skip_connect", "none", "none", "nor_conv_1x1")
    two = cell("nor_conv_3x3", "none", "nor_conv_3x3", "skip_connect", "none", "nor_conv_1x1")
    ours, theirs = (touched(supernet, architecture) for architecture in (one, two))
    shared = "network.skeleton.cells.0.mixed.op_1_from_0.ops.2.1.weight"
    assert shared.replace("ops.2", "ops.1") not in ours
    own = "network.skeleton.cells.0.mixed.op_2_from_1.ops.2.1.weight"
    assert own in theirs
    assert own not in ours
    both = ours.keys() & theirs.keys()
    assert shared in both
    assert all(ours[name] is theirs[name] for name in both)


def touched(supernet, architecture):
    """The parameters that get a gradient from one architecture."""
    supernet.zero_grad(set_to_none=True)
    supernet(X, architecture=architecture).square().sum().backward()
    return {name: p for name, p in supernet.named_parameters() if p.grad is not None}


def test_gradients_of_a_path():
    supernet = SPACE.supernet(**SMALL)
    got = touched(supernet, cell(*["nor_conv_3x3"] * 6))
    assert not any("_alphas" in name or ".ops.1." in name for name in got)
    assert sum(".ops.2." in name for name in got) == 3 * 6
    supernet.zero_grad(set_to_none=True)
    supernet(X).square().sum().backward()
    assert all(p.grad is not None for p in supernet.parameters())


def test_fixed_edges_have_no_alpha_and_no_other_operation():
    supernet = SPACE.supernet(
        fixed={"op_1_from_0": "nor_conv_1x1", "op_3_from_0": "none"}, **SMALL
    )
    assert list(supernet.alphas()) == [n for n in NAMES if n not in ("op_1_from_0", "op_3_from_0")]
    first = next(m for m in supernet.modules() if isinstance(m, NASBench201MixedCell))
    assert [len(first.mixed[name].ops) for name in NAMES[:4]] == [1, 4, 4, 0]
    assert supernet(X).shape == (2, 5)
    derived = supernet.derive()
    assert (derived.params["op_1_from_0"], derived.params["op_3_from_0"]) == (
        "nor_conv_1x1",
        "none",
    )
    assert supernet(X, architecture=derived).shape == (2, 5)
    with pytest.raises(ValueError, match="`op_1_from_0` among .*nor_conv_1x1.* has 'none'"):
        supernet(X, architecture=cell(*["none"] * 6))


def test_wrong_fixed_values():
    with pytest.raises(ValueError, match=r"`fixed` .*not ask for \['op_4_from_0'\].*op_1_from_0"):
        SPACE.supernet(fixed={"op_4_from_0": "none"})
    with pytest.raises(ValueError, match="`op_1_from_0` must be one of .*got 'sep_conv_3x3'"):
        SPACE.supernet(fixed={"op_1_from_0": "sep_conv_3x3"})


def test_batch_statistics():
    supernet = SPACE.supernet(track_running_stats=False, **SMALL)
    norms = [
        norm
        for cell in supernet.modules()
        if isinstance(cell, NASBench201MixedCell)
        for norm in cell.modules()
        if isinstance(norm, nn.BatchNorm2d)
    ]
    assert len(norms) == 3 * 12
    assert all(norm.running_mean is None for norm in norms)
    assert supernet.network.skeleton.stem[1].running_mean is not None


def test_images_that_are_too_small():
    with pytest.raises(ImageTooSmallError, match="3x3"):
        SPACE.supernet(**SMALL)(torch.zeros(2, 2, 2, 2))


def test_arguments():
    assert SPACE.supernet_arguments["cells"] == 5
    assert DARTSSpace().supernet_arguments["channels"] == 16
    with pytest.raises(TypeError, match=r"build arguments \['layers'\], only num_classes=10"):
        SPACE.supernet(layers=3)

    @function_space
    def net(trial, num_classes=10):
        return nn.Linear(1, num_classes)

    assert net.supernet_arguments == {"num_classes": 10}
    with pytest.raises(TypeError, match=r"build arguments \['cells'\]"):
        net.supernet(cells=3)


def test_spaces_without_a_supernet():
    message = "has no supernet, since it does not write `relax`. .*DARTSSpace have one.*choice"
    for name in ("nas_rl", "mnasnet"):
        cls = SPACES[name]
        with pytest.raises(TypeError, match=message):
            cls().supernet()
        with pytest.raises(TypeError, match=message):
            cls().supernet_arguments  # noqa: B018
    with pytest.raises(TypeError, match=re.escape(str(NASRLSpace(num_layers=2)))):
        NASRLSpace(num_layers=2).supernet(cells=3)
    with pytest.raises(ValueError, match="no fixed list of decisions"):
        PNASSpace(num_blocks=(1, 5)).supernet()


def test_all_cells_of_a_small_supernet_are_reached():
    """Every choice of an edge is a path."""
    fixed = dict.fromkeys(NAMES[2:], "skip_connect")
    supernet = SPACE.supernet(fixed=fixed, **SMALL).eval()
    seen = set()
    for pair in itertools.product(OPS, repeat=2):
        params = {**fixed, **dict(zip(NAMES, pair, strict=False))}
        seen.add(tuple(supernet(X, architecture=SPACE.architecture(params)).flatten().tolist()))
    assert len(seen) >= 20  # swapping operations that only add up makes no difference
