"""The decisions of one trial in the making: what is wished, what is fixed, what is unseen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalChoiceType,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna_nas.samplers.base._decisions import Draw, Slot, SlotTable
    from optuna_nas.samplers.base._trie import Cursor, Step

__all__ = ["Proposal", "Rehearsal", "Script", "Wish"]


class Proposal:
    """What a sampler wishes for one trial: by default nothing, so that all is drawn uniformly.

    A proposal follows the trial: it is asked for each decision that is free, and told of each
    decision made, by itself or by others (enqueued values, choices that were used up).
    """

    repeats = False
    """Whether to evaluate decisions anew that are known, where known ones are avoided."""

    def choose(self, slot: Slot, candidates: Sequence[int]) -> int | None:
        """The choice wished for; None, or one that is no candidate, means any of them.

        Args:
            slot: The decision that is asked for.
            candidates: Its choices that are open, in ascending order, never empty.
        """
        return None

    def note(self, slot: Slot, index: int) -> None:
        """Take in a decision of the trial; called for each one in the order of asking."""

    def attributes(self) -> Mapping[str, Any]:
        """System attributes to record with the trial, read once its decisions are made."""
        return {}


class Wish(Proposal):
    """Decisions that were all thought of beforehand.

    Args:
        decisions: Steps by name of the parameter.
        attributes: System attributes to record with the trial.
        repeats: See :class:`Proposal`.
    """

    def __init__(
        self,
        decisions: Mapping[str, Step],
        attributes: Mapping[str, Any] | None = None,
        *,
        repeats: bool = False,
    ) -> None:
        self.repeats = repeats
        self._decisions = decisions
        self._attributes = attributes or {}

    def choose(self, slot: Slot, candidates: Sequence[int]) -> int | None:
        wished = self._decisions.get(slot.name)
        if wished is None:
            return None
        return wished[1] if wished[0] is slot else slot.index(wished[0].value(wished[1]))

    def attributes(self) -> Mapping[str, Any]:
        return self._attributes


class Script:
    """Makes a trial's decisions one by one and remembers them.

    Args:
        draw: Randomness of the trial.
        proposal: Asked first, wherever a choice is free.
        fixed: Values that are not ours to choose (enqueued ones).
        cursor: Reader of the trie of seen sequences, which closes choices that are used up; None
            leaves all choices open.
        fresh: Whether the whole must be something unseen.
    """

    def __init__(
        self,
        draw: Draw,
        *,
        proposal: Proposal,
        fixed: Mapping[str, Any],
        cursor: Cursor | None,
        fresh: bool,
    ) -> None:
        self._draw = draw
        self.proposal = proposal
        self._fixed = fixed
        self._cursor = cursor
        self.decisions: dict[str, Step] = {}
        self.complete = False
        self.fresh = fresh

    @property
    def sequence(self) -> tuple[Step, ...]:
        """The decisions so far, in order."""
        return tuple(self.decisions.values())

    @property
    def values(self) -> dict[str, Any]:
        """The decisions so far as parameters of a trial."""
        return {name: slot.value(index) for name, (slot, index) in self.decisions.items()}

    def decide(self, slot: Slot) -> int:
        """Decide what has not been decided yet."""
        index: int | None = None
        if slot.name in self._fixed:
            index = slot.index(self._fixed[slot.name])
        if index is None:
            index = self._choose(slot)
        self.note(slot, index)
        return index

    def note(self, slot: Slot, index: int) -> None:
        """Take in a decision that was made elsewhere."""
        self.decisions[slot.name] = (slot, index)
        self.proposal.note(slot, index)
        if self._cursor is not None:
            self._cursor.advance(slot, index)

    def deviate(self) -> None:
        """The trial asks for something that was not planned: choose freely from here on."""
        self._cursor = None
        self.complete = False

    def _choose(self, slot: Slot) -> int:
        if self._cursor is None:
            candidates = list(range(slot.size))
        else:
            candidates = self._cursor.open_choices(slot)
        index = self.proposal.choose(slot, candidates)
        if index in candidates:
            return index
        return candidates[self._draw.index(slot.name, len(candidates))]


class Rehearsal:
    """A trial that asks a script, for ``space.suggest`` to be run before the real trial does.

    Args:
        script: Who decides.
        slots: What is decided.
        number: Of the real trial.
        fixed: What was enqueued for it; kept where Optuna's trials keep it.
    """

    def __init__(
        self, script: Script, slots: SlotTable, number: int, fixed: Mapping[str, Any]
    ) -> None:
        self.number = number
        self._fixed_params = dict(fixed)
        self.params: dict[str, Any] = {}
        self.user_attrs: dict[str, Any] = {}
        self._script = script
        self._slots = slots

    def suggest_categorical(self, name: str, choices: Sequence[CategoricalChoiceType]) -> Any:
        return self._suggest(name, CategoricalDistribution(choices))

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        return int(self._suggest(name, IntDistribution(low, high, log=log, step=step)))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        return float(self._suggest(name, FloatDistribution(low, high, log=log, step=step)))

    def _suggest(self, name: str, distribution: BaseDistribution) -> Any:
        if name not in self.params:
            slot = self._slots.get(name, distribution)
            if slot is None:
                assert isinstance(distribution, FloatDistribution | IntDistribution)
                self.params[name] = distribution.low
            else:
                self.params[name] = slot.value(self._script.decide(slot))
        return self.params[name]
