"""The network in which DARTS searches: all operations on every edge of every cell.

Legend: ``B`` batch, ``I`` image channels, ``C`` channels of a cell, ``P`` and ``Q`` channels of
the previous cell's output (k-1) and of the older one (k-2), ``N`` nodes of a cell, ``L`` cells,
``H``/``W`` height and width.

References:
    - Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019. arXiv:1806.09055.

Differences from the released code:
    1. ``none`` is not computed; its weight is lost as when zeros are added.
    2. With one architecture only its edges are computed, on the same weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from optuna_nas.nn._assembly import ASSEMBLIES, Place
from optuna_nas.nn._errors import ImageTooSmallError, OddSizeError, check_positive
from optuna_nas.nn._factorized import FactorizedReduction, check_width
from optuna_nas.nn._head import ClassifierHead
from optuna_nas.nn._mixed import MixedOp, Selection, add_up
from optuna_nas.nn._operations import make_op
from optuna_nas.nn._ops import ReLUConvBN

__all__ = ["DARTSMixedCell", "DARTSSupernet"]

NUM_INPUTS = 2


class DARTSMixedCell(nn.Module):
    """A cell: ``(B, Q, H or 2H, W or 2W), (B, P, H, W) -> (B, N * C, H/stride, W/stride)``.

    State 0 is the older input. No batch norm has weights.

    Args:
        edges: For states 2, 3, ... the name of the edge from each earlier state.
        choices: The operations of each edge.
        place: Where the cell stands.
        older: ``Q``.
        previous: ``P``.
        halve_older: The older input is twice as large as the previous cell's output.
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
    ) -> None:
        super().__init__()
        self.edges = edges
        self.channels = place.channels
        self.stride = 2 if place.reduction else 1
        self.project_older: nn.Module = (
            FactorizedReduction(older, place.channels, affine=False, padded=False)
            if halve_older
            else ReLUConvBN(older, place.channels, 1, affine=False)
        )
        self.project_previous = ReLUConvBN(previous, place.channels, 1, affine=False)
        self.mixed = nn.ModuleDict(
            {
                name: self._mix(choices[name], self.stride if state < NUM_INPUTS else 1)
                for names in edges
                for state, name in enumerate(names)
            }
        )

    def forward(
        self, older: torch.Tensor, previous: torch.Tensor, selection: Selection
    ) -> torch.Tensor:
        states = [self.project_older(older), self.project_previous(previous)]
        for names in self.edges:
            terms = [
                self.mixed[name](state, selection[name])
                for name, state in zip(names, states, strict=True)
                if name in selection
            ]
            total = add_up(terms)
            states.append(self._zeros(states[0]) if total is None else total)
        return torch.cat(states[NUM_INPUTS:], dim=1)

    def _mix(self, ops: Sequence[str], stride: int) -> MixedOp:
        return MixedOp([_make(op, self.channels, stride) for op in ops])

    def _zeros(self, x: torch.Tensor) -> torch.Tensor:
        height, width = (-(-size // self.stride) for size in x.shape[2:])
        return x.new_zeros(*x.shape[:2], height, width)


class DARTSSupernet(nn.Module):
    """A stem, mixed cells with reductions at L//3 and 2L//3, a head: ``(B, I, H, W) -> (B, K)``.

    Args:
        normal: The edges of the normal cell, as :class:`DARTSMixedCell` takes them.
        reduce: The edges of the reduction cell.
        choices: The operations of each edge.
        num_classes: ``K``, number of logits.
        in_channels: ``I``, channels of the image.
        cells: ``L``.
        channels: ``C`` before the first reduction, at least 2.

    Raises:
        ValueError: If a number is too small; in ``forward``, :class:`ImageTooSmallError` or
            :class:`OddSizeError` unless height and width can be halved at each reduction.
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
    ) -> None:
        super().__init__()
        check_positive(num_classes=num_classes, in_channels=in_channels, cells=cells)
        check_width(channels)
        rules = ASSEMBLIES["darts"]
        before = rules.stems["cifar"]
        places = rules.plan(cells, channels, before)
        (self.stem,) = before.make(in_channels, channels)
        self.cells = nn.ModuleList()
        self.multiple = 2 ** sum(place.reduction for place in places)
        (width,) = before.channels(channels)
        older, halve_older = width, False
        for place in places:
            self.cells.append(
                DARTSMixedCell(
                    reduce if place.reduction else normal,
                    choices,
                    place,
                    older=older,
                    previous=width,
                    halve_older=halve_older,
                )
            )
            older, width, halve_older = width, len(normal) * place.channels, place.reduction
        self.head = ClassifierHead(width, num_classes, **rules.head)

    def forward(self, x: torch.Tensor, selection: Selection) -> torch.Tensor:
        self._check_size(x)
        older = previous = self.stem(x)
        for cell in self.cells:
            older, previous = previous, cell(older, previous, selection)
        logits: torch.Tensor = self.head(previous)
        return logits

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


def _make(op: str, channels: int, stride: int) -> nn.Module | None:
    """Make a candidate; a pool is followed by a batch norm, in the supernet only."""
    if op == "none":
        return None
    module = make_op(op, channels, stride=stride, in_channels=channels, affine=False)
    if "pool" in op:
        return nn.Sequential(module, nn.BatchNorm2d(channels, affine=False))
    return module
