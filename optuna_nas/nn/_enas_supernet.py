"""The network in which ENAS searches cells: weights for every block, input and operation.

Legend: ``B`` batch, ``I`` image channels, ``C`` channels of a cell, ``P`` and ``Q`` channels of
the previous cell's output (k-1) and of the older one (k-2), ``L`` cells, ``H``/``W`` height and
width.

References:
    - Pham, Guan, Zoph, Le, Dean. Efficient Neural Architecture Search via Parameter Sharing.
      ICML 2018. arXiv:1802.03268.

Differences from the released code:
    1. It computes all operations of a block and takes one; here only that one is computed.
    2. A bank is not one tensor of which rows are taken but a module for each row, so that a child
       gets no gradients, momentum or weight decay for what it does not use.
    3. Loose ends are blocks, as in the space; an input that no block reads is not passed on.
    4. It has no mixture. Here a block's input and operation may be weighted; then a block is a
       loose end to the degree that no later one reads it, the product of ``1 - weight``. With
       weights of one and zero that is the child itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from optuna_nas.nn._assembly import ASSEMBLIES
from optuna_nas.nn._errors import check_positive
from optuna_nas.nn._factorized import FactorizedReduction
from optuna_nas.nn._head import AuxiliaryHead, ClassifierHead
from optuna_nas.nn._mixed import (
    MixedOp,
    Selection,
    Weights,
    add_up,
    use_batch_statistics,
    weighted_sum,
)
from optuna_nas.nn._operations import make_op
from optuna_nas.nn._ops import ReLUConvBN
from optuna_nas.nn._same import conv2d

__all__ = ["ENASMixedCell", "ENASSupernet"]

NUM_INPUTS = 2
SIDES = ("a", "b")
SMALLEST_WIDTH = 2  # a factorised reduction has two halves


class ENASMixedCell(nn.Module):
    """A cell: ``(B, Q, H or 2H, W or 2W), (B, P, H, W) -> (B, C, H, W)``.

    State 0 is the older input, states 2 and up are the blocks.

    Args:
        scope: ``"normal"`` or ``"reduce"``, the first part of the decisions' names.
        num_blocks: Blocks of the cell.
        choices: The inputs and operations of each block.
        channels: ``C``.
        older: ``Q``.
        previous: ``P``.
        halve_older: The older input is twice as large as the previous cell's output.
    """

    def __init__(
        self,
        scope: str,
        num_blocks: int,
        choices: Mapping[str, Sequence[Any]],
        channels: int,
        *,
        older: int,
        previous: int,
        halve_older: bool,
    ) -> None:
        super().__init__()
        self.project_older = _project(older, channels, halve=halve_older)
        self.project_previous = _project(previous, channels)
        self.states = range(NUM_INPUTS, NUM_INPUTS + num_blocks)
        self.scope = scope
        self.inputs: dict[str, Sequence[int]] = {}
        self.banks = nn.ModuleDict()
        for state in self.states:
            for side in SIDES:
                name = self._name(state, "input", side)
                self.inputs[name] = choices[name]
                ops = choices[self._name(state, "op", side)]
                self.banks[name] = nn.ModuleList(
                    MixedOp(
                        [make_op(op, channels, in_channels=channels, family="enas") for op in ops]
                    )
                    for _ in choices[name]
                )
        self.rows = nn.ModuleList(conv2d(channels, channels, 1) for _ in self.states)
        self.norm = nn.BatchNorm2d(channels)

    def forward(
        self, older: torch.Tensor, previous: torch.Tensor, selection: Selection
    ) -> torch.Tensor:
        states = [self.project_older(older), self.project_previous(previous)]
        for state in self.states:
            sides = [self._side(states, state, side, selection) for side in SIDES]
            states.append(sides[0] + sides[1])
        ends = []
        for state, row in zip(self.states, self.rows, strict=True):
            degree = self._looseness(state, selection)
            if isinstance(degree, torch.Tensor) or degree > 0.0:
                ends.append(degree * row(states[state].relu()))
        out: torch.Tensor = self.norm(add_up(ends))  # the last block is always an end
        return out

    def _side(
        self, states: Sequence[torch.Tensor], state: int, side: str, selection: Selection
    ) -> torch.Tensor:
        """Read one operand of a block."""
        name = self._name(state, "input", side)
        chosen, op = selection[name], selection[self._name(state, "op", side)]
        bank = self.banks[name]
        assert isinstance(bank, nn.ModuleList)
        if isinstance(chosen, int):
            out: torch.Tensor = bank[chosen](states[self.inputs[name][chosen]], op)
            return out
        results = [
            mixed(states[source], op)
            for mixed, source in zip(bank, self.inputs[name], strict=True)
        ]
        return weighted_sum(results, chosen)

    def _looseness(self, state: int, selection: Selection) -> torch.Tensor | float:
        """Return to which degree no later block reads a state."""
        degree: torch.Tensor | float = 1.0
        for later in range(state + 1, self.states.stop):
            for side in SIDES:
                name = self._name(later, "input", side)
                degree = degree * (1.0 - _share(self.inputs[name], state, selection[name]))
        return degree

    def _name(self, state: int, part: str, side: str) -> str:
        return f"{self.scope}_{state}_{part}_{side}"


class ENASSupernet(nn.Module):
    """A stem, L + 2 mixed cells, of which two are reductions, a head: ``(B, I, H, W) -> (B, K)``.

    Before a reduction cell the previous cell's output is halved and widened by a factorised
    reduction; the cell itself has stride 1. With an auxiliary head, train mode gives a pair
    ``(logits, aux_logits)``.

    Args:
        num_blocks: Blocks of each cell.
        choices: The inputs and operations of each block.
        num_classes: ``K``, number of logits.
        in_channels: ``I``, channels of the image.
        cells: ``L``.
        channels: ``C`` before the first reduction, at least 2.
        auxiliary: Whether there is an auxiliary head.
        dropout: Probability of dropping a feature before the classifier.
        track_running_stats: Whether the batch norms keep running statistics; if not, they use
            those of the batch, in evaluation as well.

    Raises:
        ValueError: If a number is too small.
    """

    def __init__(
        self,
        num_blocks: int,
        choices: Mapping[str, Sequence[Any]],
        *,
        num_classes: int,
        in_channels: int,
        cells: int,
        channels: int,
        auxiliary: bool,
        dropout: float,
        track_running_stats: bool,
    ) -> None:
        super().__init__()
        check_positive(num_classes=num_classes, in_channels=in_channels, cells=cells)
        if channels < SMALLEST_WIDTH:
            raise ValueError(
                f"`channels` must be at least {SMALLEST_WIDTH}, but got channels={channels}."
            )
        rules = ASSEMBLIES["enas"]
        before = rules.stems["cifar"]
        (self.stem,) = before.make(in_channels, channels)
        (width,) = before.channels(channels)
        older = width
        self.reductions = nn.ModuleDict()
        self.cells = nn.ModuleList()
        places = rules.plan(cells, channels, before)
        for number, place in enumerate(places):
            if place.reduction:
                self.reductions[str(number)] = FactorizedReduction(
                    width, place.channels, act=False
                )
                older, width = width, place.channels
            self.cells.append(
                ENASMixedCell(
                    "reduce" if place.reduction else "normal",
                    num_blocks,
                    choices,
                    place.channels,
                    older=older,
                    previous=width,
                    halve_older=place.reduction,
                )
            )
            older, width = width, place.channels
        self.auxiliary_at = rules.auxiliary_at(cells)
        self.auxiliary_head = (
            AuxiliaryHead(places[self.auxiliary_at].channels, num_classes, **before.auxiliary)
            if auxiliary
            else None
        )
        self.head = ClassifierHead(width, num_classes, dropout=dropout, **rules.head)
        if not track_running_stats:
            use_batch_statistics(self)

    def forward(
        self, x: torch.Tensor, selection: Selection
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        older = previous = self.stem(x)
        aux_logits: torch.Tensor | None = None
        for number, cell in enumerate(self.cells):
            if str(number) in self.reductions:
                older, previous = previous, self.reductions[str(number)](previous)
            older, previous = previous, cell(older, previous, selection)
            if number == self.auxiliary_at and self.training and self.auxiliary_head is not None:
                aux_logits = self.auxiliary_head(previous)
        logits: torch.Tensor = self.head(previous)
        return logits if aux_logits is None else (logits, aux_logits)


def _project(in_channels: int, channels: int, *, halve: bool = False) -> nn.Module:
    """Bring an input to the cell's shape, where it has another one."""
    if halve:
        return FactorizedReduction(in_channels, channels)
    return ReLUConvBN(in_channels, channels, 1) if in_channels != channels else nn.Identity()


def _share(inputs: Sequence[int], state: int, chosen: Weights) -> torch.Tensor | float:
    """Return how much of an operand is ``state``."""
    if isinstance(chosen, int):
        return float(inputs[chosen] == state)
    return chosen[inputs.index(state)] if state in inputs else 0.0
