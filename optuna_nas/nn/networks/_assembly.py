"""How cells become a network: stems, the plan of the cells, and where the auxiliary head sits.

Each assembly is a list of places. A place says which cell stands there and what it reads; the
network itself (``_cell_network.py``) is the same for all.

Legend: ``I`` image channels, ``N`` normal cells per stack, ``F`` filters of the first stack, ``L``
cells in all, ``C`` channels of the first stack.

References:
    - Zoph et al. Learning Transferable Architectures for Scalable Image Recognition. CVPR 2018.
      arXiv:1707.07012 (``nasnet``, also AmoebaNet, arXiv:1802.01548).
    - Liu et al. Progressive Neural Architecture Search. ECCV 2018. arXiv:1712.00559 (``pnas``).
    - Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019.
      arXiv:1806.09055 (``darts``).
    - Pham et al. Efficient Neural Architecture Search via Parameter Sharing. ICML 2018.
      arXiv:1802.03268 (``enas``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from optuna_nas.nn.networks._cell import CellStyle
from optuna_nas.nn.ops import ConvNormAct, ReLUConvBN

__all__ = ["ASSEMBLIES", "Assembly", "Place", "Stem"]

NUM_STACKS = 3


@dataclass(frozen=True)
class Place:
    """Where a cell stands.

    Args:
        channels: Channels of the cell.
        reduction: Whether it is the reduction cell, with stride 2.
        older: How many outputs back the older input is; 1 is the previous cell's output itself,
            where there is no older one.
    """

    channels: int
    reduction: bool = False
    older: int = 2


@dataclass(frozen=True)
class Stem:
    """The layers before the cells.

    Args:
        make: Modules that follow each other, from ``(I, F)``; every output can be read.
        channels: Channels of each output, from ``F``.
        halvings: How often each output has been halved.
        cells: Cells of the stem, from ``F``.
        min_channels: Smallest ``F``.
        min_size: Smallest height and width of an image.
        skip_reduction: The release's switch "skip reduction layer input", read by the plan.
        eps: Epsilon of all batch norms in the network.
        auxiliary: Arguments of the auxiliary head.
        inner: From ``F``, maps within the stem that are its last of a resolution, by the name of
            their module: channels and how often they have been halved.
    """

    make: Callable[[int, int], list[nn.Module]]
    channels: Callable[[int], list[int]]
    halvings: tuple[int, ...]
    cells: Callable[[int], list[Place]] = lambda _: []
    min_channels: int = 2
    min_size: int = 1
    skip_reduction: bool = False
    eps: float = 1e-5
    auxiliary: dict[str, Any] = field(default_factory=dict)
    inner: Callable[[int], dict[str, tuple[int, int]]] = lambda _: {}


@dataclass(frozen=True)
class Assembly:
    """A way to build.

    Args:
        style: Style of the cells.
        stems: By name.
        plan: Places of the cells after the stem, from ``(cells, channels, stem)``.
        auxiliary_at: From ``cells``, the number of the cell after the stem that the auxiliary
            head reads.
        head: Arguments of the classifier's head.
        scheduled: Whether drop path grows with the number of the layer (ScheduledDropPath).
    """

    style: CellStyle
    stems: dict[str, Stem]
    plan: Callable[[int, int, Stem], list[Place]]
    auxiliary_at: Callable[[int], int]
    head: dict[str, Any] = field(default_factory=dict)
    scheduled: bool = True


def _cifar_stem(size: int, **auxiliary: Any) -> Stem:
    """3x3 convolution to 3F channels, batch norm."""
    return Stem(
        lambda i, f: [ConvNormAct(i, 3 * f, (3, 3), act=False)],
        lambda f: [3 * f],
        (0,),
        auxiliary={"size": size, **auxiliary},
    )


def _imagenet_stem(filters: int, size: int, *, skip_reduction: bool = False) -> Stem:
    """3x3 convolution of stride 2 without padding, then two reduction cells, F/4 and F/2."""
    return Stem(
        lambda i, _: [ConvNormAct(i, filters, (3, 3), stride=(2, 2), act=False, padded=False)],
        lambda _: [filters],
        (1,),
        cells=lambda f: [Place(f // 4, True, older=1), Place(f // 2, True)],
        min_channels=8,
        min_size=3,
        skip_reduction=skip_reduction,
        eps=1e-3,
        auxiliary={"size": size},
    )


def _darts_imagenet_stem() -> Stem:
    """Two maps: one after two convolutions of stride 2, one after a third."""
    halve = (2, 2)
    return Stem(
        lambda i, c: [
            nn.Sequential(
                ConvNormAct(i, c // 2, (3, 3), stride=halve),
                ConvNormAct(c // 2, c, (3, 3), stride=halve, act=False),
            ),
            ReLUConvBN(c, c, 3, stride=2),
        ],
        lambda c: [c, c],
        (2, 3),
        auxiliary={"size": 2, "stride": 2, "last_norm": False},
        inner=lambda c: {"0.0": (c // 2, 1)},
    )


def _nasnet_plan(cells: int, channels: int, stem: Stem) -> list[Place]:
    """N normal cells, a reduction cell, N, a reduction cell, N.

    With ``skip_reduction`` the normal cell after a reduction cell has the older input of that.
    """
    places = []
    for stack in range(NUM_STACKS):
        width = channels * 2**stack
        normal = [Place(width) for _ in range(cells)]
        if stack > 0:
            places.append(Place(width, True))
            normal[0] = Place(width, older=3 if stem.skip_reduction else 2)
        places += normal
    return places


def _pnas_plan(cells: int, channels: int, stem: Stem) -> list[Place]:
    """3N cells, of which number N and 2N have stride 2.

    Without ``skip_reduction`` they have the older input of the cell before, which may be none.
    """
    reused = 3 if cells > 1 else 1
    places = []
    for k in range(NUM_STACKS * cells):
        strided = k in (cells, 2 * cells)
        older = reused if strided and not stem.skip_reduction else 2
        places.append(Place(channels * 2 ** (k // cells), strided, older))
    return places


def _darts_plan(cells: int, channels: int, stem: Stem) -> list[Place]:
    """L cells, of which number L//3 and 2L//3 are reductions."""
    return _with_reductions(cells, {cells // 3, 2 * cells // 3}, channels)


def _enas_plan(cells: int, channels: int, stem: Stem) -> list[Place]:
    """L + 2 cells, of which number L//3 and 2(L//3)+1 are reductions."""
    third = cells // 3
    return _with_reductions(cells + 2, {third, 2 * third + 1}, channels)


def _with_reductions(count: int, at: set[int], channels: int) -> list[Place]:
    places = []
    for k in range(count):
        channels *= 2 if k in at else 1
        places.append(Place(channels, k in at))
    return places


_NASNET_STYLE = CellStyle("nasnet", project_first=False)

ASSEMBLIES = {
    "nasnet": Assembly(
        _NASNET_STYLE,
        {
            "cifar": _cifar_stem(4),
            "imagenet": _imagenet_stem(32, 4),
            "imagenet_large": _imagenet_stem(96, 6, skip_reduction=True),
        },
        _nasnet_plan,
        auxiliary_at=lambda n: 2 * n,  # the last normal cell of the second stack
        head={"act": True},
    ),
    "pnas": Assembly(
        _NASNET_STYLE,
        {
            "cifar": _cifar_stem(4),
            "imagenet": _imagenet_stem(32, 4, skip_reduction=True),
            "imagenet_large": _imagenet_stem(96, 6, skip_reduction=True),
        },
        _pnas_plan,
        auxiliary_at=lambda n: 2 * n - 1,
        head={"act": True},
    ),
    "darts": Assembly(
        CellStyle("darts", project_always=True, pad_reduction=False, drop_strided_identity=True),
        {"cifar": _cifar_stem(2), "imagenet": _darts_imagenet_stem()},
        _darts_plan,
        auxiliary_at=lambda cells: 2 * cells // 3,
        scheduled=False,
    ),
    "enas": Assembly(
        CellStyle("enas", project_twice=True),
        {"cifar": _cifar_stem(2, mean=True, bias=False)},
        _enas_plan,
        auxiliary_at=lambda cells: 2 * (cells // 3) + 2,
        head={"act": True, "bias": False},
    ),
}
