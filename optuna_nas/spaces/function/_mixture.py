"""A decision that has not been made: what ``suggest_categorical`` returns in a supernet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from torch import nn

    from optuna_nas.nn.supernets import Board

__all__ = ["Mixture", "MixtureError"]


class MixtureError(TypeError):
    """Something in a supernet needs a decision that a supernet leaves open."""


class Mixture:
    """All choices of a decision at once. Only :func:`choice` and :func:`repeat` can use it.

    Whatever else Python does with a value (``if``, an index, arithmetic, comparison, hashing, an
    f-string, a call) raises a :class:`MixtureError`, so that no architecture is built by mistake.

    Args:
        name: The decision, as the trial knows it.
        choices: The choices of the decision.
        board: Place where the candidates' weights are read in a forward pass.
    """

    def __init__(self, name: str, choices: tuple[Any, ...], board: Board) -> None:
        self.name = name
        self.choices = choices
        self.used = False
        self._board = board

    def switch(self, candidates: Mapping[Any, nn.Module]) -> nn.Module:
        """Make the module that mixes the candidates or takes one of them."""
        from optuna_nas.nn.supernets import Switch

        self.used = True
        return Switch(self.name, candidates, self._board)

    def depths(self, layers: Sequence[nn.Module]) -> nn.Module:
        """Make the module that mixes what stands after some of the layers, or takes one of it."""
        from optuna_nas.nn.supernets import Depths

        self.used = True
        return Depths(self.name, layers, self.choices, self._board)

    def __repr__(self) -> str:
        return f"Mixture({self.name!r}, choices={self.choices})"

    def __getattr__(self, attribute: str) -> NoReturn:
        name = self.__dict__.get("name", "?")  # a copy under way has none yet
        raise AttributeError(open_decision(name, f"has no `.{attribute}`"))


def open_decision(name: str, what: str) -> str:
    """Say that a decision is open, and how to close it."""
    return (
        f"`{name}` is not decided in a supernet, so it {what}. Choose between modules with "
        f"choice(trial, {name!r}, {{...}}), or decide beforehand: "
        f"space.supernet(fixed={{{name!r}: ...}})."
    )


def _refuse(what: str) -> Callable[..., NoReturn]:
    def method(self: Mixture, *args: Any, **kwargs: Any) -> NoReturn:
        raise MixtureError(open_decision(self.name, what))

    return method


_OPERATIONS = {
    "cannot be true or false (`if`, `and`, `not`)": "bool",
    "cannot be compared (`==`, `<`, `in`)": "eq ne lt le gt ge",
    "cannot be a key of a dictionary or a set": "hash",
    "has no text (f-string, str, print)": "str format bytes fspath",
    "is no number": "int float complex index round trunc floor ceil",
    "cannot be iterated over": "iter next reversed",
    "has no length": "len length_hint",
    "has no items": "getitem setitem delitem contains missing",
    "cannot be called": "call",
    "is no context": "enter exit",
    "cannot be computed with": (
        "neg pos abs invert "
        + " ".join(
            f"{op} r{op} i{op}"
            for op in (
                *("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow"),
                *("lshift", "rshift", "and", "xor", "or"),
            )
        )
        + " divmod rdivmod"
    ),
}

for _what, _names in _OPERATIONS.items():
    for _name in _names.split():
        setattr(Mixture, f"__{_name}__", _refuse(_what))
