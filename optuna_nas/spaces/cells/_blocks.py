"""Cells of pairwise blocks: the space of NASNet, which AmoebaNet, PNAS and ENAS took over.

A block reads two earlier states, applies an operation to each and combines the results.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from optuna_nas._ground.checks import shown
from optuna_nas._ground.genotype import Cell, Edge, Node
from optuna_nas.spaces.base import Choices, open_choices
from optuna_nas.spaces.cells._block_text import format_blocks, read_blocks
from optuna_nas.spaces.cells._cells import (
    NUM_INPUTS,
    CellNetworkSpace,
    CellPair,
    check_ops,
    computed_states,
)
from optuna_nas.spaces.cells._genotype_text import GenotypeText
from optuna_nas.spaces.decisions import DecisionTrial, text_error

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "ALL",
    "LOOSE_ENDS",
    "REFUSED_OPS",
    "BlockSpace",
    "Concat",
    "ConcatSpace",
    "stack_sizes",
]

LOOSE_ENDS = "loose_ends"
ALL = "all"
MAX_BLOCKS = 20
REFUSED_OPS = ("none", "skip_connect")

# The states of each cell, such as those of the normal and of the reduction cell.
Concat = tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True)
class BlockSpace(CellNetworkSpace, ABC):
    """Cells of ``num_blocks`` blocks over ``ops``; four published spaces and one of one's own.

    Subclasses set the defaults and may offer several ``combiners``.

    Args:
        num_blocks: Blocks per cell, the paper's B.
        ops: Names of the operations to choose from. Their order is part of a study's identity.
        prefix: See :class:`SearchSpace`.

    Raises:
        ValueError: If a setting is out of range.
    """

    combiners: ClassVar[tuple[str, ...]] = ("add",)
    family: ClassVar[str] = "nasnet"  # of the operations in the supernet
    inputs_are_ends: ClassVar[bool] = False
    _growing: ClassVar[bool] = False

    num_blocks: int | tuple[int, int] = 5
    ops: Collection[str]

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = self._sizes if self._growing else (self.num_blocks,) * 2
        are_ints = len(sizes) == 2 and all(type(size) is int for size in sizes)
        if not are_ints or not 1 <= sizes[0] <= sizes[1] <= MAX_BLOCKS:  # type: ignore[operator]
            kind = "an int or a range (low, high) within" if self._growing else "an int in"
            raise ValueError(
                f"`num_blocks` must be {kind} [1, {MAX_BLOCKS}], but got "
                f"num_blocks={shown(self.num_blocks)}."
            )
        self._check_ops()

    def _check_ops(self) -> None:
        check_ops(
            self.ops,
            refused=REFUSED_OPS,
            way_out='What passes its input on is called "identity" here.',
        )

    @property
    def _op_names(self) -> tuple[str, ...]:
        return tuple(self.ops)

    @property
    def _sizes(self) -> tuple[int, int]:
        sizes = self.num_blocks
        return sizes if isinstance(sizes, tuple) else (sizes, sizes)

    @property
    def conditional(self) -> bool:
        return isinstance(self.num_blocks, tuple)

    def _decide_size(self, trial: DecisionTrial) -> int:
        low, high = self._sizes
        return trial.suggest_int("num_blocks", low, high) if self.conditional else low

    def _decide_node(self, trial: DecisionTrial, scope: str, state: int) -> Node:
        ask, name, states = trial.suggest_categorical, f"{scope}_{state}", range(state)
        input_a = ask(f"{name}_input_a", states)
        input_b = ask(f"{name}_input_b", states)
        op_a = ask(f"{name}_op_a", self._op_names)
        op_b = ask(f"{name}_op_b", self._op_names)
        combine = self.combiners[0]
        if len(self.combiners) > 1:
            combine = ask(f"{name}_combine", self.combiners)
        return Node((Edge(input_a, op_a), Edge(input_b, op_b)), combine)

    def _encode_node(self, state: int, node: Node) -> dict[str, Any]:
        a, b = node.edges
        parts = {"input_a": a.input, "input_b": b.input, "op_a": a.op, "op_b": b.op}
        return parts | ({"combine": node.combine} if len(self.combiners) > 1 else {})

    def _output(self, scope: str, nodes: tuple[Node, ...]) -> tuple[int, ...]:
        concatenated = self._concatenated(scope, len(nodes))
        if concatenated is not None:
            return concatenated
        cell = Cell(nodes, computed_states(len(nodes)), self.previous)
        return cell.unread if self.inputs_are_ends else cell.loose_ends

    def _concatenated(self, scope: str, size: int) -> tuple[int, ...] | None:
        """Return the states that go to the output whatever reads them; None: the loose ends."""
        return None

    def relax(
        self,
        fixed: Mapping[str, Any],
        *,
        num_classes: int = 10,
        in_channels: int = 3,
        cells: int = 6,
        channels: int = 20,
        auxiliary: bool = False,
        dropout: float = 0.1,
        track_running_stats: bool = False,
        features_only: bool = False,
    ) -> tuple[nn.Module, Choices]:
        """The network of ENAS: weights for each block, input and operation; ``cells`` + 2 cells.

        There is an alpha for each decision. ENAS samples children and has no alphas; a mixture
        computes every pair of an input and an operation: use it to select, not to train.
        """
        from optuna_nas.nn.supernets import BlockRules, BlockSupernet

        choices = open_choices(self, fixed)
        size = self._sizes[0]
        rules = BlockRules(
            size,
            choices,
            self.scopes,
            self.previous,
            outputs={scope: self._concatenated(scope, size) for scope in self.scopes},
            inputs_are_ends=self.inputs_are_ends,
            make_op=self._candidate,
        )
        network = BlockSupernet(
            rules,
            num_classes=num_classes,
            in_channels=in_channels,
            cells=cells,
            channels=channels,
            auxiliary=auxiliary,
            dropout=dropout,
            track_running_stats=track_running_stats,
            features_only=features_only,
        )
        return network, choices

    def _candidate(self, op: str, channels: int) -> nn.Module:
        """Make an operation of the supernet: ``(B, C, H, W) -> (B, C, H, W)``."""
        from optuna_nas.nn import make_op

        return make_op(op, channels, in_channels=channels, family=self.family)

    def format(self, genotype: CellPair) -> str:
        return format_blocks(self._by_scope(genotype))

    def encode(self, text: str) -> dict[str, Any]:
        nodes: dict[str, tuple[Node, ...]] = {}
        for scope, cell in read_blocks(
            text, self.scopes, sizes=self._sizes, ops=self._op_names, combiners=self.combiners
        ).items():
            nodes[scope] = cell.nodes
            if cell.concat is not None:
                self._check_concat(text, scope, cell.nodes, cell.concat, cell.concat_at)
        return self._with_size(nodes)

    def _with_size(self, nodes: Mapping[str, Sequence[Node]]) -> dict[str, Any]:
        size = {"num_blocks": len(nodes[self.scopes[0]])} if self.conditional else {}
        return size | self._params(nodes)

    def _check_concat(
        self, text: str, scope: str, nodes: tuple[Node, ...], concat: tuple[int, ...], at: int
    ) -> None:
        ours = self._output(scope, nodes)
        if sorted(concat) != sorted(ours):
            raise text_error(
                text,
                at,
                f"{type(self).__name__} concatenates the states {_listed(ours)} here, but the "
                f"text {_listed(concat)}. {self._way_out_of_concat}",
            )

    @property
    def _way_out_of_concat(self) -> str:
        return "Leave the list out, or use the space that the text was made for."


def stack_sizes(cells: int, channels: int) -> Mapping[str, Any]:
    """Return the build arguments of a network of stacks, with a paper's final size."""
    return MappingProxyType(
        {
            "cells": cells,
            "channels": channels,
            "stem": "cifar",
            "assembly": "nasnet",
            "auxiliary": False,
            "drop_path": 0.0,
            "dropout": 0.0,
        }
    )


