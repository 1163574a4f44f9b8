"""Text and picture of spaces that have no notation of their own: their decisions, one by one.

::

    num_layers=2, layer_1_op=conv_3x3, layer_2_op="max pool"

Values are written as Python has them; texts that could be taken for something else, and odd names,
stand in double quotes, as in JSON. Blanks and line breaks are free.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from itertools import groupby, pairwise
from typing import Any, NamedTuple

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from optuna_nas._ground.checks import is_number, shown
from optuna_nas.drawing import Edge, Graph, Node
from optuna_nas.spaces.decisions._decisions import DecisionTrial, Source
from optuna_nas.spaces.decisions._text import MOST_DIGITS, Scanner, text_error
from optuna_nas.spaces.decisions._values import checked_value

__all__ = ["draw_decisions", "read_decisions", "write_decisions"]

QUOTED = r'"(?:[^"\\]|\\.)*"'
PLAIN_NAME = r'[^\s,="]+'
PLAIN_TEXT = r"[A-Za-z0-9_.:+/-]+"
CONSTANTS = ("None", "True", "False")
MOST_LISTED = 20  # choices in a message


def write_decisions(decisions: Mapping[str, Any]) -> str:
    """Write decisions as ``name=value, ...``, in their order."""
    return ", ".join(f"{_name(name)}={_value(value)}" for name, value in decisions.items())


def _name(name: str) -> str:
    return name if re.fullmatch(PLAIN_NAME, name) else json.dumps(name)


def _value(value: Any) -> str:
    if not isinstance(value, str):
        return repr(value)
    taken = value in CONSTANTS or _number(value) is not None
    plain = not taken and re.fullmatch(PLAIN_TEXT, value) is not None
    return value if plain else json.dumps(value)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


class _Entry(NamedTuple):
    """One ``name=value`` of a text: what stands for the value, and where both begin."""

    value: str
    name_at: int
    value_at: int


def read_decisions(
    text: str, decide: Callable[[DecisionTrial], object], space: object
) -> dict[str, Any]:
    """Read what :func:`write_decisions` wrote.

    The decisions themselves are run, with the text as the source of answers. So conditional
    spaces can be read, too, and every value is read as what is asked for under its name.

    Args:
        text: The whole text.
        decide: The hook of the space.
        space: The space, for messages.

    Raises:
        ValueError: If the text is wrong; the message points at the place.
    """
    source = _Written(text, space)
    trial = DecisionTrial(source, space)
    decide(trial)
    source.check_all_asked(trial.params)
    return trial.params


class _Written(Source):
    def __init__(self, text: str, space: object) -> None:
        self._text = text
        self._space = space
        self._entries: dict[str, _Entry] = {}
        scanner = Scanner(text)
        while not scanner.at_end:
            if self._entries:
                scanner.need(",", "',' and a further decision, or the end")
            name_at = scanner.position
            name = self._unquoted(
                scanner.need(f"{QUOTED}|{PLAIN_NAME}", "a decision, such as name=value"), name_at
            )
            if name in self._entries:
                raise text_error(text, name_at, f"`{name}` is decided twice")
            scanner.need("=", f"'=' and a value of `{name}`")
            value_at = scanner.position
            value = scanner.need(f"{QUOTED}|{PLAIN_TEXT}", f"a value of `{name}`")
            self._entries[name] = _Entry(value, name_at, value_at)

    def ask(self, name: str, distribution: BaseDistribution) -> Any:
        if name not in self._entries:
            wanted = f"Expected a further decision, {name}=... ({_allowed(distribution)})"
            raise text_error(self._text, len(self._text), wanted)
        written, _, at = self._entries[name]
        value = self._read(written, distribution, at)
        try:
            return checked_value(name, value, distribution, self._space)
        except ValueError:
            raise text_error(
                self._text,
                at,
                f"`{name}` must be {_allowed(distribution)} in {self._space}, but got "
                f"{shown(written)}",
            ) from None

    def _read(self, written: str, distribution: BaseDistribution, at: int) -> Any:
        """Return a value that may not fit; a text where the distribution wants none."""
        if isinstance(distribution, CategoricalDistribution):
            texts = {_value(choice): choice for choice in distribution.choices}
            return texts.get(written, self._unquoted(written, at))
        if isinstance(distribution, FloatDistribution):
            number = _number(written)
            return number if is_number(number) else written
        assert isinstance(distribution, IntDistribution)
        is_integer = re.fullmatch(rf"[+-]?[0-9]{{1,{MOST_DIGITS}}}", written) is not None
        return int(written) if is_integer else written

    def _unquoted(self, written: str, at: int) -> str:
        if not written.startswith('"'):
            return written
        try:
            return str(json.loads(written))
        except ValueError:
            raise text_error(
                self._text, at, "Expected a text in double quotes as in JSON"
            ) from None

    def check_all_asked(self, params: Mapping[str, Any]) -> None:
        for name, entry in self._entries.items():
            if name not in params:
                asked = ", ".join(params) or "nothing"
                raise text_error(
                    self._text,
                    entry.name_at,
                    f"{self._space} does not ask for {shown(name)} here, but for {asked}",
                )


def _allowed(distribution: BaseDistribution) -> str:
    if isinstance(distribution, CategoricalDistribution):
        written = [*map(_value, distribution.choices)]
        more = ", ..." if len(written) > MOST_LISTED else ""
        return f"one of {', '.join(written[:MOST_LISTED])}{more}"
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    kind = "an int" if isinstance(distribution, IntDistribution) else "a float"
    in_steps = f" in steps of {distribution.step}" if distribution.step not in (None, 1) else ""
    return f"{kind} in [{distribution.low}, {distribution.high}]{in_steps}"


def draw_decisions(decisions: Mapping[str, Any], *, start: str) -> Graph:
    """Draw decisions as a chain of boxes, in their order.

    Neighbours that speak of the same thing, such as ``layer_2_op`` and ``layer_2_width``, stand
    in one box under its name, ``layer_2``.

    Args:
        decisions: By name, in the order asked.
        start: Label of the box at the left.
    """
    groups = groupby(decisions.items(), key=lambda item: _scope(item[0]))
    labels = [_box(scope, dict(items)) for scope, items in groups]
    nodes = [
        Node("0", start, "input"),
        *(Node(str(i), label) for i, label in enumerate(labels, start=1)),
    ]
    edges = [Edge(a.key, b.key) for a, b in pairwise(nodes)]
    return Graph(tuple(nodes), tuple(edges), title="decisions")


def _scope(name: str) -> str:
    """Return what a decision is about: its name up to the first number, if more follows."""
    found = re.match(r"(\D+\d+)_(?=.)", name)
    return found[1] if found else name


def _box(scope: str, decisions: Mapping[str, Any]) -> str:
    if len(decisions) == 1:
        return "\n".join(f"{name}\n{value}" for name, value in decisions.items())
    fields = (f"{name[len(scope) + 1 :]}: {value}" for name, value in decisions.items())
    return "\n".join([scope, *fields])
