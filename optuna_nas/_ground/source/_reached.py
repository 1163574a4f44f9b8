"""Names that a user's function uses: helpers of the user's own, and constants beside it.

Looked through are functions and classes that are called by name, what they use in turn, bases,
decorators, closures, defaults and tables of functions. Libraries are not: what is installed, the
standard library and this package.
"""

from __future__ import annotations

import dataclasses
import dis
import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, MappingProxyType, ModuleType
from typing import Any, NamedTuple

__all__ = ["CONSTANTS", "CONTAINERS", "Reached", "members", "reached_from"]

_LOADS = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
_ATTRIBUTES = {"LOAD_ATTR", "LOAD_METHOD"}
_INSTALLED = {"site-packages", "dist-packages"}
CONTAINERS = (tuple, list, set, frozenset, dict)
CONSTANTS = (type(None), bool, int, float, complex, str, bytes, range)


class Reached(NamedTuple):
    """Something that was found.

    Attributes:
        name: By which code asks for it; None within a container, closure or class.
        value: A function, class, constant or object.
        whole: Whether its code or value counts, or only which one of a library it is.
    """

    name: str | None
    value: Any
    whole: bool = True


def reached_from(roots: Iterable[Callable[..., Any]]) -> list[Reached]:
    """Find what functions, classes and other callables use, without themselves."""
    search = _Search(list(roots))
    return search.found


def members(value: Any) -> list[Any]:
    """The values in a container or an object, by a fixed order where it has one."""
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, CONTAINERS):
        return list(value)
    if dataclasses.is_dataclass(value):
        return [getattr(value, f.name, None) for f in dataclasses.fields(value)]
    return list(getattr(value, "__dict__", {}).values())


