"""Checks of subclasses of ``SearchSpace``, so that a mistake is named where it is made."""

from __future__ import annotations

import inspect
from abc import ABC
from collections.abc import Callable
from typing import Any

from optuna_nas._ground.checks import shown

__all__ = ["check_class", "check_fields", "keyword_arguments"]

MAX_NAME = 100
_ARGUMENTS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def check_class(cls: type, base: type) -> None:
    """Raise unless a subclass can be a space; a base for further spaces may be anything.

    A class is such a base if it leaves a hook abstract, or has ``ABC`` among its bases.

    Args:
        cls: The class that is being made.
        base: ``SearchSpace``, by whose hooks the class is measured.

    Raises:
        TypeError: If the class has no name of its own, one of ``format`` and ``encode`` alone, or
            an argument of ``build_network`` without a default.
    """
    if _is_abstract(cls):
        return
    name = vars(cls).get("name")
    if not isinstance(name, str) or not 0 < len(name.strip()) <= MAX_NAME:
        got = f"has the name {shown(name)}"
        if name is None:
            inherited = getattr(cls, "name", None)
            got = "has none" if inherited is None else f"only inherits {inherited!r}"
        raise TypeError(
            f"A space must have a `name` of its own, by which studies and JSON texts tell it from "
            f'others, but {cls.__name__} {got}. Write `name = "{cls.__name__.lower()}"` in the '
            "class. (A base for several spaces needs none: put ABC among its bases.)"
        )
    own = [hook for hook in ("format", "encode") if getattr(cls, hook) is not getattr(base, hook)]
    if len(own) == 1:
        other = "encode" if own == ["format"] else "format"
        raise TypeError(
            f"`format` writes what `encode` reads, but {cls.__name__} has `{own[0]}` only. Write "
            f"`{other}` as well, or neither."
        )
    _check_defaults(cls)


def check_fields(cls: type) -> None:
    """Raise if settings were written down without ``@dataclass`` above the class.

    Raises:
        TypeError: If so: they would neither be taken nor be part of the digest.
    """
    if "__dataclass_fields__" in vars(cls):
        return
    settings = [
        name
        for name, annotation in inspect.get_annotations(cls).items()
        if "ClassVar" not in str(annotation)
    ]
    if settings:
        raise TypeError(
            f"The settings of a space are fields of a dataclass, but {cls.__name__} has "
            f"{settings} without being one. Put @dataclass(frozen=True, kw_only=True) above the "
            "class."
        )


def keyword_arguments(hook: Callable[..., Any]) -> dict[str, Any]:
    """Return names and defaults of what a bound hook takes after its first argument."""
    parameters = list(inspect.signature(hook).parameters.values())[1:]
    return {p.name: p.default for p in parameters if p.kind in _ARGUMENTS}


def _is_abstract(cls: type) -> bool:
    if ABC in cls.__bases__:
        return True
    # `__abstractmethods__` of the class itself is set only after it has been made.
    names = {n for b in cls.__mro__[1:] for n in getattr(b, "__abstractmethods__", ())}
    hooks = [getattr(cls, name, None) for name in names | vars(cls).keys()]
    return any(getattr(hook, "__isabstractmethod__", False) for hook in hooks)


def _check_defaults(cls: type) -> None:
    for hook in ("build_network", "relax"):
        parameters = list(inspect.signature(getattr(cls, hook)).parameters.values())[2:]
        needed = [p.name for p in parameters if p.kind in _ARGUMENTS and p.default is p.empty]
        if needed:
            raise TypeError(
                f"The arguments of `{hook}` need defaults, which objectives and "
                f"`build_arguments` go by, but {needed} of {cls.__name__} have none."
            )
