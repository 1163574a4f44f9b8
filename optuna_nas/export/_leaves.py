"""Torch's own modules as they are written: ``nn.Conv2d(16, 32, 3, padding=1)``."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import torch
from torch import nn

__all__ = ["CONTAINERS", "Argument", "arguments_of", "is_leaf", "is_plain_sequence", "leaf_base"]

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_PLACE = ("device", "dtype")


@dataclasses.dataclass(frozen=True)
class Argument:
    """One argument of a constructor.

    Attributes:
        name: As of the parameter.
        value: As the module has it.
        default: ``inspect.Parameter.empty`` if it must be given.
    """

    name: str
    value: Any
    default: Any

    @property
    def is_required(self) -> bool:
        """Whether it has no default."""
        return self.default is inspect.Parameter.empty


def is_torchs(cls: type) -> bool:
    """Whether a class is one of ``torch.nn``."""
    return getattr(nn, cls.__name__, None) is cls


def is_leaf(module: nn.Module) -> bool:
    """Whether a module is torch's own and can be written by its constructor."""
    own = is_torchs(type(module)) and not isinstance(module, CONTAINERS)
    return own and arguments_of(module, type(module)) is not None


def is_plain_sequence(module: nn.Module) -> bool:
    """Whether a module runs its children one after the other, and does nothing else."""
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def leaf_base(cls: type[nn.Module]) -> type[nn.Module]:
    """The class of torch that one of somebody else is made from; ``nn.Module`` at least."""
    for base in cls.__mro__:
        if is_torchs(base):
            return base
    return nn.Module


def arguments_of(module: nn.Module, cls: type[nn.Module]) -> list[Argument] | None:
    """The arguments with which ``cls`` makes such a module, read from its attributes.

    Returns:
        None if an attribute is missing, so that they cannot be known.
    """
    found = []
    for parameter in list(inspect.signature(cls.__init__).parameters.values())[1:]:
        variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if variadic or parameter.name in _PLACE:
            continue
        value = getattr(module, parameter.name, parameter.default)
        if value is inspect.Parameter.empty:
            return None
        if isinstance(parameter.default, bool) and not isinstance(value, bool):
            value = value is not None  # a bias
        found.append(Argument(parameter.name, _plain(value, cls), parameter.default))
    return found


def _plain(value: Any, cls: type) -> Any:
    """(3, 3) of something 2d as 3."""
    dimensions = cls.__name__[-2:]
    if isinstance(value, torch.Size):
        value = tuple(value)
    square = isinstance(value, tuple) and len(set(value)) == 1
    return value[0] if square and f"{len(value)}d" == dimensions else value
