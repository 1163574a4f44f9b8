"""What a sampler knows of a study: a fold over its finished trials, brought up to date by trial.

The fold depends on the *set* of finished trials only, so two processes that see the same set
agree, and a restarted search goes on as if it had never stopped. Reading costs in proportion to
the trials that are new, never to all.
"""

from __future__ import annotations

import bisect
import contextlib
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from optuna.trial import TrialState

from optuna_nas._attributes import Attribute, json_value, mapping
from optuna_nas._trials import TrialReader
from optuna_nas.keys import DECISIONS_KEY
from optuna_nas.samplers.base._outcomes import Outcome, outcome_key
from optuna_nas.samplers.base._trie import DecisionTrie, Step

if TYPE_CHECKING:
    from optuna.study import Study, StudyDirection
    from optuna.trial import FrozenTrial

    from optuna_nas.samplers.base._decisions import SlotTable

__all__ = ["DECISIONS", "History", "Member"]

T = TypeVar("T")

DECISIONS = Attribute(DECISIONS_KEY, mapping(json_value), system=True)


class DigestOf(Protocol):
    """What ``space=`` may offer to tell equal architectures apart from unequal ones."""

    def __call__(self, params: dict[str, Any], /) -> Hashable: ...


@dataclass(frozen=True, eq=False)
class Member:
    """One finished trial, as samplers see it.

    Args:
        trial: As the storage has it; not to be changed.
        decisions: Its decisions by name, in the order of asking.
        outcome: Its place in the order of outcomes; smaller is better. Trials with several
            objectives are told apart by state and violation only.
    """

    trial: FrozenTrial
    decisions: dict[str, Step]
    outcome: Outcome

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.trial.number

    @property
    def failed(self) -> bool:
        """Whether it ended in an error."""
        return self.trial.state == TrialState.FAIL

    @property
    def age(self) -> tuple[datetime, int]:
        """Sort key: members are ordered by when they were finished."""
        assert self.trial.datetime_complete is not None
        return self.trial.datetime_complete, self.trial.number


