"""The operations of a cell space that a user has made: factories and names of ours."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from optuna_nas._ground.genotype import Cell, Edge, Node
from optuna_nas._ground.source import hash_of_source
from optuna_nas.spaces.cells._blocks import REFUSED_OPS
from optuna_nas.spaces.cells._cells import KNOWN_OPS

if TYPE_CHECKING:
    from optuna_nas.nn.ops import OpFactory

    Op: TypeAlias = OpFactory | str

__all__ = ["OwnOps"]

_EXAMPLE = '{"mine": lambda channels, stride: ..., "sep": "sep_conv_3x3"}'


class OwnOps(Mapping[str, "Op"]):
    """Operations by name, in a fixed order: hashable, and never changed.

    Equal to another one with the same names in the same order and equal factories (functions and
    classes are equal to themselves only).

    Args:
        ops: For each name a ``factory(channels, stride)`` or the name of a built-in operation.

    Raises:
        TypeError: If it is no mapping, or a value is neither.
        ValueError: If there are no operations, or a name cannot be used.
    """

    def __init__(self, ops: Mapping[str, Op]) -> None:
        if not isinstance(ops, Mapping):
            raise TypeError(
                f"`ops` must be a dictionary of operations, such as {_EXAMPLE}, but got {ops!r}."
            )
        if not ops:
            raise ValueError("`ops` must hold at least one operation, but is empty.")
        for name, op in ops.items():
            _check_name(name)
            _check_op(name, op)
        self._ops: dict[str, Op] = dict(ops)

    @property
    def factories(self) -> dict[str, OpFactory]:
        """The user's own among them."""
        return {name: op for name, op in self._ops.items() if not isinstance(op, str)}

    @property
    def labels(self) -> list[str]:
        """The names as they are written down, with what stands behind one of a built-in one."""
        return [
            f"{name} = {op}" if isinstance(op, str) and op != name else name
            for name, op in self._ops.items()
        ]

    @cached_property
    def source_hash(self) -> str:
        """Hash of the factories' sources, by which a changed operation gets other digests."""
        return hash_of_source(self.factories.values())

    def translated(self, cell: Cell) -> Cell:
        """Call the built-in operations of a cell by their own names."""
        ours = {name: op for name, op in self._ops.items() if isinstance(op, str)}
        nodes = tuple(
            Node(tuple(Edge(e.input, ours.get(e.op, e.op)) for e in node.edges), node.combine)
            for node in cell.nodes
        )
        return Cell(nodes, cell.output, cell.previous)

    def __getitem__(self, name: str) -> Op:
        return self._ops[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._ops)

    def __len__(self) -> int:
        return len(self._ops)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, OwnOps):
            return NotImplemented
        return list(self.items()) == list(other.items())

    def __hash__(self) -> int:
        return hash(tuple(self._ops))

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{name!r}: {_shown(op)}" for name, op in self.items()) + "}"


def _check_name(name: object) -> None:
    if not isinstance(name, str) or re.fullmatch(r"[A-Za-z0-9_]+", name) is None:
        raise ValueError(
            "The names in `ops` must be of letters, digits and underscores (they stand in texts "
            f"such as my_op(0) + my_op(1)), but got {name!r}."
        )


def _check_op(name: str, op: object) -> None:
    if isinstance(op, str):
        _check_built_in(name, op)
    elif hasattr(op, "forward") and not isinstance(op, type):
        raise TypeError(
            f"`ops[{name!r}]` must be a function that makes a module, but got the module "
            f"{type(op).__name__}, which all cells would share. Give a factory: "
            f"{{{name!r}: lambda channels, stride: {type(op).__name__}(...)}}."
        )
    elif not callable(op):
        raise TypeError(
            f"`ops[{name!r}]` must be a factory(channels, stride) or the name of a built-in "
            f"operation, but got {op!r}."
        )
    elif name in KNOWN_OPS:
        raise ValueError(
            f"`ops[{name!r}]` must have another name: that of a built-in operation means that "
            f'operation everywhere. Call yours otherwise, such as "my_{name}".'
        )
    else:
        _check_signature(name, op)


def _check_built_in(name: str, op: str) -> None:
    known = tuple(known for known in KNOWN_OPS if known not in REFUSED_OPS)
    if op not in known:
        raise ValueError(
            f"`ops[{name!r}]` must be a factory(channels, stride) or one of {', '.join(known)}, "
            f"but got {op!r}."
        )
    if name in KNOWN_OPS and name != op:
        raise ValueError(
            f"`ops[{name!r}]` must be {name!r} itself, since that is the name of a built-in "
            f"operation, but got {op!r}. Choose another name."
        )


def _check_signature(name: str, factory: Any) -> None:
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):  # not every callable can be asked
        return
    try:
        signature.bind(16, 1)
    except TypeError as error:
        raise TypeError(
            f"`ops[{name!r}]` must take two arguments, factory(channels, stride), but "
            f"{_shown(factory)}{signature} does not ({error}). Write "
            f"{{{name!r}: lambda channels, stride: ...}}."
        ) from error


def _shown(op: Any) -> str:
    return repr(op) if isinstance(op, str) else str(getattr(op, "__qualname__", repr(op)))