@dataclass(frozen=True, kw_only=True)
class ConcatSpace(BlockSpace, ABC):
    """A block space whose list of concatenated states is a setting (NASNet and AmoebaNet).

    It also reads the form of DARTS, in which these two cells are passed around: there 0 is the
    older input, so 0 and 1 are exchanged, and ``skip_connect`` and ``conv_7x1_1x7`` renamed.

    Args:
        concat: ``"loose_ends"`` (the states that no block reads), ``"all"`` (the states of all
            blocks), or the same list for all architectures: ``{"normal": (...), "reduce":
            (...)}``, kept as a pair of tuples.
    """

    previous: ClassVar[int] = 0

    concat: str | Concat | Mapping[str, Sequence[int]] = LOOSE_ENDS

    def __post_init__(self) -> None:
        super().__post_init__()
        concat = _as_concat(self.concat, self.scopes, self._sizes[1] + NUM_INPUTS)
        object.__setattr__(self, "concat", concat)

    def _concatenated(self, scope: str, size: int) -> tuple[int, ...] | None:
        if isinstance(self.concat, tuple):
            return self.concat[self.scopes.index(scope)]
        return computed_states(size) if self.concat == ALL else None

    def encode(self, text: str) -> dict[str, Any]:
        if len(self.scopes) == 1 or not GenotypeText.is_one(text):
            return super().encode(text)
        genotype = GenotypeText(text)
        nodes: dict[str, Sequence[Node]] = {}
        for scope in self.scopes:
            pairs = genotype.nodes(
                scope, self._op_names, num_nodes=self._sizes[0], rename=_RENAMED
            )
            concat, at = genotype.concat(scope, len(pairs))
            cell = Cell(tuple(pairs), concat, previous=1).renumbered(self.previous)
            self._check_concat(text, scope, cell.nodes, cell.output, at)
            nodes[scope] = cell.nodes
        return self._with_size(nodes)

    @property
    def _way_out_of_concat(self) -> str:
        return (
            f"Leave the list out, or use {type(self).__name__}(concat="
            f"{_written(self.scopes)}) with the lists of the text."
        )


_RENAMED = {"skip_connect": "identity", "conv_7x1_1x7": "conv_1x7_7x1"}


def _as_concat(concat: Any, scopes: Sequence[str], num_states: int) -> str | Concat:
    """Return the setting as it is kept: states in ascending order, no mapping."""
    if concat in (LOOSE_ENDS, ALL):
        return str(concat)
    lists = concat
    if isinstance(concat, Mapping):
        lists = [concat[key] for key in scopes if key in concat]
        lists = lists if len(concat) == len(lists) else None
    if (
        not isinstance(lists, Sequence)
        or len(lists) != len(scopes)
        or not all(_are_states(states, num_states) for states in lists)
    ):
        raise ValueError(
            f'`concat` must be "{LOOSE_ENDS}", "{ALL}" or {_written(scopes)} with '
            f"different states in [0, {num_states - 1}] in each, but got concat={shown(concat)}."
        )
    return tuple(tuple(sorted(states)) for states in lists)


def _written(scopes: Sequence[str]) -> str:
    return "{" + ", ".join(f'"{scope}": (...)' for scope in scopes) + "}"


def _are_states(states: object, num_states: int) -> bool:
    return (
        isinstance(states, Sequence)
        and not isinstance(states, str)
        and len(states) > 0
        and all(type(state) is int and 0 <= state < num_states for state in states)
        and len(set(states)) == len(states)
    )


def _listed(states: Sequence[int]) -> str:
    return ",".join(map(str, states))
