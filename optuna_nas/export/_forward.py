"""The forward pass of a module, as lines of Python.

A value that is used once is written where it is used, unless something is changed in place, where
the order of the steps counts. Numbers and tuples are slots, since they may differ between modules
that are alike otherwise.
"""

from __future__ import annotations

import builtins
import dataclasses
import inspect
import keyword
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from optuna_nas.export._names import identifier
from optuna_nas.export._text import (
    Call,
    Expr,
    Infix,
    Items,
    Keyword,
    Slot,
    Text,
    UnwritableError,
    literal,
)
from optuna_nas.export._trace import Frame, Op, Ref, Weight

__all__ = ["Constant", "Forward", "Statement", "forward_of"]

_LONGEST_INLINE = 60
_OPERATORS = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "div": "/",
    "truediv": "/",
    "matmul": "@",
    "pow": "**",
}
_SHAPING = ("expand", "ones", "repeat", "reshape", "view", "zeros")
# Defaults that are the same in all of torch's functions, for those without a signature.
_TORCH_DEFAULTS: dict[str, tuple[Any, ...]] = {
    "alpha": (1,),
    "ceil_mode": (False,),
    "dilation": (1,),
    "padding": (0,),
    "return_indices": (False,),
}


@dataclasses.dataclass(frozen=True)
class Constant:
    """A number in a forward or a constructor.

    Attributes:
        name: Its name there.
        value: The value itself.
    """

    name: str
    value: Any


@dataclasses.dataclass(frozen=True)
class Statement:
    """A line: ``name = expression``, or ``return expression`` without a name.

    Attributes:
        name: Name that is assigned to.
        expression: Expression that is computed.
        shape: Sizes of the result as they are written, where it is one tensor; ``B`` is the number
            of examples.
    """

    name: str | None
    expression: Expr
    shape: tuple[str, ...] | None = None


@dataclasses.dataclass(frozen=True)
class Forward:
    """A forward as code.

    Attributes:
        inputs: Names of its parameters.
        statements: Its lines.
        constants: For each slot.
    """

    inputs: tuple[str, ...]
    statements: tuple[Statement, ...]
    constants: tuple[Constant, ...]


def forward_of(
    frame: Frame, other: Frame, access: Callable[[str], str], *, inline: bool = True
) -> Forward:
    """Write a frame as code.

    Args:
        frame: A run with some number of examples.
        other: The same with another number, which tells what depends on it.
        access: How a path is reached below ``self``, such as ``self.cells[0]``.
        inline: Whether calls of modules may be written where their results are used.

    Raises:
        UnwritableError: If the two runs took different steps.
    """
    return _Writer(frame, other, access, inline).forward()


