"""Reading notations, with errors that point at the place."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import NoReturn

from optuna_nas._ground.checks import shown

__all__ = ["Scanner", "text_error"]

LONGEST_LINE = 400  # of a text that is shown whole in a message
MOST_DIGITS = 18
MOST_LISTED = 100  # allowed numbers in a message


def text_error(text: str, position: int, message: str) -> ValueError:
    """Make an error that shows the line and a caret under the character.

    Args:
        text: The whole text.
        position: The place of the mistake, counted from 0; may lie one past the end.
        message: The mistake, and what would be right.
    """
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    line = text[start:] if end < 0 else text[start:end]
    where = f"character {position + 1}"
    if "\n" in text:
        where = f"line {text.count(chr(10), 0, start) + 1}, character {position - start + 1}"
    line, before = _around(line, position - start)
    return ValueError(f"{message} (at {where})\n    {line}\n    {' ' * before}^")


def _around(line: str, position: int) -> tuple[str, int]:
    """Cut a long line to what stands around a position; return where that is then, too."""
    if len(line) <= LONGEST_LINE:
        return line, position
    first = max(0, position - LONGEST_LINE // 2)
    cut = line[first : first + LONGEST_LINE]
    return f"...{cut}..." if first else f"{cut}...", position - first + 3 * (first > 0)


class Scanner:
    """Reads a text from left to right; blanks between the parts are passed over.

    Args:
        text: The whole text.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def take(self, pattern: str) -> str | None:
        """Read what the regular expression matches here, if it does."""
        self._skip_blanks()
        match = re.compile(pattern).match(self._text, self._at)
        if match is None:
            return None
        self._at = match.end()
        return match.group()

    def need(self, pattern: str, what: str) -> str:
        """Read what must stand here.

        Raises:
            ValueError: If something else does.
        """
        found = self.take(pattern)
        if found is None:
            raise text_error(self._text, self._at, f"Expected {what}")
        return found

    def need_int(self, allowed: Collection[int], what: str) -> int:
        """Read an integer that is one of ``allowed``.

        Raises:
            ValueError: If it is none, or another one.
        """
        self._skip_blanks()
        start = self._at
        digits = self.need(r"[0-9]+", what)
        if len(digits) <= MOST_DIGITS and int(digits) in allowed:
            return int(digits)
        raise text_error(
            self._text, start, f"Expected {what}, {_listed(allowed)}, but got {_cut(digits)}"
        )

    def need_word(self, allowed: Collection[str], what: str) -> str:
        """Read a word of letters, digits and underscores that is one of ``allowed``.

        Raises:
            ValueError: If there is none, or another one.
        """
        start = self.position
        word = self.need(r"[A-Za-z0-9_]+", what)
        if word not in allowed:
            raise text_error(
                self._text,
                start,
                f"Expected {what}, one of {tuple(allowed)}, but got {shown(word)}",
            )
        return word

    @property
    def position(self) -> int:
        """Place where the next part begins."""
        self._skip_blanks()
        return self._at

    def fail(self, message: str) -> NoReturn:
        """Refuse the text at the present place."""
        raise text_error(self._text, self._at, message)

    @property
    def at_end(self) -> bool:
        """Whether nothing but blanks is left."""
        self._skip_blanks()
        return self._at == len(self._text)

    def _skip_blanks(self) -> None:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1


def _listed(allowed: Collection[int]) -> str:
    if len(allowed) > MOST_LISTED:
        return f"in [{min(allowed)}, {max(allowed)}]"
    return f"one of {tuple(allowed)}"


def _cut(digits: str) -> str:
    if len(digits) <= MOST_DIGITS:
        return str(int(digits))
    return f"{digits[:MOST_DIGITS]}... ({len(digits)} digits)"
