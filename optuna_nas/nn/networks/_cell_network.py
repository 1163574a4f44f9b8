"""Networks of cells, in the assemblies of NASNet, PNAS, DARTS and ENAS.

Legend: ``B`` batch, ``I`` image channels, ``N`` normal cells per stack, ``F`` filters of the first
stack, ``L`` cells in all, ``C`` channels of the first stack.

References:
    - Zoph et al. Learning Transferable Architectures for Scalable Image Recognition. CVPR 2018.
      arXiv:1707.07012.
    - Liu et al. Progressive Neural Architecture Search. ECCV 2018. arXiv:1712.00559.
    - Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019. arXiv:1806.09055.
    - Pham et al. Efficient Neural Architecture Search via Parameter Sharing. ICML 2018.
      arXiv:1802.03268.

Differences from the releases:
    1. Weights start as PyTorch starts them, and batch norms move by 0.1. Their epsilon is 1e-5,
       and 1e-3 with NASNet's and PNAS's ImageNet stems.
    2. No PNASNet for CIFAR was released. Here it has NASNet's CIFAR stem, and its strided cells
       the older input of the cell before them ("skip reduction layer input" off, as there).
    3. In an ImageNet stem ``F/4`` and ``F/2`` are rounded down.
    4. Where the sizes of images differ from the paper's, see ``AuxiliaryHead``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict, Unpack

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from optuna_nas._ground.checks import (
    require_choice,
    require_options,
    require_probability,
    require_sizes,
)
from optuna_nas._ground.genotype import Cell
from optuna_nas.nn.networks._assembly import ASSEMBLIES, Assembly, Place, Stem
from optuna_nas.nn.networks._cell import CellModule, CellShape
from optuna_nas.nn.networks._errors import ImageTooSmallError, OddSizeError
from optuna_nas.nn.networks._features import (
    FeatureInfo,
    FeatureMap,
    FeatureNetwork,
    Taps,
    head_classes,
    run_tapped,
)
from optuna_nas.nn.networks._head import AuxiliaryHead, ClassifierHead
from optuna_nas.nn.ops import FactorizedReduction, OpFactory, our_modules

__all__ = ["CellNetwork", "cell_network"]

NUM_RECENT = 3  # no cell reads further back


class CellNetwork(FeatureNetwork):
    """A stem, cells that read the two outputs before them, and a head.

    ``(B, I, H, W) -> (B, num_classes)``; in train mode with an auxiliary head, a pair of logits
    ``(logits, aux_logits)``. Make it with :func:`cell_network`. Its feature maps are described
    in :class:`MapNetwork`.

    Attributes:
        stem: Modules before the cells.
        cells: All cells, those of the stem and the reductions among them, in order.
        reductions: Numbers, in ``cells``, of the cells of stride 2.
        auxiliary_at: Number, in ``cells``, of the cell that the auxiliary head reads.
        auxiliary_head: None without one.
        drop_path: The final drop probability, as it was given.
    """

    def __init__(
        self,
        normal: Cell,
        reduce: Cell,
        rules: Assembly,
        stem: Stem,
        *,
        num_classes: int,
        in_channels: int,
        cells: int,
        channels: int,
        auxiliary: bool,
        drop_path: float,
        dropout: float,
        features_only: bool,
    ) -> None:
        super().__init__()
        classes = head_classes(num_classes, features_only=features_only, auxiliary=auxiliary)
        self.features_only = features_only
        places = [*stem.cells(channels), *rules.plan(cells, channels, stem)]
        if len(stem.halvings) == 1:  # the stem has one output: nothing is older
            places[0] = replace(places[0], older=1)
        self.older = [place.older for place in places]
        self.reductions = tuple(k for k, place in enumerate(places) if place.reduction)
        self.auxiliary_at = len(stem.cells(channels)) + rules.auxiliary_at(cells)
        self.drop_path = drop_path
        self.min_size = stem.min_size
        self.even_at: set[int] = set()  # after so many halvings the maps must be even
        self.stem = nn.ModuleList(stem.make(in_channels, channels))
        self.cells = nn.ModuleList()
        maps = list(zip(stem.channels(channels), stem.halvings, strict=True))
        for number, place in enumerate(places):
            shape = _shape(place, maps)
            cell = CellModule(
                reduce if place.reduction else normal,
                shape,
                rules.style,
                drop_path=drop_path,
                drop_scale=(number + 1) / len(places) if rules.scheduled else 1.0,
            )
            self.cells.append(cell)
            self.even_at |= _even_at(cell, maps[-1][1], maps[-place.older][1])
            maps.append((cell.out_channels, maps[-1][1] + place.reduction))
        self.feature_info = _feature_info(stem.inner(channels), maps, len(stem.halvings))
        widths = [width for width, _ in maps[len(stem.halvings) :]]
        self.head = ClassifierHead(widths[-1], classes, dropout=dropout, **rules.head)
        self.auxiliary_head = (
            AuxiliaryHead(widths[self.auxiliary_at], classes, **stem.auxiliary)
            if auxiliary
            else None
        )

    def forward(self, x: torch.Tensor) -> Any:
        if self.auxiliary_head is None or not self.training:
            return super().forward(x)
        aux_logits: list[torch.Tensor] = []
        logits = self.head(self._run(x, Taps(), aux_logits))
        return logits, *aux_logits

    def _run(
        self, x: torch.Tensor, taps: Taps, aux_logits: list[torch.Tensor] | None = None
    ) -> torch.Tensor:
        """Return the last cell's output; what the auxiliary head gives is added to a list."""
        self._check_size(x)
        recent: list[torch.Tensor] = []
        for number, module in enumerate(self.stem):
            x = run_tapped(module, f"stem.{number}", x, taps)
            recent.append(x)
        for number, (cell, older) in enumerate(zip(self.cells, self.older, strict=True)):
            x = cell(x, recent[-older])
            taps.take(f"cells.{number}", x)
            recent = [*recent[1 - NUM_RECENT :], x]
            if number == self.auxiliary_at and aux_logits is not None:
                assert self.auxiliary_head is not None
                aux_logits.append(self.auxiliary_head(x))
        return x

    def works_with(self, size: int) -> bool:
        """Whether images of this height or width can be read."""
        return size >= self.min_size and all(-(-size // 2**h) % 2 == 0 for h in self.even_at)

    def _check_size(self, x: torch.Tensor) -> None:
        height, width = x.shape[-2:]
        if self.works_with(height) and self.works_with(width):
            return
        beyond = max(height, width) + 2 ** (max(self.even_at, default=0) + 2)
        working = [size for size in range(1, beyond) if self.works_with(size)]
        if min(height, width) < working[0]:
            raise ImageTooSmallError((height, width), working[0])
        raise OddSizeError((height, width), (_nearest(height, working), _nearest(width, working)))


class CellNetworkOptions(TypedDict, total=False):
    """Options of :func:`cell_network`; all of them may be left out.

    Args:
        assembly: ``"nasnet"`` (reduction cells between stacks), ``"pnas"`` (3N cells, number N
            and 2N at stride 2), ``"darts"`` (reductions at L//3 and 2L//3, both inputs projected)
            or ``"enas"`` (reductions at L//3 and 2(L//3)+1).
        stem: ``"cifar"``; ``"imagenet"`` (not ENAS); ``"imagenet_large"`` (NASNet and PNAS, 96
            filters and NASNet's "skip reduction layer input").
        auxiliary: Whether there is an auxiliary head, of 128 and 768 channels; then forward
            returns ``(logits, aux_logits)`` in train mode.
        drop_path: Final drop probability. It holds from the start; a training loop lets it grow
            by :func:`set_drop_path`.
        dropout: Probability of dropping a feature before the classifier.
        features_only: Whether forward returns the list of feature maps, the last of each
            resolution, from high to low; ``network.feature_info`` describes them.
        ops: Family whose operations are used, see :func:`make_op`; by default the assembly's.
        own_ops: Operations of your own by name, each a ``factory(channels, stride)`` that makes a
            module ``(B, channels, H, W) -> (B, channels, H/stride, W/stride)``, rounded up. Where
            its input has other channels, a 1x1 convolution stands before it. A batch norm in it
            keeps its epsilon.
    """

    assembly: str
    stem: str
    auxiliary: bool
    drop_path: float
    dropout: float
    features_only: bool
    ops: str | None
    own_ops: Mapping[str, OpFactory] | None


def cell_network(
    normal: Cell,
    reduce: Cell | None,
    *,
    num_classes: int,
    in_channels: int,
    cells: int,
    channels: int,
    **options: Unpack[CellNetworkOptions],
) -> CellNetwork:
    """Build a network of cells: ``(B, I, H, W) -> (B, num_classes)``.

    Cells may be numbered either way (see :class:`Cell`) and stand in any assembly.

    Args:
        normal: The cell that keeps the size of its maps.
        reduce: The cell that halves it. If None, as in PNAS, the normal cell at stride 2.
        num_classes: Number of logits; 0 for pooled features, ``(B, network.num_features)``.
        in_channels: ``I``.
        cells: ``N``, normal cells in each of three stacks (``nasnet``) or cells (``pnas``); ``L``
            cells in all (``darts``), plus two (``enas``).
        channels: ``F`` or ``C``, doubled at each reduction.
        options: See :class:`CellNetworkOptions`.

    Raises:
        ValueError: If a name is unknown, a number out of range, ``stem`` not one of the
            assembly's, ``auxiliary`` given with ``features_only``, or an operation of your own
            cannot be made; in ``forward``, if its output
            has another shape, and :class:`ImageTooSmallError` or :class:`OddSizeError`.
        TypeError: If an operation of your own is no module.
    """
    require_options("cell_network", options, CellNetworkOptions)
    require_sizes(in_channels=in_channels, cells=cells)
    rules, before = _choose(options.get("assembly", "nasnet"), options.get("stem", "cifar"))
    drop_path, dropout = options.get("drop_path", 0.0), options.get("dropout", 0.0)
    _check_numbers(channels, before, drop_path=drop_path, dropout=dropout)
    family, own_ops = options.get("ops"), options.get("own_ops") or {}
    family = rules.style.ops if family is None else family
    style = replace(rules.style, ops=family, own_ops=own_ops)
    rules = replace(rules, style=style)
    network = CellNetwork(
        normal,
        normal if reduce is None else reduce,
        rules,
        before,
        num_classes=num_classes,
        in_channels=in_channels,
        cells=cells,
        channels=channels,
        auxiliary=options.get("auxiliary", False),
        drop_path=drop_path,
        dropout=dropout,
        features_only=options.get("features_only", False),
    )
    for module in our_modules(network):
        if isinstance(module, _BatchNorm):
            module.eps = before.eps
    return network


def _choose(assembly: str, stem: str) -> tuple[Assembly, Stem]:
    require_choice("assembly", assembly, ASSEMBLIES)
    stems = ASSEMBLIES[assembly].stems
    if stem not in tuple(stems):
        raise ValueError(
            f"`stem` must be one of {tuple(stems)} with assembly={assembly!r}, but got "
            f"stem={stem!r}."
        )
    return ASSEMBLIES[assembly], stems[stem]


def _check_numbers(channels: int, stem: Stem, **probabilities: float) -> None:
    require_sizes(channels=channels)
    if channels < stem.min_channels:
        raise ValueError(
            f"`channels` must be at least {stem.min_channels} with this stem, but got "
            f"channels={channels}."
        )
    for name, value in probabilities.items():
        require_probability(name, value)


def _shape(place: Place, maps: list[tuple[int, int]]) -> CellShape:
    """Describe a cell among the earlier outputs' channels and numbers of halvings."""
    (previous, halvings), (older, older_halvings) = maps[-1], maps[-place.older]
    return CellShape(
        place.channels,
        previous,
        older,
        stride=2 if place.reduction else 1,
        halve_older=older_halvings < halvings,
        first=place.older == 1,
    )


def _feature_info(
    inner: Mapping[str, tuple[int, int]], maps: Sequence[tuple[int, int]], stem: int
) -> FeatureInfo:
    """Describe the last map of each resolution.

    Args:
        inner: Maps within the stem, as :class:`Stem` has them.
        maps: Channels and number of halvings of all other maps, in order.
        stem: How many of them are the stem's.
    """
    named = {f"stem.{name}": made for name, made in inner.items()}
    for number, made in enumerate(maps):
        named[f"stem.{number}" if number < stem else f"cells.{number - stem}"] = made
    return FeatureInfo.last_of_each(
        FeatureMap(width, 2**halvings, name) for name, (width, halvings) in named.items()
    )


def _even_at(cell: CellModule, halvings: int, older_halvings: int) -> set[int]:
    """After how many halvings this cell needs even maps."""
    return {
        older_halvings if name == "project_older" else halvings
        for name, module in cell.named_modules()
        if isinstance(module, FactorizedReduction) and not module.padded
    }


def _nearest(size: int, working: list[int]) -> tuple[int, ...]:
    """The size itself if it works, or else the nearest ones below and above that do."""
    if size in working:
        return (size,)
    return (*[n for n in working if n < size][-1:], *[n for n in working if n > size][:1])