class _Writer:
    def __init__(
        self, frame: Frame, other: Frame, access: Callable[[str], str], inline: bool
    ) -> None:
        self._frame = frame
        self._other = other
        self._access = access
        self._inline = inline and not frame.in_place
        self._constants: list[Constant] = []
        self._written: dict[int, Expr] = {}
        self._taken: set[str] = {"self", "torch", "nn", "F", "super", "getattr", "float"}
        self._batch: tuple[int, int] | None = None

    def forward(self) -> Forward:
        self._check_equal_steps()
        used = self._frame.used()
        inputs = [i for i in self._frame.inputs if i[1] in used] or self._frame.inputs[:1]
        if not self._frame.path:  # a person calls the network itself, with all that it takes
            inputs = self._frame.inputs
        names = []
        for name, number in inputs:
            names.append(self._free(name))
            self._written[number] = Text(names[-1])
        self._batch = self._varying([number for _, number in inputs])
        statements = self._statements()
        result = [self._value(number) for number in self._frame.result]
        last = result[0] if len(result) == 1 else Items("(", ")", tuple(result))
        statements.append(Statement(None, last))
        return Forward(tuple(names), tuple(statements), tuple(self._constants))

    def _varying(self, numbers: Sequence[int]) -> tuple[int, int] | None:
        """Find an input, and a dimension of it, that tells the number of examples."""
        for number in numbers:
            sizes = zip(*self._shapes(number), strict=False)
            for dimension, (here, there) in enumerate(sizes):
                if here != there:
                    return number, dimension
        return None

    def _shapes(self, number: int) -> tuple[torch.Size, torch.Size]:
        return self._frame._alive[number].shape, self._other._alive[number].shape

    def _statements(self) -> list[Statement]:
        uses = self._uses()
        statements = []
        for op, other in zip(self._frame.ops, self._other.ops, strict=True):
            expression = self._expression(op, other)
            (path, number), *more = op.outputs
            if not more and not path and self._may_inline(op, number, uses, expression):
                self._written[number] = expression
                continue
            name = self._name_in_place(op) or self._free(_named(op))
            statements.append(Statement(name, expression, self._shape(op, other)))
            for path, number in op.outputs:
                self._written[number] = Text(f"{name}{path}")
        return statements

    def _shape(self, op: Op, other: Op) -> tuple[str, ...] | None:
        """Sizes of a step's result, and which of them depend on the number of examples."""
        if op.shape is None or other.shape is None or self._batch is None:
            return None if op.shape is None else tuple(map(str, op.shape))
        examples = self._shapes(self._batch[0])[0][self._batch[1]]
        return tuple(
            str(here) if here == there else "B" if here == examples else f"{here / examples:g} * B"
            for here, there in zip(op.shape, other.shape, strict=True)
        )

    def _name_in_place(self, op: Op) -> str | None:
        """The name that an output has already: it was changed in place, or is what came in."""
        (path, number), *more = op.outputs
        known = self._written.get(number)
        if path or more or not isinstance(known, Text) or not known.text.isidentifier():
            return None
        return known.text

    def _may_inline(self, op: Op, number: int, uses: Counter[int], expression: Expr) -> bool:
        if number in self._frame.result and uses[number] == 1 and op is self._frame.ops[-1]:
            return True
        short = len(expression.flat(self._shown)) <= _LONGEST_INLINE
        return self._inline and uses[number] == 1 and short

    def _uses(self) -> Counter[int]:
        uses = Counter(self._frame.result)
        for op in self._frame.ops:
            uses.update(ref.number for ref in _refs((op.args, op.kwargs)))
        return uses

    def _check_equal_steps(self) -> None:
        mine, theirs = (
            (frame.inputs, [(op.module, op.function, op.outputs) for op in frame.ops])
            for frame in (self._frame, self._other)
        )
        if mine != theirs:
            raise UnwritableError(
                f"{type(self._frame.module).__name__} takes other steps for another number of "
                "examples: it must do the same for all."
            )

    def _expression(self, op: Op, other: Op) -> Expr:
        if op.function == "torch.Tensor.__getitem__":
            owner = self._owner(self._argument(op.args[0], other.args[0], ""))
            return Text(f"{owner}[{self._index(op.args[1])}]")
        name = _constant_name(op)
        args = [self._argument(a, b, name) for a, b in zip(op.args, other.args, strict=True)]
        named = {
            name: self._argument(value, other.kwargs[name], name)
            for name, value in op.kwargs.items()
        }
        if op.module is not None:
            keywords = [Keyword(name, value) for name, value in named.items()]
            return Call.of(self._access(op.module), *args, *keywords)
        if op.function == "super":
            return Call.of("super().forward", *args)
        owner, _, name = op.function.rpartition(".")
        others = self._keywords(op, named)
        if name == "__get__":  # a property, which is named before it
            return Text(f"{self._owner(args[0])}.{owner.rpartition('.')[2]}")
        if owner == "torch.Tensor":
            return self._method(name, op, args, others)
        short = owner.replace("torch.nn.functional", "F").replace("torch._C._nn", "F")
        return Call.of(f"{short}.{name}", *args, *others)

    def _method(self, name: str, op: Op, args: list[Expr], keywords: list[Expr]) -> Expr:
        plain, owner = name.strip("_"), self._owner(args[0])
        dunder = name.startswith("__")
        if dunder and plain[:1] == "r" and plain[1:] in _OPERATORS:
            return Infix(args[1], _OPERATORS[plain[1:]], args[0])
        if dunder and plain[:1] == "i" and plain[1:] in _OPERATORS:
            return Call.of(f"{owner}.{plain[1:]}_", *args[1:])
        in_place = name.endswith("_") and not dunder
        if plain in _OPERATORS and not in_place and len(args) == 2 and not keywords:
            return Infix(args[0], _OPERATORS[plain], args[1])
        return Call.of(f"{owner}.{name}", *args[1:], *keywords)

    def _owner(self, expression: Expr) -> str:
        text = expression.flat(self._shown)
        return f"({text})" if isinstance(expression, Infix) else text

    def _keywords(self, op: Op, named: dict[str, Expr]) -> list[Expr]:
        """Without those that have the default which torch's signature or documentation says."""
        defaults = {**_TORCH_DEFAULTS, **_signature_defaults(op.function)}
        return [
            Keyword(name, value)
            for name, value in named.items()
            if not any(_equal(op.kwargs[name], default) for default in defaults.get(name, ()))
        ]

    def _argument(self, value: Any, other: Any, name: str) -> Expr:
        if isinstance(value, Ref):
            return self._value(value.number)
        if isinstance(value, Weight):
            return Text(self._access(value.path))
        if isinstance(value, list | tuple) and _has_tensors(value):
            pair = ("[", "]") if isinstance(value, list) else ("(", ")")
            items = [self._argument(a, b, name) for a, b in zip(value, other, strict=True)]
            return Items(*pair, tuple(items))
        return self._constant(value, other, name)

    def _constant(self, value: Any, other: Any, name: str) -> Expr:
        if isinstance(value, list | tuple) and not _equal(value, other):
            pair = ("[", "]") if isinstance(value, list) else ("(", ")")
            items = [self._constant(a, b, name) for a, b in zip(value, other, strict=True)]
            return Items(*pair, tuple(items))
        if not _equal(value, other):
            return self._multiple(value, other)
        if isinstance(value, torch.device) and self._frame.inputs:
            first = next(n for _, n in self._frame.inputs if n in self._written)
            return Text(f"{self._written[first].flat(self._shown)}.device")
        if _is_numbers(value) and not isinstance(value, bool):
            self._constants.append(Constant(name, _as_tuple(value)))
            return Slot(len(self._constants) - 1)
        return Text(literal(value))

    def _multiple(self, value: Any, other: Any) -> Expr:
        """A number that depends on the number of examples."""
        if self._batch is not None and isinstance(value, int):
            number, dimension = self._batch
            here, there = (shape[dimension] for shape in self._shapes(number))
            size = f"{self._written[number].flat(self._shown)}.shape[{dimension}]"
            if value * there == other * here:
                if value % here == 0:
                    return Text(size if value == here else f"{value // here} * {size}")
                if here % value == 0:
                    return Text(f"{size} // {here // value}")
        raise UnwritableError(
            f"{type(self._frame.module).__name__} computes with {value!r} for one number of "
            f"examples and {other!r} for another, which is no multiple of their number."
        )

    def _index(self, index: Any) -> str:
        if isinstance(index, tuple):
            return ", ".join(map(self._index, index))
        if isinstance(index, slice):
            start, stop, step = ("" if i is None else literal(i) for i in _ends(index))
            return f"{start}:{stop}" + (f":{step}" if step else "")
        if isinstance(index, Ref):
            return self._value(index.number).flat(self._shown)
        if isinstance(index, Weight):
            return self._access(index.path)
        return literal(index)

    def _value(self, number: int) -> Expr:
        if number not in self._written:
            raise UnwritableError(
                f"{type(self._frame.module).__name__} uses a tensor of an earlier call."
            )
        return self._written[number]

    def _shown(self, slot: int) -> str:
        return literal(self._constants[slot].value)

    def _free(self, wanted: str) -> str:
        wanted = f"{wanted}_" if keyword.iskeyword(wanted) else wanted
        name, count = wanted, 2
        while name in self._taken:
            name, count = f"{wanted}_{count}", count + 1
        self._taken.add(name)
        return name


