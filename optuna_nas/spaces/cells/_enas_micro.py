"""The micro search space of ENAS: two cells of five nodes over five operations.

References:
    - Pham, Guan, Zoph, Le, Dean. Efficient Neural Architecture Search via Parameter Sharing.
      ICML 2018. arXiv:1802.03268.

Differences from the paper:
    1. Numbers follow the released code: state 0 is the older input.
    2. The paper concatenates the nodes that no node reads. The released code counts the cell's two
       inputs among them, in the shared and in the final network, and so do we.
    3. ``num_architectures`` counts decisions, as in every space: (720 * 5^5)^2 for each cell. The
       paper's 1.3e11 for both cells is its formula (5 * 5!)^4, which takes operations once per
       cell instead of once per node, and one state less to choose from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, NoReturn

from optuna_nas._ground.genotype import Edge, Node
from optuna_nas.spaces.base import OneShotDefaults
from optuna_nas.spaces.cells._blocks import BlockSpace
from optuna_nas.spaces.cells._cells import NUM_INPUTS, CellPair
from optuna_nas.spaces.decisions import text_error

__all__ = ["ENASMicroSpace"]

OPS = ("sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3", "identity")

MOST_DIGITS = 18
BETWEEN = r"[\s,;|\[\]]*"  # what may stand between the integers of a text


@dataclass(frozen=True, kw_only=True)
class ENASMicroSpace(BlockSpace):
    """ENAS micro: two cells of blocks that add two of 5 operations; loose ends go to the output.

    5,062,500,000,000 cells of either kind. State 0 is the output of the cell before the previous
    one, state 1 that of the previous one (unlike in NASNet), 2 and up are the blocks. What no
    block reads is concatenated, be it a block or an input; a reduction cell halves such an input
    by a factorised reduction.

    The notation is that of the released code: input, operation, input, operation for each block
    of the normal cell and then of the reduction cell, 40 integers in all. Commas, bars, brackets
    and line breaks between them are passed over.

    Args:
        num_blocks: Blocks per cell, the paper's B.
        ops: The operations to choose from; an integer of the notation is a place in this list.
        prefix: See :class:`SearchSpace`.

    Raises:
        ValueError: If a setting is out of range.

    Example::

        from optuna_nas.spaces import ENASMicroSpace

        space = ENASMicroSpace()
        cells = space.parse(
            "0 2 0 0 | 0 4 0 1 | 0 4 1 1 | 1 0 0 1 | 0 2 1 1 "
            "| 1 0 1 0 | 0 3 0 2 | 1 1 3 1 | 1 0 0 4 | 0 3 1 1"
        )
        model = cells.build(num_classes=10, **space.proxy)  # 6 layers, 20 channels
    """

    name: ClassVar[str] = "enas_micro"
    title: ClassVar[str] = "ENAS micro cells"
    previous: ClassVar[int] = 1
    family: ClassVar[str] = "enas"
    inputs_are_ends: ClassVar[bool] = True
    proxy: ClassVar[Mapping[str, Any]] = MappingProxyType({"cells": 6, "channels": 20})
    one_shot: ClassVar[OneShotDefaults] = OneShotDefaults(shared_recipe="enas_micro_search")
    sizes: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {
            "cells": 15,
            "channels": 36,
            "auxiliary": False,
            "drop_path": 0.0,
            "dropout": 0.0,
        }
    )
    builder: ClassVar[Mapping[str, Any]] = MappingProxyType({"assembly": "enas"})

    ops: tuple[str, ...] = OPS

    def format(self, genotype: CellPair) -> str:
        return " ".join(
            f"{edge.input} {self.ops.index(edge.op)}"
            for cell in self._by_scope(genotype).values()
            for node in cell.nodes
            for edge in node.edges
        )

    def encode(self, text: str) -> dict[str, Any]:
        size = self._sizes[0]
        numbers = _Integers(text, count=4 * size * len(self.scopes))
        nodes: dict[str, list[Node]] = {scope: [] for scope in self.scopes}
        for scope in self.scopes:
            for state in range(NUM_INPUTS, NUM_INPUTS + size):
                edges = (self._read_edge(numbers, state), self._read_edge(numbers, state))
                nodes[scope].append(Node(edges))
        return self._params(nodes)

    def _read_edge(self, numbers: _Integers, state: int) -> Edge:
        source = numbers.take(state, f"a state that block {state} can read")
        op = numbers.take(len(self.ops), f"the number of an operation of block {state}")
        return Edge(source, self.ops[op])


class _Integers:
    """The integers of a text, one after the other."""

    def __init__(self, text: str, count: int) -> None:
        self._text = text
        tokens = re.compile(rf"{BETWEEN}([0-9]+)(?![^\s,;|\[\]])")
        self._found: list[tuple[int, int]] = []
        at = 0
        while match := tokens.match(text, at):
            if len(match[1]) > MOST_DIGITS:
                self._fail(match.start(1), f"Expected an integer of at most {MOST_DIGITS} digits")
            self._found.append((int(match[1]), match.start(1)))
            at = match.end()
        blanks = re.compile(BETWEEN).match(text, at)
        at = blanks.end() if blanks else at
        if at < len(text):
            self._fail(at, "Expected an integer")
        if len(self._found) != count:
            at = self._found[count][1] if len(self._found) > count else len(text)
            self._fail(at, f"Expected {count} integers, but got {len(self._found)}")
        self._next = 0

    def take(self, count: int, what: str) -> int:
        """Read the next one, which must lie below ``count``."""
        value, at = self._found[self._next]
        if value >= count:
            self._fail(at, f"Expected {what}, in [0, {count - 1}], but got {value}")
        self._next += 1
        return value

    def _fail(self, at: int, message: str) -> NoReturn:
        raise text_error(self._text, at, message)