class _Search:
    def __init__(self, roots: list[Any]) -> None:
        self.found: list[Reached] = []
        self._kept: list[Any] = list(roots)  # alive, so that no id is given twice
        self._told: set[tuple[str | None, int]] = set()
        self._roots = {id(root) for root in roots}
        self._inside = set(self._roots)
        self._globals = {id(root.__globals__) for root in roots if isinstance(root, FunctionType)}
        self._packages = {_top(getattr(root, "__module__", None)) for root in roots}
        for root in roots:
            if _wrapped(root) is not None:  # its source is that of what it wraps
                self._tell(None, root)
            self._look_into(root)

    def _visit(self, name: str | None, value: Any) -> None:
        self._kept.append(value)
        if (wrapped := _wrapped(value)) is not None:
            self._visit(None, wrapped)
        if isinstance(value, FunctionType | type):
            if self._is_own(value):
                self._enter(name, value)
            else:
                self._tell_alias(name, value)
        elif type(value) in CONSTANTS or isinstance(value, CONTAINERS):
            if name is not None:
                self._tell(name, value)
            self._look_into_once(value)
        elif self._is_open(value):
            self._enter(name, value)
        elif callable(value):
            self._tell_alias(name, value)

    def _enter(self, name: str | None, value: Any) -> None:
        if id(value) not in self._roots:
            self._tell(name, value)
        self._look_into_once(value)

    def _tell(self, name: str | None, value: Any, *, whole: bool = True) -> None:
        if (name, id(value)) not in self._told:
            self._told.add((name, id(value)))
            self.found.append(Reached(name, value, whole))

    def _tell_alias(self, name: str | None, value: Any) -> None:
        """Note a library's function where its own name does not say which one it is."""
        if name is not None and getattr(value, "__name__", name) != name:
            self._tell(name, value, whole=False)

    def _look_into_once(self, value: Any) -> None:
        # By id, since values may be unhashable, and functions may call each other in a circle.
        if id(value) not in self._inside:
            self._inside.add(id(value))
            self._look_into(value)

    def _look_into(self, value: Any) -> None:
        if isinstance(value, FunctionType):
            self._look_into_function(value)
        elif isinstance(value, type):
            self._look_into_class(value)
        elif isinstance(value, functools.partial):
            self._visit_all((value.func, *value.args, *value.keywords.values()))
        elif inspect.ismethod(value):
            self._visit_all((value.__func__, value.__self__))
        elif isinstance(value, CONTAINERS):
            self._visit_all(members(value))
        elif type(value) not in CONSTANTS:
            self._visit_all((type(value), *members(value)))

    def _look_into_function(self, function: FunctionType) -> None:
        for name, value in self._globals_of(function):
            self._visit(name, value)
        cells = [cell.cell_contents for cell in function.__closure__ or () if _is_set(cell)]
        defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
        self._visit_all((*cells, *defaults))

    def _look_into_class(self, code: type) -> None:
        self._visit_all((*code.__bases__, type(code)))
        for value in list(vars(code).values()):
            wraps = ("fget", "fset", "fdel", "func", "__func__")  # properties, static methods
            for part in (value, *(getattr(value, attribute, None) for attribute in wraps)):
                if isinstance(part, FunctionType):  # the source of the class covers it
                    self._look_into_once(part)
                else:
                    self._visit(None, part)

    def _visit_all(self, values: Iterable[Any]) -> None:
        for value in values:
            self._visit(None, value)

    def _globals_of(self, function: FunctionType) -> Iterator[tuple[str, Any]]:
        """Give what a function asks for by name, also from modules of the user's own."""
        chains, assigned = _names(function.__code__)
        for first, *attributes in chains:
            if first.startswith("__") or first in assigned or first not in function.__globals__:
                continue
            name, value = first, function.__globals__[first]
            # `helpers.nets.make` is followed to `make`: if a module's whole source counted, any
            # change of the file would change the digest.
            while isinstance(value, ModuleType) and attributes and self._owns(value.__name__):
                name, *attributes = attributes
                value = getattr(value, name, None)
            if not isinstance(value, ModuleType):
                yield name, value

    def _is_open(self, value: Any) -> bool:
        """Tell whether an object's values count: those of a library may be anything."""
        return (
            isinstance(value, functools.partial)
            or inspect.ismethod(value)
            or dataclasses.is_dataclass(value)
            or self._is_own(type(value))
        )

    def _is_own(self, code: FunctionType | type) -> bool:
        if isinstance(code, FunctionType):  # a decorator of a library calls itself the user's
            home = code.__globals__
            return id(home) in self._globals or self._owns(home.get("__name__"))
        return self._owns(code.__module__)

    def _owns(self, module: object) -> bool:
        top = _top(module)
        if not top or top == "optuna_nas" or top in sys.stdlib_module_names:
            return False
        place = getattr(sys.modules.get(str(module)), "__file__", None)
        return top in self._packages or _INSTALLED.isdisjoint(Path(place or "").parts)


def _top(module: object) -> str:
    return module.partition(".")[0] if isinstance(module, str) else ""


def _wrapped(value: Any) -> Any:
    """Return what a decorated function was before, as ``functools.wraps`` notes it."""
    attributes = getattr(value, "__dict__", None)
    known = isinstance(attributes, dict | MappingProxyType)
    return attributes.get("__wrapped__") if known and attributes is not None else None


def _is_set(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:  # not assigned yet
        return False
    return True


def _names(code: CodeType) -> tuple[list[tuple[str, ...]], set[str]]:
    """Return the names asked for with the attributes behind each; the globals assigned."""
    # Compiled code rather than source: it is there where no source is (an interpreter), and it
    # knows which names are global. `a.b.c` is a load of `a` and then two of attributes.
    chains: list[tuple[str, ...]] = []
    assigned: set[str] = set()
    open_chain = False
    for step in dis.get_instructions(code):
        if step.opname in _LOADS:
            chains.append((step.argval,))
        elif step.opname in _ATTRIBUTES and open_chain:
            chains[-1] += (step.argval,)
        elif step.opname == "STORE_GLOBAL":
            assigned.add(step.argval)
        open_chain = step.opname in _LOADS or (step.opname in _ATTRIBUTES and open_chain)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):  # functions and classes within
            more, also = _names(constant)
            chains, assigned = chains + more, assigned | also
    return chains, assigned
