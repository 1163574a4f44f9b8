"""Words for people, and texts of theirs within Python and Markdown, where they stay texts."""

from __future__ import annotations

import re

__all__ = ["counted", "markdown", "markdown_block", "markdown_code", "quoted", "spelled"]


def counted(count: int, noun: str) -> str:
    """Write a count with its noun, as in ``1 epoch`` and ``1,200 epochs``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def quoted(text: str) -> str:
    """Write a text as Python does, between double quotes if nothing needs to be escaped."""
    plain = text.isprintable() and not {'"', "\\"} & {*text}
    return f'"{"".join(text)}"' if plain else str.__repr__(text)


def spelled(text: str) -> str:
    """Spell out what cannot be printed, as in ``\\n``, and halves of characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def markdown(text: str) -> str:
    """Write a text into a line or a cell of Markdown."""
    return re.sub(r"([\\`*<>\[\]|&~#$]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", spelled(text))


def markdown_code(text: str) -> str:
    """Write a text as code within a line of Markdown."""
    inner = spelled(text)
    fence = "`" * (_longest_run(inner) + 1)
    touches = inner[:1] in ("`", " ", "") or inner[-1:] in ("`", " ")
    return f"{fence} {inner} {fence}" if touches else f"{fence}{inner}{fence}"


def markdown_block(text: str) -> str:
    """Write lines as a block of Markdown that keeps them as they are."""
    inner = "\n".join(map(spelled, text.splitlines()))
    fence = "`" * max(3, _longest_run(inner) + 1)
    return f"{fence}\n{inner}\n{fence}\n"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
