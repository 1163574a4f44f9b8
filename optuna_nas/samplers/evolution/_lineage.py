"""Lineage: the parents of an architecture, kept with each trial that was made from others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optuna_nas._ground.attributes import Attribute, fields, integer, list_of, text
from optuna_nas.keys import LINEAGE_KEY
from optuna_nas.samplers.base import FixedProposal

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from optuna_nas.samplers.base import Assignment, Decision, Member

__all__ = ["Child", "parents_of"]

LINEAGE = Attribute(
    LINEAGE_KEY, fields({"parents": list_of(integer())}, {"mutated": list_of(text())}), system=True
)


class Child(FixedProposal):
    """A proposal made from the decisions of finished trials, with its lineage.

    Args:
        decisions: Decisions by name of the parameter.
        parents: The trials that they come from.
    """

    def __init__(self, decisions: Mapping[str, Assignment], parents: Sequence[Member]) -> None:
        super().__init__(decisions)
        self._parents = list(dict.fromkeys(parents))
        self._mutated: list[str] = []

    def note(self, decision: Decision, index: int) -> None:
        """Note whether the decision differs from those of all parents."""
        name = decision.name
        theirs = [p.decisions[name] for p in self._parents if name in p.decisions]
        if theirs and not any(_is_same(made, decision, index) for made in theirs):
            self._mutated.append(name)

    def attributes(self) -> Mapping[str, Any]:
        """Return the lineage."""
        numbers = [parent.number for parent in self._parents]
        return {LINEAGE_KEY: {"parents": numbers, "mutated": self._mutated}}


def parents_of(trial: FrozenTrial) -> list[int]:
    """Read which trials an architecture was made from.

    Args:
        trial: A trial of any sampler.

    Returns:
        Numbers of the parents; empty if none are known.

    Example::

        parents = parents_of(study.best_trial)
    """
    lineage = LINEAGE.read(trial)
    return [] if lineage is None else list(lineage["parents"])


def _is_same(made: Assignment, decision: Decision, index: int) -> bool:
    """Tell whether a parent's decision has this choice, also where a range has grown since."""
    if made.decision is decision:
        return made.index == index
    return bool(made.value == decision.value(index))
