"""Expressions of Python, written on one line if they fit and else with one item a line."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import TypeAlias

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
    "literal",
    "write",
]

WIDTH = 99
_RUN = 3  # so many equal items in a row are written as one

Fill: TypeAlias = Callable[[int], str]


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
        """What stands before the value."""
        return f"{self.name}="

    def flat(self, fill: Fill) -> str:
        value = self.value.flat(fill)
        return "" if value == self.default else f"{self.lead}{value}"


@dataclasses.dataclass(frozen=True)
class Entry(Keyword):
    """``"name": value``."""

    @property
    def lead(self) -> str:
        """What stands before the value."""
        return f'"{self.name}": '


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
        """What stands between the commas."""
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
    """A constant as Python writes it."""
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return f'float("{value}")'
    if isinstance(value, str):
        return f'"{value}"' if value.isprintable() and '"' not in value else repr(value)
    if isinstance(value, tuple | list):
        inner = ", ".join(literal(item) for item in value)
        if isinstance(value, list):
            return f"[{inner}]"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return repr(value)


def write(expression: Expr, fill: Fill, *, indent: int, before: int, after: int = 0) -> str:
    """Write an expression that stands behind ``before`` characters of its line.

    Args:
        expression: What to write.
        fill: Text of a slot.
        indent: Of the line that it stands in.
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