@dataclass
class History:
    """The fold over one study's trials.

    Args:
        slots: What is decided by the sampler.
        capacity: How many of the youngest finished trials to remember as members; None: all.
        digest: Maps a trial's decisions to what they compute, or None.

    Attributes:
        trie: The decisions of all trials, those of running ones as far as they are known.
        members: The youngest finished, not failed trials by (time of completion, number), at most
            ``capacity``. A late arrival is inserted where it belongs.
        failures: The failed ones that had made all their decisions, if all trials are remembered.
        directions: Of the study.
        has_other_params: Whether the study has shown parameters that the sampler does not decide.
        released: How often something that was seen became unseen again, a claim given back.
    """

    slots: SlotTable
    capacity: int | None
    digest: DigestOf | None = None
    trie: DecisionTrie = field(default_factory=DecisionTrie)
    directions: list[StudyDirection] = field(default_factory=list)
    has_other_params: bool = False
    released: int = 0
    members: list[Member] = field(default_factory=list)
    failures: list[Member] = field(default_factory=list)
    _learned: Any = None
    _program: tuple[Step, ...] | None = None
    _static: bool = True
    _reader: TrialReader = field(default_factory=TrialReader)
    _pending: dict[int, tuple[Step, ...]] = field(default_factory=dict)
    _digests: set[Hashable] = field(default_factory=set)
    _pending_digests: dict[int, Hashable] = field(default_factory=dict)

    @property
    def program(self) -> tuple[Step, ...] | None:
        """The decisions that every trial so far was asked for, in order, or None."""
        return self._program if self._static else None

    @property
    def pending(self) -> list[dict[str, Step]]:
        """The decisions of running trials whose decisions are known, by number of the trial."""
        return [_by_name(self._pending[number]) for number in sorted(self._pending)]

    def learned(self, begin: Callable[[], T]) -> T:
        """What the sampler has made of this history, begun at the first call.

        Args:
            begin: Makes what has learned nothing yet.
        """
        if self._learned is None:
            self._learned = begin()
        learned: T = self._learned
        return learned

    def refresh(self, study: Study) -> None:
        """Take in what happened in the study since the last call."""
        self.directions = study.directions
        for trial in self._reader.news(study):
            if trial.state.is_finished():
                self._finish(trial)
            elif trial.state == TrialState.RUNNING:
                self.note_claim(trial)

    def has_finished(self, number: int) -> bool:
        """Whether a trial had finished at the last refresh."""
        return self._reader.has_finished(number)

    def claim(self, number: int, sequence: tuple[Step, ...]) -> None:
        """Count a running trial's decisions as taken, replacing what it claimed before."""
        if number in self._pending:
            self.release(number)
        self._pending[number] = sequence
        self.trie.add(sequence)
        self._pending_digests[number] = self._digest_of(_values(sequence))

    def release(self, number: int) -> None:
        """Forget what a running trial claimed."""
        sequence = self._pending.pop(number, None)
        digest = self._pending_digests.pop(number, None)
        if sequence is not None:
            self.trie.remove(sequence)
        self.released += sequence is not None or digest is not None

    def knows(self, decisions: Mapping[str, Step], *, besides: int) -> bool:
        """Whether these decisions, or what they compute, were seen in other trials.

        Args:
            decisions: All decisions of a trial, by name.
            besides: Number of the trial whose own claim does not count.
        """
        sequence = tuple(decisions.values())
        mine = self._pending.get(besides) == sequence
        if mine:
            self.trie.remove(sequence)
        known = self.trie.seen(decisions)
        if mine:
            self.trie.add(sequence)
        digest = None if known else self._digest_of(_values(sequence), own=True)
        if digest is None:
            return known
        pending = (d for number, d in self._pending_digests.items() if number != besides)
        return digest in self._digests or digest in pending

    @contextlib.contextmanager
    def turning_down(self) -> Iterator[Callable[[tuple[Step, ...]], None]]:
        """Count sequences as seen for as long as the block lasts: they were proposed in vain.

        What computes the same as something known is not in the trie, so without this it would be
        proposed again and again.
        """
        turned_down: list[tuple[Step, ...]] = []

        def turn_down(sequence: tuple[Step, ...]) -> None:
            turned_down.append(sequence)
            self.trie.add(sequence)

        try:
            yield turn_down
        finally:
            for sequence in turned_down:
                self.trie.remove(sequence)
            self.released += bool(turned_down)

    def is_running(self, sequence: tuple[Step, ...], *, besides: int) -> bool:
        """Whether a running trial other than ``besides`` has these decisions."""
        return any(s == sequence for number, s in self._pending.items() if number != besides)

    def note_claim(self, trial: FrozenTrial) -> None:
        """Count what another running trial has claimed, or already suggested, as taken."""
        if (claim := DECISIONS.read(trial)) is not None:
            digest = self._digest_of(claim)
            self.released += self._pending_digests.get(trial.number, digest) != digest
            self._pending_digests[trial.number] = digest
        if self.program is None:
            return
        sequence = tuple(_known_steps(self.program, claim or trial.params))
        whole = len(sequence) == len(self.program) == len(claim or self.decisions(trial))
        # A trial that has shown the beginning of what it claimed here claims all of it still.
        if whole and not set(sequence) <= set(self._pending.get(trial.number, ())):
            self.claim(trial.number, sequence)

    def decisions(self, trial: FrozenTrial) -> tuple[Step, ...]:
        """The decisions of a trial, in the order in which they were asked for."""
        asked = DECISIONS.read(trial) or {}
        steps = []
        for name in dict.fromkeys((*asked, *trial.distributions)):
            if name not in trial.distributions:
                continue
            slot = self.slots.get(name, trial.distributions[name])
            if slot is not None and (index := slot.index(trial.params[name])) is not None:
                steps.append((slot, index))
        return tuple(steps)

    def member(self, trial: FrozenTrial) -> Member:
        """A trial that has its values, whether or not it has been taken in yet."""
        sequence = self.decisions(trial)
        return Member(trial, _by_name(sequence), outcome_key(trial, self.directions))

    def _finish(self, trial: FrozenTrial) -> None:
        sequence = self._whole_sequence(trial)
        if len(sequence) < len(trial.distributions):
            self._note_others(trial)
        if self._pending.get(trial.number) != sequence:
            self.release(trial.number)
            if sequence:
                self.trie.add(sequence)
        self._pending.pop(trial.number, None)
        self._pending_digests.pop(trial.number, None)
        if not sequence:
            return
        self._digests.add(self._digest_of(_values(sequence)))
        if self.capacity != 0:
            self._remember(trial, sequence, outcome_key(trial, self.directions))

    def _whole_sequence(self, trial: FrozenTrial) -> tuple[Step, ...]:
        """A finished trial's decisions; empty if it failed before it had made them all."""
        sequence = self.decisions(trial)
        if self.program is not None:
            asked = [slot for slot, _ in self.program]
            if [slot for slot, _ in sequence] == asked:
                return sequence
            by_slot = dict(sequence)
            if by_slot.keys() == set(asked):  # a storage that does not keep the order
                return tuple((slot, by_slot[slot]) for slot in asked)
        if trial.state == TrialState.FAIL:
            is_whole = self._digest_of(_values(sequence)) is not None
            return sequence if is_whole else ()
        self._note_program(sequence)
        return sequence

    def _digest_of(self, values: dict[str, Any], *, own: bool = False) -> Hashable | None:
        """What decisions compute; None if that is unknown, as for trials of another space.

        A bug of a user's digest is seen where it is asked about our ``own`` proposals; what others
        claim may have other names and any values.
        """
        foreign = () if own else (ArithmeticError, LookupError, TypeError)
        try:
            return None if self.digest is None else self.digest(values)
        except (ValueError, *foreign):
            return None

    def _remember(self, trial: FrozenTrial, sequence: tuple[Step, ...], outcome: Outcome) -> None:
        member = Member(trial, _by_name(sequence), outcome)
        if not member.failed:
            bisect.insort(self.members, member, key=attrgetter("age"))
        elif self.capacity is None:
            bisect.insort(self.failures, member, key=attrgetter("age"))
        if self.capacity is not None:
            del self.members[: -self.capacity or None]

    def _note_others(self, trial: FrozenTrial) -> None:
        self.has_other_params = self.has_other_params or any(
            not distribution.single() and self.slots.get(name, distribution) is None
            for name, distribution in trial.distributions.items()
        )

    def _note_program(self, sequence: tuple[Step, ...]) -> None:
        if self._program is None:
            self._program = sequence or None
        elif sequence:
            self._static = False


def _by_name(sequence: tuple[Step, ...]) -> dict[str, Step]:
    return {step[0].name: step for step in sequence}


def _values(sequence: tuple[Step, ...]) -> dict[str, Any]:
    return {slot.name: slot.value(index) for slot, index in sequence}


def _known_steps(program: tuple[Step, ...], values: dict[str, Any]) -> Iterator[Step]:
    for slot, _ in program:
        if slot.name in values and (index := slot.index(values[slot.name])) is not None:
            yield slot, index
