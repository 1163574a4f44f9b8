"""The readable form of cells of pairwise blocks.

::

    normal: 2 = sep_conv_5x5(0) + sep_conv_3x3(1); 3 = identity(2) & identity(0); concat 1,3
    | reduce: 2 = ...

A block is written ``state = operation(input) + operation(input)``, with ``&`` instead of ``+``
where the results are concatenated, as the figures of the papers have it. Blanks and line breaks
are free, and the list after ``concat`` may be left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from optuna_nas._ground.genotype import Cell, Edge, Node
from optuna_nas.spaces.decisions import Scanner

__all__ = ["ReadCell", "format_blocks", "read_blocks"]

SIGNS: Mapping[str, str] = {"add": "+", "concat": "&"}
FIRST_STATE = 2


class ReadCell(NamedTuple):
    """Content of a text about one cell.

    Args:
        nodes: Its blocks.
        concat: The list of concatenated states, if there is one.
        concat_at: Place in the text where the list begins.
    """

    nodes: tuple[Node, ...]
    concat: tuple[int, ...] | None
    concat_at: int


def format_blocks(cells: Mapping[str, Cell]) -> str:
    """Write cells by the first part of their decisions' names."""
    return " | ".join(f"{scope}: {_format_cell(cell)}" for scope, cell in cells.items())


def _format_cell(cell: Cell) -> str:
    blocks = [
        f"{state} = " + f" {SIGNS[node.combine]} ".join(f"{e.op}({e.input})" for e in node.edges)
        for state, node in enumerate(cell.nodes, start=FIRST_STATE)
    ]
    return "; ".join([*blocks, f"concat {','.join(map(str, cell.output))}"])


def read_blocks(
    text: str,
    scopes: Sequence[str],
    *,
    sizes: tuple[int, int],
    ops: Sequence[str],
    combiners: Sequence[str],
) -> dict[str, ReadCell]:
    """Read what :func:`format_blocks` wrote.

    Args:
        text: The whole text.
        scopes: Names of the cells, in the order in which they must stand.
        sizes: The smallest and the largest number of blocks.
        ops: The operations that are known.
        combiners: The ways to combine two results that are known.

    Raises:
        ValueError: If the text is wrong; the message points at the place.
    """
    scanner = Scanner(text)
    cells = {}
    for i, scope in enumerate(scopes):
        if i > 0:
            scanner.need(r"\|", f"'|' and '{scope}:'")
        scanner.need(rf"{scope}\s*:", f"'{scope}:'")
        cells[scope] = _read_cell(scanner, sizes, ops, combiners)
    if not scanner.at_end:
        scanner.fail("Expected the end")
    return cells


def _read_cell(
    scanner: Scanner, sizes: tuple[int, int], ops: Sequence[str], combiners: Sequence[str]
) -> ReadCell:
    nodes: list[Node] = []
    concat_word = r"concat\b"
    least, most = sizes
    while len(nodes) < most:
        if nodes and not scanner.take(";"):
            break
        at = scanner.position
        if len(nodes) >= least and scanner.take(concat_word):
            return ReadCell(tuple(nodes), _read_concat(scanner, len(nodes)), at)
        nodes.append(_read_block(scanner, FIRST_STATE + len(nodes), ops, combiners))
    if len(nodes) < least:
        scanner.fail(f"Expected ';' and block {FIRST_STATE + len(nodes)}: {least} blocks a cell")
    at = scanner.position
    if scanner.take(";"):
        at = scanner.position
        scanner.need(concat_word, f"'concat', since a cell has {most} blocks")
        return ReadCell(tuple(nodes), _read_concat(scanner, len(nodes)), at)
    return ReadCell(tuple(nodes), None, at)


def _read_block(
    scanner: Scanner, state: int, ops: Sequence[str], combiners: Sequence[str]
) -> Node:
    scanner.need_int((state,), f"the number of the next block, {state}")
    scanner.need("=", f"'=' and what block {state} does")
    first = _read_edge(scanner, state, ops)
    signs = {SIGNS[combine]: combine for combine in combiners}
    wanted = " or ".join(map(repr, signs))
    sign = scanner.need(f"[{''.join(signs)}]", f"{wanted} and the second operation")
    return Node((first, _read_edge(scanner, state, ops)), signs[sign])


def _read_edge(scanner: Scanner, state: int, ops: Sequence[str]) -> Edge:
    op = scanner.need_word(ops, "an operation")
    scanner.need(r"\(", "'(' and the state that is read")
    source = scanner.need_int(range(state), f"a state that block {state} can read")
    scanner.need(r"\)", "')'")
    return Edge(source, op)


def _read_concat(scanner: Scanner, num_nodes: int) -> tuple[int, ...]:
    states: list[int] = []
    while not states or scanner.take(","):
        left = [s for s in range(FIRST_STATE + num_nodes) if s not in states]
        states.append(scanner.need_int(left, "a state to be concatenated"))
    return tuple(states)
