"""The network in which ENAS searches cells: weights for every block, input and operation.

It serves all spaces of pairwise blocks, of which only ENAS's has been searched so by its authors.

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
    3. It has no mixture. Here a block's input and operation may be weighted; then a state is a
       loose end to the degree that no later block reads it, the product of ``1 - weight``. With
       weights of one and zero that is the child itself.
    4. In other spaces, states that are concatenated whatever reads them have rows as the loose
       ends have, and a block that concatenates is brought to ``C`` channels by ReLU, a 1x1
       convolution and batch norm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from optuna_nas._ground.checks import require_bool, require_sizes
from optuna_nas.nn.networks import (
    ASSEMBLIES,
    AuxiliaryHead,
    ClassifierHead,
    FeatureInfo,
    FeatureMap,
    Taps,
    head_classes,
)
from optuna_nas.nn.ops import (
    FactorizedReduction,
    ReLUConvBN,
    check_width,
    conv2d,
    use_batch_statistics,
)
from optuna_nas.nn.supernets._features import FeatureSupernet
from optuna_nas.nn.supernets._mixed import add_up, weighted_sum
from optuna_nas.nn.supernets._mixed_op import MixedOp, Selection, Weights

__all__ = ["BlockMixedCell", "BlockRules", "BlockSupernet"]

NUM_INPUTS = 2
SIDES = ("a", "b")


@dataclass(frozen=True)
class BlockRules:
    """Description of the cells of a space of pairwise blocks.

    Args:
        num_blocks: Blocks of each cell.
        choices: The inputs, the operations and, where there are several, the combiners of each
            block, by decision.
        scopes: First part of the decisions' names, of the normal and of the reduction cell; a
            single one where one cell is both.
        previous: The one of states 0 and 1 that is the previous cell's output.
        outputs: For each scope the states that go to the output whatever reads them, or None for
            the loose ends.
        inputs_are_ends: Whether an input that no block reads is a loose end, as a block is.
        make_op: Makes an operation ``(B, C, H, W) -> (B, C, H, W)`` from its name and ``C``.
    """

    num_blocks: int
    choices: Mapping[str, Sequence[Any]]
    scopes: tuple[str, ...]
    previous: int
    outputs: Mapping[str, tuple[int, ...] | None]
    inputs_are_ends: bool
    make_op: Callable[[str, int], nn.Module]


class BlockMixedCell(nn.Module):
    """A cell: ``(B, Q, H or 2H, W or 2W), (B, P, H, W) -> (B, C, H, W)``.

    States 0 and 1 are its inputs, 2 and up the blocks. What goes to the output passes ReLU and a
    1x1 convolution, with rows for each state, and is added.

    Args:
        rules: Description of the space's cells.
        scope: The first part of the decisions' names.
        channels: ``C``.
        older: ``Q``.
        previous: ``P``.
        halve_older: The older input is twice as large as the previous cell's output.
    """

    def __init__(
        self,
        rules: BlockRules,
        scope: str,
        channels: int,
        *,
        older: int,
        previous: int,
        halve_older: bool,
    ) -> None:
        super().__init__()
        self.project_older = _project(older, channels, halve=halve_older)
        self.project_previous = _project(previous, channels)
        self.outputs = rules.outputs[scope]
        first = 0 if rules.inputs_are_ends else NUM_INPUTS
        ends = self.outputs or range(first, NUM_INPUTS + rules.num_blocks)
        self.blocks = range(NUM_INPUTS, max(ends) + 1)  # no output needs a later one
        self.scope = scope
        self.previous = rules.previous
        self.choices = {
            name: values for name, values in rules.choices.items() if name.startswith(f"{scope}_")
        }
        self.banks = nn.ModuleDict()
        self.joins = nn.ModuleDict()
        for state in self.blocks:
            for side in SIDES:
                ops = self.choices[self._name(state, "op", side)]
                name = self._name(state, "input", side)
                self.banks[name] = nn.ModuleList(
                    MixedOp([rules.make_op(op, channels) for op in ops])
                    for _ in self.choices[name]
                )
            if "concat" in self.choices.get(self._name(state, "combine"), ()):
                self.joins[str(state)] = ReLUConvBN(2 * channels, channels, 1)
        self.rows = nn.ModuleDict({str(state): conv2d(channels, channels, 1) for state in ends})
        self.norm = nn.BatchNorm2d(channels)

    def forward(
        self, older: torch.Tensor, previous: torch.Tensor, selection: Selection
    ) -> torch.Tensor:
        states = {
            1 - self.previous: self.project_older(older),
            self.previous: self.project_previous(previous),
        }
        ends = []
        for name, row in self.rows.items():
            degree = self._degree(int(name), selection)
            if isinstance(degree, torch.Tensor) or degree > 0.0:
                ends.append(degree * row(self._state(int(name), states, selection).relu()))
        out: torch.Tensor = self.norm(add_up(ends))  # there is one: the last block, or a list
        return out

    def _state(
        self, state: int, states: dict[int, torch.Tensor], selection: Selection
    ) -> torch.Tensor:
        """Return a state; it and those that it reads are computed where they are needed."""
        if state not in states:
            a, b = (self._side(state, side, states, selection) for side in SIDES)
            states[state] = self._combine(state, a, b, selection)
        return states[state]

    def _side(
        self, state: int, side: str, states: dict[int, torch.Tensor], selection: Selection
    ) -> torch.Tensor:
        """Read one operand of a block."""
        name = self._name(state, "input", side)
        chosen, op = selection[name], selection[self._name(state, "op", side)]
        bank = self.banks[name]
        assert isinstance(bank, nn.ModuleList)
        inputs = self.choices[name]
        if isinstance(chosen, int):
            out: torch.Tensor = bank[chosen](self._state(inputs[chosen], states, selection), op)
            return out
        results = [
            mixed(self._state(source, states, selection), op)
            for mixed, source in zip(bank, inputs, strict=True)
        ]
        return weighted_sum(results, chosen)

    def _combine(
        self, state: int, a: torch.Tensor, b: torch.Tensor, selection: Selection
    ) -> torch.Tensor:
        name = self._name(state, "combine")
        ways = self.choices.get(name, ("add",))
        chosen = selection[name] if name in self.choices else 0
        if isinstance(chosen, int):
            return self._join(state, ways[chosen], a, b)
        return weighted_sum([self._join(state, way, a, b) for way in ways], chosen)

    def _join(self, state: int, way: str, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        if way == "add":
            return a + b
        joined: torch.Tensor = self.joins[str(state)](torch.cat([a, b], dim=1))
        return joined

    def _degree(self, state: int, selection: Selection) -> torch.Tensor | float:
        """Return to which degree a state goes to the output."""
        degree: torch.Tensor | float = 1.0
        if self.outputs is not None:
            return degree
        for later in self.blocks[max(state + 1 - NUM_INPUTS, 0) :]:
            for side in SIDES:
                name = self._name(later, "input", side)
                degree = degree * (1.0 - _share(self.choices[name], state, selection[name]))
        return degree

    def _name(self, state: int, *parts: str) -> str:
        return "_".join((self.scope, str(state), *parts))


class BlockSupernet(FeatureSupernet):
    """A stem, L + 2 mixed cells, of which two are reductions, a head: ``(B, I, H, W) -> (B, K)``.

    Before a reduction cell the previous cell's output is halved and widened by a factorised
    reduction; the cell itself has stride 1. With an auxiliary head, train mode gives a pair
    ``(logits, aux_logits)``.

    Args:
        rules: Description of the space's cells.
        num_classes: ``K``, number of logits; 0 for pooled features.
        in_channels: ``I``, channels of the image.
        cells: ``L``.
        channels: ``C`` before the first reduction, at least 2.
        auxiliary: Whether there is an auxiliary head.
        dropout: Probability of dropping a feature before the classifier.
        track_running_stats: Whether the batch norms keep running statistics; if not, they use
            those of the batch, in evaluation as well.
        features_only: Whether forward returns the list of feature maps, the last of each
            resolution, from high to low.

    Raises:
        ValueError: If a number is too small, or ``auxiliary`` given with ``features_only``.
    """

    def __init__(
        self,
        rules: BlockRules,
        *,
        num_classes: int,
        in_channels: int,
        cells: int,
        channels: int,
        auxiliary: bool,
        dropout: float,
        track_running_stats: bool,
        features_only: bool = False,
    ) -> None:
        super().__init__()
        classes = head_classes(num_classes, features_only=features_only, auxiliary=auxiliary)
        require_sizes(in_channels=in_channels, cells=cells)
        check_width(channels)
        require_bool("track_running_stats", track_running_stats)
        assembly = ASSEMBLIES["enas"]
        before = assembly.stems["cifar"]
        (self.stem,) = before.make(in_channels, channels)
        (width,) = before.channels(channels)
        older = width
        self.reductions = nn.ModuleDict()
        self.cells = nn.ModuleList()
        places = assembly.plan(cells, channels, before)
        reduction = 1
        maps = [FeatureMap(width, reduction, "stem")]
        for number, place in enumerate(places):
            if place.reduction:
                self.reductions[str(number)] = FactorizedReduction(
                    width, place.channels, act=False
                )
                older, width = width, place.channels
            self.cells.append(
                BlockMixedCell(
                    rules,
                    rules.scopes[-1 if place.reduction else 0],
                    place.channels,
                    older=older,
                    previous=width,
                    halve_older=place.reduction,
                )
            )
            older, width = width, place.channels
            reduction *= 2 if place.reduction else 1
            maps.append(FeatureMap(width, reduction, f"cells.{number}"))
        self.features_only = features_only
        self.feature_info = FeatureInfo.last_of_each(maps)
        self.auxiliary_at = assembly.auxiliary_at(cells)
        self.auxiliary_head = (
            AuxiliaryHead(places[self.auxiliary_at].channels, classes, **before.auxiliary)
            if auxiliary
            else None
        )
        self.head = ClassifierHead(width, classes, dropout=dropout, **assembly.head)
        if not track_running_stats:
            use_batch_statistics(self)

    def forward(self, x: torch.Tensor, selection: Selection) -> Any:
        if self.auxiliary_head is None or not self.training:
            return super().forward(x, selection)
        aux_logits: list[torch.Tensor] = []
        logits = self.head(self._run(x, selection, Taps(), aux_logits))
        return logits, *aux_logits

    def _run(
        self,
        x: torch.Tensor,
        selection: Selection,
        taps: Taps,
        aux_logits: list[torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Return the last cell's output; what the auxiliary head gives is added to a list."""
        previous: torch.Tensor = self.stem(x)
        older = previous
        taps.take("stem", previous)
        for number, cell in enumerate(self.cells):
            if str(number) in self.reductions:
                older, previous = previous, self.reductions[str(number)](previous)
            older, previous = previous, cell(older, previous, selection)
            taps.take(f"cells.{number}", previous)
            if number == self.auxiliary_at and aux_logits is not None:
                assert self.auxiliary_head is not None
                aux_logits.append(self.auxiliary_head(previous))
        return previous


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
