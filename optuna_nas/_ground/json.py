"""Reading JSON that comes from outside: it is the JSON of RFC 8259, or one ``ValueError``."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from optuna_nas._ground.checks import shown

__all__ = ["parse_json", "read_json"]

MAX_LENGTH = 2**24  # 16 MiB: the results of hundreds of runs have a few
MAX_DEPTH = 50  # the deepest of ours have about 10
MAX_DIGITS = 400  # more than any float has

_TOO_DEEP = f"it is nested more than {MAX_DEPTH} deep"

_SURROGATE = re.compile("[\ud800-\udfff]")


def parse_json(
    text: object, what: str, *, max_length: int = MAX_LENGTH, lenient: bool = False
) -> Any:
    """Read a JSON text whoever wrote it.

    Python's parser alone raises ``RecursionError`` for nested brackets, reads ``NaN`` and
    ``1e999`` as numbers and the last of two equal keys, and lets through halves of characters
    that no file can take.

    Args:
        text: The text that was found.
        what: The name of the text, for messages: "The model card 'card.json'".
        max_length: Characters that are read at most.
        lenient: Whether ``NaN``, ``Infinity`` and halves of surrogate pairs are read: Python
            writes them, the last for names of files that are not UTF-8.

    Raises:
        ValueError: If it is not JSON, too long or too deep.
    """
    if not isinstance(text, str):
        raise ValueError(f"{what} is not JSON that can be read (it is {shown(text)}, no text).")
    if len(text) > max_length:
        raise ValueError(
            f"{what} is not JSON that can be read (it has {len(text):,} characters, more than "
            f"{max_length:,})."
        )
    try:
        return _parse(text, lenient)
    except RecursionError:
        raise ValueError(f"{what} is not JSON that can be read ({_TOO_DEEP}).") from None
    except ValueError as error:
        raise ValueError(f"{what} is not JSON that can be read ({error}).") from error


def read_json(path: Path, what: str, *, lenient: bool = False) -> Any:
    """Read a file of JSON, as :func:`parse_json` does.

    Raises:
        ValueError: If it is not UTF-8, not JSON, too long or too deep.
        OSError: If the file cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(4 * MAX_LENGTH + 1)  # UTF-8 has at most four bytes for a character
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{what} is not JSON that can be read ({error}).") from error
    return parse_json(text, what, lenient=lenient)


def _parse(text: str, lenient: bool) -> Any:
    value = json.loads(
        text,
        object_pairs_hook=_object,
        parse_int=_integer,
        parse_float=None if lenient else _finite,
        parse_constant=None if lenient else _refuse_constant,
    )
    _check_depth(value)
    if not lenient and ("\\u" in text or _SURROGATE.search(text)):
        _check_strings(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counted = Counter(key for key, _ in pairs)
        raise ValueError(f"the key {shown(counted.most_common(1)[0][0])} stands twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits is too large")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:20]} is too large")
    return number


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise ValueError(_TOO_DEEP)


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _check_strings(value: Any) -> None:
    """Refuse halves of surrogate pairs, which cannot be written as UTF-8."""
    if isinstance(value, str) and _SURROGATE.search(value):
        raise ValueError(f"{shown(value)} holds half of a surrogate pair")
    for inner in _inside(value):
        _check_strings(inner)
    if isinstance(value, dict):
        for key in value:
            _check_strings(key)
