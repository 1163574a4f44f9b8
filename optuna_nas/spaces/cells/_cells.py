"""Base of all cell spaces: a network is a stack of copies of one or two small graphs.

A cell space decides node by node, for the normal cell and then for the reduction cell. The
subclasses say what a node's decisions are; how cells become networks is ``nn.cell_network``.

References:
    - Zoph et al. Learning Transferable Architectures for Scalable Image Recognition. CVPR 2018.
      arXiv:1707.07012.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from optuna_nas._ground.checks import shown
from optuna_nas._ground.genotype import Cell, Node
from optuna_nas.drawing import Graph
from optuna_nas.spaces.base import AlphaLayout, Choices, Form, SearchSpace, canonical_form
from optuna_nas.spaces.cells._cell_graph import cell_graph
from optuna_nas.spaces.decisions import DecisionTrial

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "KNOWN_OPS",
    "SCOPES",
    "SHARED_SCOPE",
    "CellNetworkSpace",
    "CellPair",
    "cell_form",
    "check_ops",
    "computed_states",
    "names_cell_decision",
]

NUM_INPUTS = 2
SCOPES = ("normal", "reduce")
SHARED_SCOPE = ("cell",)  # one cell, used at stride 1 and at stride 2

# Every operation that a cell can hold, as `nn.cell_network` calls them.
KNOWN_OPS = (
    "none",
    "skip_connect",
    "identity",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "sep_conv_7x7",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "avg_pool_3x3",
    "max_pool_2x2",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
    "conv_1x1",
    "conv_3x3",
    "conv_1x3_3x1",
    "conv_1x7_7x1",
    "conv_7x1_1x7",
)


class CellPair(NamedTuple):
    """The genotype of a cell space.

    Args:
        normal: The cell that keeps the size of the maps; the only one where ``reduce`` is None.
        reduce: The cell that halves it.
    """

    normal: Cell
    reduce: Cell | None = None


@dataclass(frozen=True, kw_only=True)
class CellNetworkSpace(SearchSpace):
    """The base of NASNet, AmoebaNet, PNAS, ENAS micro, DARTS and of cells of a user's operations.

    Subclasses give the class constants ``previous`` (which of the states 0 and 1 is the previous
    cell's output, k-1), ``sizes`` (names and defaults of the build arguments besides
    ``num_classes`` and ``in_channels``) and ``builder`` (what ``cell_network`` is given always),
    and write ``_decide_node``, ``_encode_node`` and ``_output``, and the notation.
    """

    previous: ClassVar[int]
    title: ClassVar[str]
    sizes: ClassVar[Mapping[str, Any]]
    builder: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    # What a subclass writes

    @property
    def scopes(self) -> tuple[str, ...]:
        """The cells, by the first part of their decisions' names."""
        return SCOPES

    @abstractmethod
    def _decide_size(self, trial: DecisionTrial) -> int:
        """Return the number of nodes of a cell, which may be a decision."""

    @abstractmethod
    def _decide_node(self, trial: DecisionTrial, scope: str, state: int) -> Node:
        """Ask what the node that computes ``state`` (2, 3, ...) does."""

    @abstractmethod
    def _encode_node(self, state: int, node: Node) -> Mapping[str, Any]:
        """Return the decisions of a node by their last part, such as ``op_a``."""

    @abstractmethod
    def _output(self, scope: str, nodes: tuple[Node, ...]) -> tuple[int, ...]:
        """Return the states that are concatenated into the cell's output."""

    # How it is done

    def decide(self, trial: DecisionTrial) -> CellPair:
        states = range(NUM_INPUTS, NUM_INPUTS + self._decide_size(trial))
        cells = []
        for scope in self.scopes:
            nodes = tuple(self._decide_node(trial, scope, state) for state in states)
            cells.append(Cell(nodes, self._output(scope, nodes), self.previous))
        return CellPair(*cells)

    def _params(self, nodes: Mapping[str, Sequence[Node]]) -> dict[str, Any]:
        """Spell the nodes of each scope as decisions."""
        return {
            f"{scope}_{state}_{part}": value
            for scope in self.scopes
            for state, node in enumerate(nodes[scope], start=NUM_INPUTS)
            for part, value in self._encode_node(state, node).items()
        }

    def _by_scope(self, genotype: CellPair) -> dict[str, Cell]:
        cells = (genotype.normal, genotype.reduce)
        return {scope: cell for scope, cell in zip(self.scopes, cells, strict=False) if cell}

    def canonical(self, genotype: CellPair) -> list[Form]:
        return [cell_form(cell) for cell in self._by_scope(genotype).values()]

    def owns(self, name: str) -> bool:
        return names_cell_decision(name, self.scopes)

    def graph(self, genotype: CellPair) -> Graph:
        panels = {"normal": "normal cell", "reduce": "reduction cell", "cell": "cell"}
        cells = self._by_scope(genotype)
        return cell_graph({panels[s]: cell for s, cell in cells.items()}, title=self.title)

    def alpha_layout(self, choices: Choices) -> AlphaLayout:
        cells = (
            tuple(name for name in choices if name.startswith(f"{scope}_"))
            for scope in self.scopes
        )
        return AlphaLayout(choices=choices, cells=tuple(cells))

    @property
    def build_arguments(self) -> dict[str, Any]:
        return {"num_classes": 10, "in_channels": 3, **self.sizes, "features_only": False}

    def build_network(self, genotype: CellPair, **arguments: Any) -> nn.Module:
        from optuna_nas.nn import cell_network

        chosen = {**self.builder, **self.build_arguments, **arguments}
        network: nn.Module = cell_network(genotype.normal, genotype.reduce, **chosen)
        return network


