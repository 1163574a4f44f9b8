"""NASNet-A large and PNASNet-5 large compute what timm's networks compute, with timm's weights.

timm (1.0.31) ported both from the released TensorFlow code. One thing is not the same: where
``SAME`` padding is uneven timm pads with zeros before an average pool and counts them, as its
source says itself, while TensorFlow does not count them. PNASNet-5 has no such pool. For
NASNet-A, timm's pools are put into our network for the comparison; all else is ours.

Both are compared in float64, where they agree to 1e-9. In float32 the order in which sums are
rounded alone makes up to 5e-5 of these depths, which would hide a small mistake.
"""

import pytest
import torch
from published_cells import NASNET_A, PNASNET_5
from torch import nn

from optuna_nas.nn import cell_network
from optuna_nas.nn.ops._same import SamePool2d

timm = pytest.importorskip("timm")

pytestmark = pytest.mark.slow


def count(module):
    return sum(p.numel() for p in module.parameters())


def copy_tensors(source, target):
    """Copy weights and statistics in the order in which they were made; the shapes must agree."""
    ours, theirs = (list(m.state_dict().values()) for m in (source, target))
    assert [t.shape for t in ours] == [t.shape for t in theirs]
    with torch.no_grad():
        for mine, their in zip(ours, theirs, strict=True):
            their.copy_(mine)


def copy_cell(ours, theirs):
    copy_tensors(ours.project_previous, theirs.conv_1x1)
    if hasattr(theirs, "conv_prev_1x1"):
        copy_tensors(ours.project_older, theirs.conv_prev_1x1)
    elif hasattr(theirs, "path_1"):
        parts = (theirs.path_1, theirs.path_2, theirs.final_path_bn)
        copy_tensors(ours.project_older, nn.ModuleList(parts))
    for block, node in enumerate(ours.nodes.values()):
        for op, side in zip(node.edges, ("left", "right"), strict=True):
            name = f"comb_iter_{block}_{side}"
            if getattr(theirs, name, None) is None:  # an identity is not a module there
                assert isinstance(op, nn.Identity)
            else:
                copy_tensors(op, getattr(theirs, name))


def compare(ours, theirs, names, stem):
    torch.manual_seed(0)
    for module in ours.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
    ours, theirs = ours.double(), theirs.double()
    x = torch.randn(2, 3, 107, 96, dtype=torch.float64)
    with torch.no_grad():
        ours(x)  # sets the running statistics, so that every layer's output is of order 1
        copy_tensors(ours.stem, stem)
        assert len(names) == len(ours.cells)
        for name, cell in zip(names, ours.cells, strict=True):
            copy_cell(cell, getattr(theirs, name))
        copy_tensors(ours.head.fc, theirs.last_linear)
        expected = theirs.eval()(x)
        found = ours.eval()(x)
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def large(genotype, cells, channels, assembly):
    return cell_network(
        *genotype,
        num_classes=1000,
        in_channels=3,
        cells=cells,
        channels=channels,
        assembly=assembly,
        stem="imagenet_large",
    )


def test_nasnet_a_large():
    theirs = timm.create_model("nasnetalarge")
    ours = large(NASNET_A, 6, 168, "nasnet")
    assert count(ours) == count(theirs) == 88_753_150
    for module in list(ours.modules()):
        for name, child in module.named_children():
            if isinstance(child, SamePool2d) and child.kind == "avg":
                setattr(module, name, timm.layers.AvgPool2dSame(3, stride=2))
    names = theirs.layer_names[1:]  # without conv0, in the order of the forward pass
    compare(ours, theirs, names, theirs.conv0)


def test_pnasnet_5_large():
    theirs = timm.create_model("pnasnet5large")
    ours = large(PNASNET_5, 4, 216, "pnas")
    assert count(ours) == count(theirs) == 86_057_668
    compare(ours, theirs, theirs.layer_names[1:], theirs.conv_0)
