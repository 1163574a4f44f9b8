"""Damage as disks, other programs and attackers do it: to values of JSON, to texts, to bytes."""

from __future__ import annotations

import json
import math
import random
from typing import Any

HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 5, 10**9, 10**12, 2**63, -(2**63), 10**30, 10**400),
    *(0.5, -0.0, 1e308, math.nan, math.inf, -math.inf),
    *(
        "",
        "a",
        "0",
        "-1",
        "1e999",
        "nan",
        "a/b",
        "../../x",
        "\x00",
        "\ud800",
        "é" * 50,
        "x" * 20_000,
    ),
    *("__import__('os').system('true')", "{0.__class__}", "%s%n", "'; DROP TABLE trials; --"),
    *([], {}, [[]], [None], [1, "a"], {"": ""}, {"a": None}, [[[[[[[[]]]]]]]]),
)


def nested(depth: int) -> Any:
    """Lists within lists."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def damaged_value(value: Any, rng: random.Random) -> Any:
    """A value of JSON with one place of it replaced, left out, doubled or put deeper."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        name = rng.choice(list(value))
        rest = dict(value)
        how = rng.randrange(5)
        if how == 0:
            del rest[name]
        elif how == 1:
            rest[rng.choice(("", "x", "__class__", name * 100))] = rest.pop(name)
        elif how == 2:
            rest[rng.choice(("x", "self", name + "_"))] = rng.choice(HOSTILE)
        else:
            rest[name] = damaged_value(rest[name], rng)
        return rest
    if isinstance(value, list) and value and rng.random() < 0.8:
        place = rng.randrange(len(value))
        how = rng.randrange(4)
        if how == 0:
            return value[:place] + value[place + 1 :]
        if how == 1:
            return value + [value[place]] * rng.choice((1, 1_000))
        return [*value[:place], damaged_value(value[place], rng), *value[place + 1 :]]
    if rng.random() < 0.1:
        return nested(rng.choice((3, 60)))
    return rng.choice(HOSTILE)


def damaged_text(text: str, rng: random.Random) -> str:
    """A text with a piece cut out, doubled, swapped or replaced, or another one of JSON."""
    how = rng.randrange(8)
    if how == 0 or not text:
        return rng.choice(
            ("", "[" * 100_000, "{" * 100_000, '{"a":' * 50_000, "null", "5", "[]", "\x00")
        )
    start = rng.randrange(len(text))
    end = min(len(text), start + rng.choice((1, 1, 2, 10, 100)))
    if how == 1:
        return text[:start] + text[end:]
    if how == 2:
        return text[:start] + text[start:end] * rng.choice((2, 1_000)) + text[end:]
    if how == 3:
        return text[:start]
    if how == 4:
        return (
            text[:start] + rng.choice("{}[]()|,:~'\"\\0123456789-+eE. \n\x00é\ud800") + text[end:]
        )
    if how == 5:
        return text[:start] + "1" + "0" * rng.choice((1, 3, 9, 30, 5_000)) + text[end:]
    try:
        return json.dumps(damaged_value(json.loads(text), rng))
    except (ValueError, RecursionError):
        return text[end:] + text[:start]


def damaged_bytes(content: bytes, rng: random.Random) -> bytes:
    """Bytes with some of them changed, cut off, cut out or doubled."""
    how = rng.randrange(5)
    start = rng.randrange(max(1, len(content)))
    end = start + rng.choice((1, 1, 4, 100, 10_000))
    if how == 0:
        return content[:start]
    if how == 1:
        return content[:start] + content[end:]
    if how == 2:
        return content[:start] + content[start:end] * 2 + content[end:]
    if how == 3:
        return content[:start] + rng.randbytes(min(100, end - start)) + content[end:]
    changed = bytearray(content)
    for _ in range(rng.choice((1, 10, 1_000))):
        if changed:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)