def check_ops(ops: object, refused: Iterable[str] = (), way_out: str = "") -> None:
    """Raise unless ``ops`` is a tuple of different names that the builder knows.

    Args:
        ops: Value that the user gave as operations.
        refused: Names that are known elsewhere, but not in this space.
        way_out: Advice on a refused one.

    Raises:
        ValueError: If it is something else.
    """
    allowed = tuple(op for op in KNOWN_OPS if op not in refused)
    are_names = isinstance(ops, tuple) and all(isinstance(op, str) for op in ops)
    if not isinstance(ops, tuple) or not are_names or not ops or len(set(ops)) < len(ops):
        raise ValueError(
            "`ops` must be a tuple of different operations, at least one, but got "
            f"ops={shown(ops)}."
        )
    unknown = [op for op in ops if op not in allowed]
    if unknown:
        raise ValueError(
            f"`ops` must be among {allowed}, but got {shown(unknown)}. {way_out}".rstrip()
        )


def names_cell_decision(name: str, scopes: Iterable[str]) -> bool:
    """Tell whether cells of these scopes may have a decision of this name."""
    parts = r"input_[ab]|op_[ab]|combine|inputs"
    return re.fullmatch(rf"({'|'.join(scopes)})_\d+_({parts})", name) is not None


def computed_states(num_nodes: int) -> tuple[int, ...]:
    """Return the states that so many nodes compute."""
    return tuple(range(NUM_INPUTS, NUM_INPUTS + num_nodes))


def cell_form(cell: Cell) -> Form:
    """Describe a cell independently of the numbers of its blocks and the order of operands.

    What reads the cell's inputs goes into the label of its block, so that blocks which differ
    in nothing stay interchangeable and few ties are left to break; every other operation is a
    node of its own. Nothing is merged: in a reduction cell, or where channels change, even an
    identity or a pool has weights. ``none`` adds nothing and is left out.

    Args:
        cell: With either numbering of its inputs.

    Returns:
        The form of :func:`canonical_form`, equal for equal graphs only.
    """
    role = {cell.previous: "k-1", 1 - cell.previous: "k-2"}
    labels: list[str] = []
    inputs: list[list[int]] = []
    places: list[int] = []  # the node of each computed state

    def add(label: str, sources: list[int]) -> int:
        labels.append(label)
        inputs.append(sources)
        return len(labels) - 1

    for node in cell.nodes:
        edges = [e for e in node.edges if e.op != "none" or node.combine != "add"]
        outer = sorted(f"{e.op}({role[e.input]})" for e in edges if e.input < NUM_INPUTS)
        # Equal operations on the same state stand in one node with their number: as nodes apart
        # they would be ties, which are broken one by one.
        inner = Counter((e.op, e.input) for e in edges if e.input >= NUM_INPUTS)
        operands = [
            add(f"{times} {op}", [places[state - NUM_INPUTS]])
            for (op, state), times in inner.items()
        ]
        places.append(add(" ".join([node.combine, *outer]), operands))
    passed_on = sorted(role[state] for state in cell.output if state < NUM_INPUTS)
    ends = [places[state - NUM_INPUTS] for state in cell.output if state >= NUM_INPUTS]
    output = add(" ".join(["output", *passed_on]), ends)
    return canonical_form(labels, inputs, output)
