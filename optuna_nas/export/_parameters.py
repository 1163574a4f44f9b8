"""Numbers of a class that are parameters, and their names.

Numbers that differ between the modules of a class are parameters; those that always have the same
values are one parameter, if they are of the same kind. Numbers of channels are all of one kind.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence

from optuna_nas.export._forward import Constant

__all__ = ["Parameter", "parameters_of"]

_OUTPUTS = {"out_channels", "out_features", "num_features", "channels"}
_SIZES = ("channels", "in_channels", "hidden_channels", "out_channels")  # as parameters, in order
_CHANNELS = {*_OUTPUTS, *_SIZES, "in_features", "groups"}


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A parameter of a class's constructor.

    Attributes:
        name: Unique in the class.
        slots: Where it is used.
        in_forward: Whether forward needs it, so that it is kept as an attribute.
    """

    name: str
    slots: frozenset[int]
    in_forward: bool

    @property
    def is_size(self) -> bool:
        """Whether it is a number of channels, which stands first and without its name."""
        return _kind(self.name) in _SIZES


def parameters_of(
    columns: Sequence[Sequence[Constant]], forward_slots: int, attributes: Iterable[str] = ()
) -> list[Parameter]:
    """Return the parameters of a class, numbers of channels first.

    Args:
        columns: For each slot what it holds in each module.
        forward_slots: The first so many are those of forward.
        attributes: Names that are taken.
    """
    kinds = [_kind(column[0].name) for column in columns]
    groups: dict[tuple[str, str], list[int]] = {}
    for slot, column in enumerate(columns):
        values = [constant.value for constant in column]
        if any(value != values[0] for value in values):
            kind = "channels" if kinds[slot] in _CHANNELS else kinds[slot]
            groups.setdefault((kind, repr(values)), []).append(slot)
    taken = {*attributes}
    found = []
    for (kind, _), slots in groups.items():
        wanted = _size_name(slots, kinds) if kind == "channels" else kind
        name, count = wanted, 2
        while name in taken:
            name, count = f"{wanted}_{count}", count + 1
        taken.add(name)
        found.append(Parameter(name, frozenset(slots), min(slots) < forward_slots))
    return sorted(found, key=lambda p: _SIZES.index(_kind(p.name)) if p.is_size else len(_SIZES))


def _size_name(slots: list[int], kinds: list[str]) -> str:
    """Name a number of channels by where the first and the last are used."""
    if {kinds[slot] for slot in slots} == {"groups"}:
        return "groups"
    sizes = [slot for slot, kind in enumerate(kinds) if kind in _CHANNELS - {"groups"}]
    outputs = [slot for slot in sizes if kinds[slot] in _OUTPUTS]
    first, last = sizes[0] in slots, bool(outputs) and outputs[-1] in slots
    if first and last:
        return "channels"
    return "in_channels" if first else "out_channels" if last else "hidden_channels"


def _kind(name: str) -> str:
    """The name without the number that made it unique."""
    return re.sub(r"_\d+$", "", name) or "value"
