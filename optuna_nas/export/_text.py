"""Expressions of Python, written on one line if they fit and else with one item a line.

Constants and documentation are escaped: a text that somebody chose stays a text.
"""

from __future__ import annotations

import dataclasses
import itertools
import numbers
import re
from collections.abc import Callable
from typing import TypeAlias

import torch

from optuna_nas._ground.words import quoted

__all__ = [
    "Call",
    "Entry",
    "Expr",
    "Fill",
    "Infix",
    "Items",
    "Keyword",
    "Slot",
    "Text",
    "UnwritableError",
    "documentation",
    "literal",
    "write",
]

WIDTH = 99
_RUN = 3  # so many equal items in a row are written as one

Fill: TypeAlias = Callable[[int], str]


class UnwritableError(ValueError):
    """A network does something that cannot be written as code."""


class Expr:
    """Something that can be written."""

    def flat(self, fill: Fill) -> str:
        """On one line; ``fill`` gives the text of a slot."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class Text(Expr):
    """As it stands."""

    text: str

    def flat(self, fill: Fill) -> str:
        return self.text


@dataclasses.dataclass(frozen=True)
class Slot(Expr):
    """A constant that may differ between modules of a class, by number."""

    number: int

    def flat(self, fill: Fill) -> str:
        return fill(self.number)


@dataclasses.dataclass(frozen=True)
class Keyword(Expr):
    """``name=value``, left out where the value is the default."""

    name: str
    value: Expr
    default: str | None = None

    @property
    def lead(self) -> str:
        """Text before the value."""
        return f"{self.name}="

    def flat(self, fill: Fill) -> str:
        value = self.value.flat(fill)
        return "" if value == self.default else f"{self.lead}{value}"


@dataclasses.dataclass(frozen=True)
class Entry(Keyword):
    """``"name": value``."""

    @property
    def lead(self) -> str:
        """Text before the value."""
        return f"{literal(self.name)}: "


@dataclasses.dataclass(frozen=True)
class Items(Expr):
    """Expressions between brackets."""

    opening: str
    closing: str
    items: tuple[Expr, ...]
    gathers: bool = False  # many equal ones in a row are written as one

    def flat(self, fill: Fill) -> str:
        texts = self.texts(fill)
        comma = "," if self.opening == "(" and len(self.items) == 1 else ""
        return f"{self.opening}{', '.join(texts)}{comma}{self.closing}"

    def texts(self, fill: Fill) -> list[str]:
        """Texts between the commas."""
        return [part.flat(fill) for part in self.parts(fill)]

    def parts(self, fill: Fill) -> list[Expr]:
        """The items that are written, many equal ones in a row as one."""
        shown = [(text, item) for item in self.items if (text := item.flat(fill))]
        if not self.gathers:
            return [item for _, item in shown]
        found: list[Expr] = []
        for _, group in itertools.groupby(shown, key=lambda pair: pair[0]):
            alike = [item for _, item in group]
            found += [Repeated(alike[0], len(alike))] if len(alike) >= _RUN else alike
        return found


@dataclasses.dataclass(frozen=True)
class Repeated(Expr):
    """``*(item for _ in range(count))``."""

    item: Expr
    count: int

    def flat(self, fill: Fill) -> str:
        return f"*({self.item.flat(fill)} for _ in range({self.count}))"


@dataclasses.dataclass(frozen=True)
class Call(Items):
    """``function(items)``; the opening holds the function."""

    @classmethod
    def of(cls, function: str, *items: Expr, gathers: bool = False) -> Call:
        """A call of a function by its name."""
        return cls(f"{function}(", ")", items, gathers)

    def flat(self, fill: Fill) -> str:
        return f"{self.opening}{', '.join(self.texts(fill))}{self.closing}"


@dataclasses.dataclass(frozen=True)
class Infix(Expr):
    """``left + right``."""

    left: Expr
    operator: str
    right: Expr

    def flat(self, fill: Fill) -> str:
        tight = self.operator != "+"
        left, right = (_operand(side, fill, tight) for side in (self.left, self.right))
        return f"{left} {self.operator} {right}"


def literal(value: object) -> str:
    """A constant as Python writes it.

    Raises:
        UnwritableError: If it is none: what an object of another type says of itself need not be
            code, and could be any.
    """
    if value is None or value is Ellipsis or isinstance(value, bool):
        return "..." if value is Ellipsis else repr(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, numbers.Integral):
        return repr(int(value))
    if isinstance(value, numbers.Real):
        number = float(value)
        is_finite = number - number == 0
        return repr(number) if is_finite else f'float("{number}")'
    if isinstance(value, tuple | list):
        inner = ", ".join(literal(item) for item in value)
        if isinstance(value, list):
            return f"[{inner}]"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, complex | torch.dtype | torch.layout | torch.memory_format):
        return repr(value)
    raise UnwritableError(
        f"The network computes with a constant of type {type(value).__name__}, which cannot be "
        "written as code: use a number, a text, a tuple of them, or a buffer."
    )


def documentation(line: str) -> str:
    """A line of text as it stands between three double quotes.

    Half a character, which the documentation of a class may not hold, is spelled out.
    """
    whole = line.encode("utf-8", "backslashreplace").decode("utf-8")
    escaped = "".join(c if c.isprintable() and c != "\\" else repr(c)[1:-1] for c in whole)
    return re.sub(r'"(?=""|$)', r"\"", escaped)


def write(expression: Expr, fill: Fill, *, indent: int, before: int, after: int = 0) -> str:
    """Write an expression that stands behind ``before`` characters of its line.

    Args:
        expression: Expression to write.
        fill: Text of a slot.
        indent: Indent of the line that it stands in.
        before: Characters before it, the indent among them.
        after: Characters behind it.
    """
    flat = expression.flat(fill)
    if before + len(flat) + after <= WIDTH:
        return flat
    if isinstance(expression, Keyword):
        start = before + len(expression.lead)
        inner = write(expression.value, fill, indent=indent, before=start, after=after)
        return f"{expression.lead}{inner}"
    inside = indent + 4
    if isinstance(expression, Repeated):
        item = write(expression.item, fill, indent=inside, before=inside)
        lines = [
            "*(",
            f"{' ' * inside}{item}",
            f"{' ' * inside}for _ in range({expression.count})",
        ]
        return "\n".join([*lines, f"{' ' * indent})"])
    if not isinstance(expression, Items):
        return flat
    parts = expression.parts(fill)
    comma = "," if len(parts) > 1 else ""
    lines = [
        " " * inside + write(part, fill, indent=inside, before=inside, after=len(comma)) + comma
        for part in parts
    ]
    return "\n".join([expression.opening, *lines, " " * indent + expression.closing])


def _operand(side: Expr, fill: Fill, tight: bool) -> str:
    text = side.flat(fill)
    return f"({text})" if isinstance(side, Infix) and tight else text
