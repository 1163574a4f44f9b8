"""Cells of pairwise blocks: the space of NASNet, which AmoebaNet, PNAS and ENAS took over.

A block reads two earlier states, applies an operation to each and combines the results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from optuna_nas.spaces._block_text import format_blocks, read_blocks
from optuna_nas.spaces._cells import NUM_INPUTS, CellNetworkSpace, CellPair, check_ops
from optuna_nas.spaces._decisions import DecisionTrial
from optuna_nas.spaces._genotype_text import GenotypeText
from optuna_nas.spaces._text import text_error

if TYPE_CHECKING:
    from optuna_nas.nn._genotype import Node

__all__ = ["LOOSE_ENDS", "BlockSpace", "Concat", "ConcatSpace"]

LOOSE_ENDS = "loose_ends"
MAX_BLOCKS = 20

# The states of the normal and of the reduction cell.
Concat = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class BlockSpace(CellNetworkSpace):
    """Cells of ``num_blocks`` blocks over ``ops``; the base of four published spaces.

    Subclasses set the defaults and may offer several ``combiners``.

    Args:
        num_blocks: Blocks per cell, the paper's B.
        ops: The operations to choose from. Their order is part of a study's identity.
        prefix: See :class:`SearchSpace`.

    Raises:
        ValueError: If a setting is out of range.
    """

    combiners: ClassVar[tuple[str, ...]] = ("add",)
    _growing: ClassVar[bool] = False

    num_blocks: int | tuple[int, int] = 5
    ops: tuple[str, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = self._sizes if self._growing else (self.num_blocks,) * 2
        are_ints = len(sizes) == 2 and all(type(size) is int for size in sizes)
        if not are_ints or not 1 <= sizes[0] <= sizes[1] <= MAX_BLOCKS:  # type: ignore[operator]
            kind = "an int or a range (low, high) within" if self._growing else "an int in"
            raise ValueError(
                f"`num_blocks` must be {kind} [1, {MAX_BLOCKS}], but got "
                f"num_blocks={self.num_blocks!r}."
            )
        check_ops(
            self.ops,
            refused=("none", "skip_connect"),
            way_out='What passes its input on is called "identity" here.',
        )

    @property
    def _sizes(self) -> tuple[int, int]:
        sizes = self.num_blocks
        return sizes if isinstance(sizes, tuple) else (sizes, sizes)

    @property
    def _conditional(self) -> bool:
        return isinstance(self.num_blocks, tuple)

    def _decide_size(self, trial: DecisionTrial) -> int:
        low, high = self._sizes
        return trial.suggest_int("num_blocks", low, high) if self._conditional else low

    def _decide_node(self, trial: DecisionTrial, scope: str, state: int) -> Node:
        from optuna_nas.nn._genotype import Edge, Node

        ask, name, states = trial.suggest_categorical, f"{scope}_{state}", range(state)
        input_a = ask(f"{name}_input_a", states)
        input_b = ask(f"{name}_input_b", states)
        op_a = ask(f"{name}_op_a", self.ops)
        op_b = ask(f"{name}_op_b", self.ops)
        combine = self.combiners[0]
        if len(self.combiners) > 1:
            combine = ask(f"{name}_combine", self.combiners)
        return Node((Edge(input_a, op_a), Edge(input_b, op_b)), combine)

    def _encode_node(self, state: int, node: Node) -> dict[str, Any]:
        a, b = node.edges
        parts = {"input_a": a.input, "input_b": b.input, "op_a": a.op, "op_b": b.op}
        return parts | ({"combine": node.combine} if len(self.combiners) > 1 else {})

    def _output(self, scope: str, nodes: tuple[Node, ...]) -> tuple[int, ...]:
        from optuna_nas.nn._genotype import Cell

        computed = tuple(range(NUM_INPUTS, NUM_INPUTS + len(nodes)))
        return Cell(nodes, computed, self.previous).loose_ends

    def _format(self, genotype: CellPair) -> str:
        return format_blocks(self._by_scope(genotype))

    def _encode(self, text: str) -> dict[str, Any]:
        nodes: dict[str, tuple[Node, ...]] = {}
        for scope, cell in read_blocks(
            text, self.scopes, sizes=self._sizes, ops=self.ops, combiners=self.combiners
        ).items():
            nodes[scope] = cell.nodes
            if cell.concat is not None:
                self._check_concat(text, scope, cell.nodes, cell.concat, cell.concat_at)
        return self._with_size(nodes)

    def _with_size(self, nodes: Mapping[str, Sequence[Node]]) -> dict[str, Any]:
        size = {"num_blocks": len(nodes[self.scopes[0]])} if self._conditional else {}
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


@dataclass(frozen=True, kw_only=True)
class ConcatSpace(BlockSpace):
    """A block space whose list of concatenated states is a setting (NASNet and AmoebaNet).

    It also reads the form of DARTS, in which these two cells are passed around: there 0 is the
    older input, so 0 and 1 are exchanged, and ``skip_connect`` and ``conv_7x1_1x7`` renamed.

    Args:
        concat: ``"loose_ends"`` (the states that no block reads), or the same list for all
            architectures: ``{"normal": (...), "reduce": (...)}``, kept as a pair of tuples.
    """

    previous: ClassVar[int] = 0

    concat: str | Concat | Mapping[str, Sequence[int]] = LOOSE_ENDS

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "concat", _as_concat(self.concat, self._sizes[1] + NUM_INPUTS))

    def _output(self, scope: str, nodes: tuple[Node, ...]) -> tuple[int, ...]:
        if isinstance(self.concat, tuple):
            return self.concat[self.scopes.index(scope)]
        return super()._output(scope, nodes)

    def _encode(self, text: str) -> dict[str, Any]:
        if not GenotypeText.is_one(text):
            return super()._encode(text)
        from optuna_nas.nn._genotype import Cell

        genotype = GenotypeText(text)
        nodes: dict[str, Sequence[Node]] = {}
        for scope in self.scopes:
            pairs = genotype.nodes(scope, self.ops, num_nodes=self._sizes[0], rename=_RENAMED)
            concat, at = genotype.concat(scope, len(pairs))
            cell = Cell(tuple(pairs), concat, previous=1).renumbered(self.previous)
            self._check_concat(text, scope, cell.nodes, cell.output, at)
            nodes[scope] = cell.nodes
        return self._with_size(nodes)

    @property
    def _way_out_of_concat(self) -> str:
        return (
            f"Leave the list out, or use {type(self).__name__}(concat="
            '{"normal": (...), "reduce": (...)}) with the lists of the text.'
        )


_RENAMED = {"skip_connect": "identity", "conv_7x1_1x7": "conv_1x7_7x1"}


def _as_concat(concat: Any, num_states: int) -> str | Concat:
    """Return the setting as it is kept: states in ascending order, no mapping."""
    if concat == LOOSE_ENDS:
        return LOOSE_ENDS
    lists = concat
    if isinstance(concat, Mapping):
        lists = [concat[key] for key in ("normal", "reduce") if key in concat]
        lists = lists if len(concat) == len(lists) else None
    if (
        not isinstance(lists, Sequence)
        or len(lists) != 2
        or not all(_are_states(states, num_states) for states in lists)
    ):
        raise ValueError(
            f'`concat` must be "{LOOSE_ENDS}" or {{"normal": (...), "reduce": (...)}} with '
            f"different states in [0, {num_states - 1}] in each, but got concat={concat!r}."
        )
    normal, reduce = (tuple(sorted(states)) for states in lists)
    return normal, reduce


def _are_states(states: object, num_states: int) -> bool:
    return (
        isinstance(states, Sequence)
        and not isinstance(states, str)
        and len(states) > 0
        and len(set(states)) == len(states)
        and all(type(state) is int and 0 <= state < num_states for state in states)
    )


def _listed(states: Sequence[int]) -> str:
    return ",".join(map(str, states))
