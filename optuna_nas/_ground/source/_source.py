"""Identity of a user's code: its source text, by which changed code is told apart."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import json
import textwrap
from collections.abc import Callable, Iterable
from types import CodeType, FunctionType
from typing import Any

from optuna_nas._ground.source._reached import (
    CONSTANTS,
    CONTAINERS,
    Reached,
    members,
    reached_from,
)

__all__ = ["hash_of_source"]

_PLAIN = (type(None), bool, int, float, str)


def hash_of_source(code: Iterable[Callable[..., Any]], *, decorated: bool = True) -> str:
    """Return a hash of functions, classes and other callables that changes with their code.

    Covered are the source and the plain values (numbers, strings, and tuples, lists and
    dictionaries of them) that come with it: defaults, arguments of a ``functools.partial``, what
    a function has from around it, attributes of a class, or of the object of a method. So are
    helpers of the user's own that are used, and what these use in turn: functions, classes and
    their bases, and the plain values of modules, as they are when the hash is made. Of libraries
    the names are covered alone, and of modules that are imported within a function nothing.

    The hash is the same in every process, on every machine and wherever the code lies. Code that
    uses no helpers has the hash that it had before these were covered.

    Args:
        code: Functions, classes and other callables.
        decorated: Whether the lines of decorators above a function count.
    """
    roots = list(code)
    described = [_described(function) for function in roots]
    if not decorated:
        described = [[_undecorated(source), *rest] for source, *rest in described]
    helpers = sorted({json.dumps(_described_helper(found)) for found in reached_from(roots)})
    text = json.dumps([*described, helpers] if helpers else described)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _described(code: Callable[..., Any]) -> list[Any]:
    if isinstance(code, functools.partial):
        return [_described(code.func), *map(_plain, (*code.args, *code.keywords.items()))]
    if isinstance(code, FunctionType):
        return [_source_of(code), *map(_plain, _given(code))]
    if isinstance(code, type):
        attributes = [v for name, v in vars(code).items() if not name.startswith("__")]
        given = [_given(method) for method in _methods(code)]
        return [_source_of(code), *map(_plain, (*attributes, *given))]
    if inspect.ismethod(code):
        return [_described(code.__func__), _plain(getattr(code.__self__, "__dict__", None))]
    return [_described(type(code)), _plain(getattr(code, "__dict__", None))]


def _undecorated(source: Any) -> Any:
    """Return the source of a function from its ``def`` on."""
    if not isinstance(source, str) or not source.startswith("@"):
        return source
    first = ast.parse(source).body[0]
    assert isinstance(first, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    return "".join(source.splitlines(keepends=True)[first.lineno - 1 :])


def _described_helper(found: Reached) -> list[Any]:
    name, value, whole = found
    if not whole:
        return [name, _plain(value)]
    if isinstance(value, FunctionType):  # by its code: a decorated function's source is within
        return [name, _source_of_code(value), *map(_plain, _given(value))]
    if isinstance(value, type):
        return [name, *_described(value)]
    if isinstance(value, functools.partial):
        return [name, *map(_constant, (value.func, value.args, value.keywords))]
    if isinstance(value, CONTAINERS + CONSTANTS):
        return [name, _constant(value)]
    return [name, type(value).__qualname__, *map(_constant, members(value))]


def _constant(value: Any) -> Any:
    """Describe a value, also of kinds that only helpers may have."""
    if isinstance(value, set | frozenset):
        return sorted(json.dumps(_constant(v)) for v in value)
    if isinstance(value, tuple | list):
        return [_constant(v) for v in value]
    if isinstance(value, dict):
        return [[_constant(key), _constant(v)] for key, v in value.items()]
    return repr(value) if type(value) in (bytes, complex, range) else _plain(value)


def _source_of(code: FunctionType | type) -> str:
    try:
        return textwrap.dedent(inspect.getsource(code))
    except (OSError, TypeError):  # typed into an interpreter, or not written in Python
        if isinstance(code, FunctionType):
            return repr(_code_parts(code.__code__))
        name = f"{code.__module__}.{code.__qualname__}"
        return "\n".join([name, *map(_source_of, _methods(code))])


def _source_of_code(function: FunctionType) -> str:
    try:
        return textwrap.dedent(inspect.getsource(function.__code__))
    except OSError:
        return repr(_code_parts(function.__code__))


def _methods(code: type) -> list[FunctionType]:
    """Return the functions in a class, static ones and properties among them."""
    found = [getattr(v, "__func__", getattr(v, "fget", v)) for v in vars(code).values()]
    return [method for method in found if isinstance(method, FunctionType)]


def _given(function: FunctionType) -> list[Any]:
    """Return a function's defaults and what it has from around it."""
    given = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).items()]
    for cell in function.__closure__ or ():
        try:
            given.append(cell.cell_contents)
        except ValueError:  # not assigned yet
            given.append(None)
    return given


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return [_plain(item) for item in value.items()]
    if type(value) in _PLAIN:
        return value
    return getattr(value, "__qualname__", type(value).__qualname__)


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
