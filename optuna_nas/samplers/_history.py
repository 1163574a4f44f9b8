"""What a sampler knows of a study: a fold over its finished trials, brought up to date by trial.

The fold depends on the *set* of finished trials only, so two processes that see the same set
agree, and a restarted search goes on as if it had never stopped. Reading costs in proportion to
the trials that are new, never to all.
"""

from __future__ import annotations

import bisect
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_nas import _optuna_seam as seam
from optuna_nas.samplers._outcomes import Outcome, outcome_key
from optuna_nas.samplers._trie import DecisionTrie, Step

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from optuna_nas.samplers._decisions import SlotTable

__all__ = ["DECISIONS_KEY", "History", "Member"]

DECISIONS_KEY = "optuna_nas:decisions"
"""System attribute: a trial's decisions by name, in the order in which they are asked for. Written
when they are known, which may be before they are suggested (then it is a claim on them)."""


class DigestOf(Protocol):
    """What ``space=`` may offer to tell equal architectures apart from unequal ones."""

    def __call__(self, params: dict[str, Any], /) -> Hashable: ...


@dataclass(frozen=True, eq=False)
class Member:
    """One finished trial, as evolution sees it.

    Args:
        number: The trial's number.
        decisions: Its decisions by name.
        outcome: Its place in the order of outcomes; smaller is better.
    """

    number: int
    decisions: dict[str, Step]
    outcome: Outcome


@dataclass
class History:
    """The fold over one study's trials.

    Args:
        slots: What is decided by the sampler.
        capacity: How many of the youngest finished trials to remember as members.
        digest: Maps a trial's decisions to what they compute, or None.
    """

    slots: SlotTable
    capacity: int
    digest: DigestOf | None = None
    trie: DecisionTrie = field(default_factory=DecisionTrie)
    digests: set[Hashable] = field(default_factory=set)
    has_other_params: bool = False
    _youngest: list[tuple[datetime, int, Member]] = field(default_factory=list)
    _program: tuple[Step, ...] | None = None
    _static: bool = True
    _read: int = 0
    _open: set[int] = field(default_factory=set)
    _pending: dict[int, tuple[Step, ...]] = field(default_factory=dict)

    @property
    def members(self) -> list[Member]:
        """The youngest finished, not failed trials, oldest first: at most ``capacity``."""
        return [member for _, _, member in self._youngest]

    @property
    def program(self) -> tuple[Step, ...] | None:
        """The decisions that every trial so far was asked for, in order, or None."""
        return self._program if self._static else None

    def refresh(self, study: Study) -> None:
        """Take in what happened in the study since the last call."""
        trials = seam.all_trials(study)
        unread = range(self._read, len(trials))
        for number in (*sorted(self._open), *unread):
            trial = trials[number]
            if trial.state.is_finished():
                self._open.discard(number)
                self._finish(trial, study.directions)
            else:
                self._open.add(number)
                if trial.state == TrialState.RUNNING:
                    self.note_claim(trial)
        self._read = len(trials)

    def claim(self, number: int, sequence: tuple[Step, ...]) -> None:
        """Count a running trial's decisions as taken, replacing what it claimed before."""
        self.release(number)
        self._pending[number] = sequence
        self.trie.add(sequence)

    def release(self, number: int) -> None:
        """Forget what a running trial claimed."""
        if (sequence := self._pending.pop(number, None)) is not None:
            self.trie.remove(sequence)

    def claimed(self, number: int) -> tuple[Step, ...] | None:
        """What a running trial is known to have claimed."""
        return self._pending.get(number)

    def note_claim(self, trial: FrozenTrial) -> None:
        """Count what another running trial has claimed, or already suggested, as taken."""
        if self.program is None:
            return
        values = trial.system_attrs.get(DECISIONS_KEY) or trial.params
        sequence = tuple(_known_steps(self.program, values))
        if len(sequence) == len(self.program) and sequence != self._pending.get(trial.number):
            self.claim(trial.number, sequence)

    def decisions(self, trial: FrozenTrial) -> tuple[Step, ...]:
        """The decisions of a trial, in the order in which they were asked for."""
        asked = trial.system_attrs.get(DECISIONS_KEY, {})
        steps = []
        for name in dict.fromkeys((*asked, *trial.distributions)):
            if name not in trial.distributions:
                continue
            slot = self.slots.get(name, trial.distributions[name])
            if slot is not None and (index := slot.index(trial.params[name])) is not None:
                steps.append((slot, index))
        return tuple(steps)

    def _finish(self, trial: FrozenTrial, directions: list[StudyDirection]) -> None:
        self._note_others(trial)
        sequence = self._whole_sequence(trial)
        if self._pending.get(trial.number) == sequence:
            del self._pending[trial.number]
        else:
            self.release(trial.number)
            if sequence:
                self.trie.add(sequence)
        if not sequence:
            return
        if self.digest is not None:
            self.digests.add(self.digest({slot.name: slot.value(i) for slot, i in sequence}))
        if trial.state != TrialState.FAIL and len(directions) == 1:
            maximize = directions[0] == StudyDirection.MAXIMIZE
            self._remember(trial, sequence, outcome_key(trial, maximize=maximize))

    def _whole_sequence(self, trial: FrozenTrial) -> tuple[Step, ...]:
        """A finished trial's decisions; empty if it failed before it had made them all."""
        sequence = self.decisions(trial)
        if self.program is not None:
            by_slot = dict(sequence)
            if by_slot.keys() == {slot for slot, _ in self.program}:
                return tuple((slot, by_slot[slot]) for slot, _ in self.program)
        if trial.state == TrialState.FAIL:
            return ()
        self._note_program(sequence)
        return sequence

    def _remember(self, trial: FrozenTrial, sequence: tuple[Step, ...], outcome: Outcome) -> None:
        assert trial.datetime_complete is not None
        member = Member(trial.number, {step[0].name: step for step in sequence}, outcome)
        bisect.insort(self._youngest, (trial.datetime_complete, trial.number, member))
        del self._youngest[: -self.capacity or None]

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


def _known_steps(program: tuple[Step, ...], values: dict[str, Any]) -> Iterator[Step]:
    for slot, _ in program:
        if slot.name in values and (index := slot.index(values[slot.name])) is not None:
            yield slot, index
