"""The network in which DARTS searches: all operations on every edge of every cell.

Legend: ``B`` batch, ``I`` image channels, ``C`` channels of a cell, ``P`` and ``Q`` channels of
the previous cell's output (k-1) and of the older one (k-2), ``N`` nodes of a cell, ``L`` cells,
``H``/``W`` height and width.

References:
    - Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019. arXiv:1806.09055.
    - Xu et al. PC-DARTS: Partial Channel Connections for Memory-Efficient Architecture Search.
      ICLR 2020. arXiv:1907.05737.

Differences from the released code:
    1. ``none`` is not computed; its weight is lost as when zeros are added.
    2. With one architecture only its edges are computed, on the same weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional

from optuna_nas._ground.checks import is_int, require_sizes, shown
from optuna_nas.nn.networks import (
    ASSEMBLIES,
    ClassifierHead,
    FeatureInfo,
    FeatureMap,
    ImageTooSmallError,
    OddSizeError,
    Place,
    Taps,
    head_classes,
)
from optuna_nas.nn.ops import (
    IDENTITIES,
    SMALLEST_WIDTH,
    FactorizedReduction,
    ReLUConvBN,
    check_width,
    make_op,
)
from optuna_nas.nn.supernets._features import FeatureSupernet
from optuna_nas.nn.supernets._mixed_op import MixedOp, Selection, Sum, Weights, mix_into

__all__ = ["DARTSMixedCell", "DARTSSupernet", "edges_of"]

NUM_INPUTS = 2


class DARTSMixedCell(nn.Module):
    """A cell: ``(B, Q, H or 2H, W or 2W), (B, P, H, W) -> (B, N * C, H/stride, W/stride)``.

    State 0 is the older input. Both have had their ReLU. No batch norm has weights.

    Args:
        edges: For states 2, 3, ... the name of the edge from each earlier state.
        choices: The operations of each edge.
        place: Where the cell stands.
        older: ``Q``.
        previous: ``P``.
        halve_older: The older input is twice as large as the previous cell's output.
        partial: ``K``: of the channels of a state, one in K is mixed, and the others pass by.

    Raises:
        ValueError: If the channels cannot be parted so.
    """

    def __init__(
        self,
        edges: Sequence[Sequence[str]],
        choices: Mapping[str, Sequence[str]],
        place: Place,
        *,
        older: int,
        previous: int,
        halve_older: bool,
        partial: int = 1,
    ) -> None:
        super().__init__()
        self.edges = edges
        _check_partial(place.channels, partial)
        self.partial = partial
        self.channels = place.channels // partial
        self.stride = 2 if place.reduction else 1
        self.project_older: nn.Module = (
            FactorizedReduction(older, place.channels, act=False, affine=False, padded=False)
            if halve_older
            else ReLUConvBN(older, place.channels, 1, act=False, affine=False)
        )
        self.project_previous = ReLUConvBN(previous, place.channels, 1, act=False, affine=False)
        self.mixed = nn.ModuleDict()
        free: dict[tuple[int, str], nn.Module | None] = {}
        for names in edges:
            for state, name in enumerate(names):
                self.mixed[name] = self._mix(choices[name], state, free)

    def forward(
        self, older: torch.Tensor, previous: torch.Tensor, selection: Selection
    ) -> torch.Tensor:
        states = [self.project_older(older), self.project_previous(previous)]
        mixed, rests = ([Sum() for _ in self.edges] for _ in range(2))
        for state in range(NUM_INPUTS + len(self.edges)):
            if state >= NUM_INPUTS:
                node = state - NUM_INPUTS
                states.append(self._joined(mixed[node], rests[node], states[0]))
            self._leave(states[state], state, selection, mixed, rests)
        return torch.cat(states[NUM_INPUTS:], dim=1)

    def _leave(
        self,
        x: torch.Tensor,
        state: int,
        selection: Selection,
        mixed: Sequence[Sum],
        rests: Sequence[Sum],
    ) -> None:
        """Add the results of the edges that leave a state to the sums of the nodes behind."""
        leaving = {
            node: names[state]
            for node, names in enumerate(self.edges)
            if state < len(names) and names[state] in selection
        }
        shares = {node: selection.get(edges_of(name)) for node, name in leaving.items()}
        mix_into(
            [mixed[node] for node in leaving],
            [self._edge(name) for name in leaving.values()],
            x[:, : self.channels],
            [_scaled(selection[name], shares[node], state) for node, name in leaving.items()],
        )
        if self.partial == 1:
            return
        rest = x[:, self.channels :]
        if state < NUM_INPUTS and self.stride > 1:
            rest = functional.max_pool2d(rest, self.stride)
        for node in leaving:
            share = shares[node]
            if isinstance(share, torch.Tensor):
                rests[node].add(share[state] * rest)
            else:
                rests[node].add(rest, spare=False)

    def _joined(self, mixed: Sum, rest: Sum, first: torch.Tensor) -> torch.Tensor:
        """Make a node of what was mixed and, beside it, what passed by; shuffle the channels."""
        parts = [mixed.result(), rest.result()]
        widths = [self.channels, self.channels * (self.partial - 1)]
        known = [
            self._zeros(first, width) if part is None else part
            for part, width in zip(parts, widths, strict=True)
            if width
        ]
        if len(known) == 1:
            return known[0]
        return functional.channel_shuffle(torch.cat(known, dim=1), self.partial)

    def _edge(self, name: str) -> MixedOp:
        edge = self.mixed[name]
        assert isinstance(edge, MixedOp)
        return edge

    def _mix(
        self, ops: Sequence[str], state: int, free: dict[tuple[int, str], nn.Module | None]
    ) -> MixedOp:
        """Make an edge that leaves a state, with what needs no weights as ``free`` has it."""
        stride = self.stride if state < NUM_INPUTS else 1
        candidates = []
        for op in ops:
            candidate = free.get((state, op)) or _make(op, self.channels, stride)
            if _is_free(op, stride):
                free[state, op] = candidate
            candidates.append(candidate)
        return MixedOp(candidates)

    def _zeros(self, x: torch.Tensor, channels: int) -> torch.Tensor:
        height, width = (-(-size // self.stride) for size in x.shape[2:])
        return x.new_zeros(x.shape[0], channels, height, width)


class DARTSSupernet(FeatureSupernet):
    """A stem, mixed cells with reductions at L//3 and 2L//3, a head: ``(B, I, H, W) -> (B, K)``.

    Args:
        normal: The edges of the normal cell, as :class:`DARTSMixedCell` takes them.
        reduce: The edges of the reduction cell.
        choices: The operations of each edge.
        num_classes: ``K``, number of logits; 0 for pooled features.
        in_channels: ``I``, channels of the image.
        cells: ``L``.
        channels: ``C`` before the first reduction, at least 2.
        partial: As for :class:`DARTSMixedCell`.
        features_only: Whether forward returns the list of feature maps, the last of each
            resolution, from high to low.

    Raises:
        ValueError: If a number is too small, or ``partial`` does not divide ``C``; in
            ``forward``, :class:`ImageTooSmallError` or :class:`OddSizeError` unless height and
            width can be halved at each reduction.
    """

    def __init__(
        self,
        normal: Sequence[Sequence[str]],
        reduce: Sequence[Sequence[str]],
        choices: Mapping[str, Sequence[str]],
        *,
        num_classes: int,
        in_channels: int,
        cells: int,
        channels: int,
        partial: int = 1,
        features_only: bool = False,
    ) -> None:
        super().__init__()
        classes = head_classes(num_classes, features_only=features_only)
        require_sizes(in_channels=in_channels, cells=cells)
        check_width(channels)
        rules = ASSEMBLIES["darts"]
        before = rules.stems["cifar"]
        places = rules.plan(cells, channels, before)
        (self.stem,) = before.make(in_channels, channels)
        self.cells = nn.ModuleList()
        self.multiple = 2 ** sum(place.reduction for place in places)
        (width,) = before.channels(channels)
        older, halve_older = width, False
        reduction = 1
        maps = [FeatureMap(width, reduction, "stem")]
        for number, place in enumerate(places):
            self.cells.append(
                DARTSMixedCell(
                    reduce if place.reduction else normal,
                    choices,
                    place,
                    older=older,
                    previous=width,
                    halve_older=halve_older,
                    partial=partial,
                )
            )
            older, width, halve_older = width, len(normal) * place.channels, place.reduction
            reduction *= 2 if place.reduction else 1
            maps.append(FeatureMap(width, reduction, f"cells.{number}"))
        self.features_only = features_only
        self.feature_info = FeatureInfo.last_of_each(maps)
        self.head = ClassifierHead(width, classes, **rules.head)

    def _run(self, x: torch.Tensor, selection: Selection, taps: Taps) -> torch.Tensor:
        self._check_size(x)
        found: torch.Tensor = self.stem(x)
        taps.take("stem", found)
        older = previous = found.relu()  # once, for the two cells that read it
        for number, cell in enumerate(self.cells):
            found = cell(older, previous, selection)
            name = f"cells.{number}"
            taps.take(name, found)
            if number + 1 < len(self.cells):
                older, previous = previous, found.relu() if name in taps else found.relu_()
        return found

    def _check_size(self, x: torch.Tensor) -> None:
        height, width = x.shape[2:]
        if min(height, width) < self.multiple:
            raise ImageTooSmallError((height, width), self.multiple)
        if height % self.multiple or width % self.multiple:
            near = (self._near(height), self._near(width))
            raise OddSizeError((height, width), near)

    def _near(self, size: int) -> tuple[int, ...]:
        below = size // self.multiple * self.multiple
        return (size,) if below == size else (below, below + self.multiple)


def edges_of(name: str) -> str:
    """Name the decision on the edges into the node of an edge, as ``normal_3_edges``.

    Its weights, if there are any, are those of edge normalisation.
    """
    return f"{name.partition('_from_')[0]}_edges"


def _scaled(weights: Weights, shares: Weights | None, state: int) -> Weights:
    """Multiply the weights of an edge by its share among those into the node."""
    if isinstance(weights, torch.Tensor) and isinstance(shares, torch.Tensor):
        return weights * shares[state]
    return weights


def _check_partial(channels: int, partial: int) -> None:
    divides = is_int(partial) and partial >= 1 and channels % partial == 0
    if not divides or channels // partial < SMALLEST_WIDTH:
        raise ValueError(
            f"`partial` must divide the channels of a cell and leave {SMALLEST_WIDTH} of them, "
            f"but got partial={shown(partial)} and {channels} channels."
        )


def _is_free(op: str, stride: int) -> bool:
    """Whether an operation has no weights, so that all edges that leave a state have it in common.

    Their batch norms see the same maps, and so have the same statistics.
    """
    return "pool" in op or (op in IDENTITIES and stride == 1)


def _make(op: str, channels: int, stride: int) -> nn.Module | None:
    """Make a candidate; a pool is followed by a batch norm, in the supernet only."""
    if op == "none":
        return None
    module = make_op(op, channels, stride=stride, in_channels=channels, affine=False)
    if "pool" in op:
        return nn.Sequential(module, nn.BatchNorm2d(channels, affine=False))
    return module
