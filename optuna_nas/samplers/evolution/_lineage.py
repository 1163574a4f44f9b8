"""Where an architecture comes from: kept with each trial that was made from earlier ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optuna_nas._attributes import Attribute, fields, integer, list_of, text
from optuna_nas.keys import LINEAGE_KEY
from optuna_nas.samplers.base._script import Wish

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from optuna_nas.samplers.base._decisions import Slot
    from optuna_nas.samplers.base._history import Member
    from optuna_nas.samplers.base._trie import Step

__all__ = ["Child", "parents_of"]

LINEAGE = Attribute(
    LINEAGE_KEY, fields({"parents": list_of(integer())}, {"mutated": list_of(text())}), system=True
)


class Child(Wish):
    """Decisions that are made from those of finished trials, and a note of that.

    Args:
        decisions: Steps by name of the parameter.
        parents: Whom they come from.
    """

    def __init__(self, decisions: Mapping[str, Step], parents: Sequence[Member]) -> None:
        super().__init__(decisions)
        self._parents = list(dict.fromkeys(parents))
        self._mutated: list[str] = []

    def note(self, slot: Slot, index: int) -> None:
        theirs = [p.decisions[slot.name] for p in self._parents if slot.name in p.decisions]
        if theirs and not any(_is_same(step, slot, index) for step in theirs):
            self._mutated.append(slot.name)

    def attributes(self) -> Mapping[str, Any]:
        numbers = [parent.number for parent in self._parents]
        return {LINEAGE_KEY: {"parents": numbers, "mutated": self._mutated}}


def parents_of(trial: FrozenTrial) -> list[int]:
    """Numbers of the trials that a trial's architecture was made from; empty if from none known.

    Example::

        parents = parents_of(study.best_trial)
    """
    lineage = LINEAGE.read(trial)
    return [] if lineage is None else list(lineage["parents"])


def _is_same(step: Step, slot: Slot, index: int) -> bool:
    """Whether a parent's decision has this choice, also where a range has grown since."""
    if step[0] is slot:
        return step[1] == index
    return bool(step[0].value(step[1]) == slot.value(index))
