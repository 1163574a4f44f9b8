"""What identifies a user's code: its source text, by which changed code is told apart."""

from __future__ import annotations

import functools
import inspect
import textwrap
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

__all__ = ["describe_callable", "source_of"]

_PLAIN = (type(None), bool, int, float, str)


def source_of(code: Callable[..., Any]) -> str:
    """Return the source of a function or class, or what stands in for it."""
    try:
        return textwrap.dedent(inspect.getsource(code))
    except (OSError, TypeError):  # typed into an interpreter, or not written in Python
        if isinstance(code, FunctionType):
            return repr(_code_parts(code.__code__))
        return f"{code.__module__}.{code.__qualname__}"


def describe_callable(function: Callable[..., Any]) -> Any:
    """Describe a callable in a JSON-able form that changes with its code.

    Covered are the source and, of a function or ``functools.partial``, the plain values (numbers,
    strings) that it was given as defaults, arguments or from around it; not what it calls.
    """
    if isinstance(function, functools.partial):
        given = [*function.args, *function.keywords.items()]
        return [describe_callable(function.func), *map(_plain, given)]
    if isinstance(function, FunctionType):
        keywords = (function.__kwdefaults__ or {}).items()
        given = [*(function.__defaults__ or ()), *keywords, *_from_around(function)]
        return [source_of(function), *map(_plain, given)]
    if inspect.ismethod(function):
        return describe_callable(function.__func__)
    if isinstance(function, type):
        return [source_of(function)]
    return [source_of(type(function))]


def _from_around(function: FunctionType) -> list[Any]:
    found = []
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # not assigned yet
            found.append(None)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value if type(value) in _PLAIN else type(value).__qualname__


def _code_parts(code: CodeType) -> tuple[Any, ...]:
    """Describe compiled code without the addresses and line numbers in it."""
    constants = [
        _code_parts(c)
        if isinstance(c, CodeType)
        else sorted(map(repr, c))
        if isinstance(c, frozenset)
        else c
        for c in code.co_consts
    ]
    return code.co_code.hex(), code.co_names, code.co_varnames, constants