def _named(op: Op) -> str:
    """Name the result of a step."""
    if op.module is not None:
        return identifier(op.module, "x")
    name = op.function.removesuffix(".__get__").rpartition(".")[2].strip("_")
    return "x" if name in ("super", "") else f"{name}_" if hasattr(builtins, name) else name


def _constant_name(op: Op) -> str:
    """Name a number among the arguments of a function."""
    name = op.function.rpartition(".")[2].strip("_")
    return "size" if name.startswith("new_") or name in _SHAPING else name


def _refs(values: Any) -> list[Ref]:
    if isinstance(values, Ref):
        return [values]
    if isinstance(values, dict):
        values = [*values.values()]
    if isinstance(values, list | tuple) and not isinstance(values, torch.Size):
        return [ref for value in values for ref in _refs(value)]
    return []


def _has_tensors(values: Any) -> bool:
    if isinstance(values, list | tuple):
        return any(map(_has_tensors, values))
    return isinstance(values, Ref | Weight)


def _is_numbers(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return bool(value) and all(_is_numbers(item) for item in value)
    return isinstance(value, int | float)


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, torch.Size) else value


def _equal(first: Any, second: Any) -> bool:
    return type(first) is type(second) and bool(first == second)


def _ends(index: slice) -> Sequence[Any]:
    return index.start, index.stop, index.step


def _signature_defaults(function: str) -> dict[str, tuple[Any, ...]]:
    owner, _, name = function.rpartition(".")
    if owner != "torch.nn.functional":
        return {}
    try:
        parameters = inspect.signature(getattr(nn.functional, name)).parameters
    except (ValueError, TypeError):
        return {}
    defaults: dict[str, tuple[Any, ...]] = {p.name: (p.default,) for p in parameters.values()}
    return {**defaults, "value": (None, 0.0)} if name == "pad" else defaults
