"""How much room a label takes, known without loading a font.

The widths are those of DejaVu Sans, which matplotlib ships and draws with; the fonts that a
browser may take in its place (Verdana, Arial, Helvetica) are as wide or narrower.
"""

from __future__ import annotations

import re

__all__ = ["BODY", "LINE", "SMALL", "TITLE", "drawable", "fold", "text_size"]

BODY = 12.0  # font sizes in pixels
SMALL = 11.0
TITLE = 14.0
LINE = 1.25  # height of a line in font sizes

# Advance widths of chr(32) to chr(126) in hundredths of the font size, read from the `hmtx` table
# of DejaVuSans.ttf in matplotlib 3.11.2 with fontTools: round(advance / 20.48).
_WIDTHS = (
    *(32, 40, 46, 84, 64, 95, 78, 27, 39, 39, 50, 84, 32, 36, 32, 34),  # space to /
    *(64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 34, 34, 84, 84, 84, 53),  # 0 to ?
    *(100, 68, 69, 70, 77, 63, 58, 77, 75, 29, 29, 66, 56, 86, 75, 79),  # @ to O
    *(60, 79, 69, 63, 61, 73, 68, 99, 69, 61, 69, 39, 34, 39, 84, 50),  # P to _
    *(50, 61, 63, 55, 63, 62, 35, 63, 63, 28, 28, 58, 28, 97, 63, 61),  # ` to o
    *(63, 63, 41, 52, 39, 63, 59, 82, 59, 59, 52, 64, 34, 64, 84),  # p to ~
)
_WIDE = 100  # any other character

# Characters that XML cannot hold, and halves of characters, for which no font has a letter.
_NO_LETTER = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def text_size(text: str, size: float, *, bold: bool = False) -> tuple[float, float]:
    """Width and height in pixels of a text of one or more lines.

    Example::

        >>> text_size("conv", 12.0)
        (28.56, 15.0)
    """
    lines = text.split("\n")
    width = max(sum(_advance(letter) for letter in line) for line in lines)
    return width * size * (1.2 if bold else 1.0) / 100, len(lines) * size * LINE


def fold(text: str) -> str:
    """The text on two lines, broken at the space that makes it narrowest.

    Example::

        >>> fold("7x7, 48")
        '7x7\\n48'
    """
    if "\n" in text or " " not in text.strip():
        return text
    words = text.split()
    breaks = [(" ".join(words[:i]), " ".join(words[i:])) for i in range(1, len(words))]
    first, second = min(breaks, key=lambda pair: max(text_size(line, 1.0)[0] for line in pair))
    return f"{first.rstrip(',')}\n{second}"


def drawable(text: str) -> str:
    """The text with what cannot be drawn spelled out, as in ``\\x1b``."""
    return _NO_LETTER.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def _advance(letter: str) -> int:
    code = ord(letter) - 32
    return _WIDTHS[code] if 0 <= code < len(_WIDTHS) else _WIDE
