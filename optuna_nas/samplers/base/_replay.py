"""The state of a sampler in one study: its trials replayed, brought up to date trial by trial.

The state depends on the *set* of finished trials only, so two processes that see the same set
agree, and a restarted search goes on as if it had never stopped. Reading costs in proportion to
the trials that are new, never to all.
"""

from __future__ import annotations

import bisect
import contextlib
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from optuna.trial import TrialState

from optuna_nas._ground.attributes import Attribute, json_value, mapping
from optuna_nas._ground.trials import TrialReader
from optuna_nas.keys import DECISIONS_KEY
from optuna_nas.samplers.base._decisions import Assignment
from optuna_nas.samplers.base._members import Member
from optuna_nas.samplers.base._outcomes import Outcome, outcome_key
from optuna_nas.samplers.base._trie import DecisionTrie

if TYPE_CHECKING:
    from optuna.study import Study, StudyDirection
    from optuna.trial import FrozenTrial

    from optuna_nas.samplers.base._decisions import Decision, DecisionTable

__all__ = ["DECISIONS", "StudyReplay"]

T = TypeVar("T")

DECISIONS = Attribute(DECISIONS_KEY, mapping(json_value), system=True)


class DigestOf(Protocol):
    """The method ``digest`` of a space, equal for parameters that compute the same network."""

    def __call__(self, params: dict[str, Any], /) -> Hashable: ...


@dataclass
class StudyReplay:
    """The state of a sampler in one study.

    Args:
        table: Tells which parameters the sampler decides.
        capacity: How many of the youngest finished trials to remember as members; None: all.
        digest: Maps a trial's decisions to what they compute; None if no space is known.

    Attributes:
        trie: The decisions of all trials, those of running ones as far as they are known.
        members: The youngest finished, not failed trials by (time of completion, number), at most
            ``capacity``. A late arrival is inserted where it belongs.
        failures: The failed ones that had made all their decisions, if all trials are remembered.
        directions: Directions of the study.
        has_other_params: Whether the study has shown parameters that the sampler does not decide.
        releases: How often something that was seen became unseen again, a claim given back.
    """

    table: DecisionTable
    capacity: int | None
    digest: DigestOf | None = None
    trie: DecisionTrie = field(default_factory=DecisionTrie)
    directions: list[StudyDirection] = field(default_factory=list)
    has_other_params: bool = False
    releases: int = 0
    members: list[Member] = field(default_factory=list)
    failures: list[Member] = field(default_factory=list)
    _learned: Any = None
    _first: tuple[Decision, ...] | None = None
    _static: bool = True
    _reader: TrialReader = field(default_factory=TrialReader)
    _pending: dict[int, tuple[Assignment, ...]] = field(default_factory=dict)
    _digests: set[Hashable] = field(default_factory=set)
    _pending_digests: dict[int, Hashable] = field(default_factory=dict)

    @property
    def static_decisions(self) -> tuple[Decision, ...] | None:
        """The decisions that every trial so far was asked for, in order; None if they differ."""
        return self._first if self._static else None

    @property
    def pending(self) -> list[dict[str, Assignment]]:
        """Decisions of running trials whose decisions are known, by number of the trial."""
        return [_by_name(self._pending[number]) for number in sorted(self._pending)]

    def learned(self, begin: Callable[[], T]) -> T:
        """Return what the sampler keeps beside this state, made by ``begin`` at the first call."""
        if self._learned is None:
            self._learned = begin()
        learned: T = self._learned
        return learned

    def refresh(self, study: Study) -> None:
        """Take in the trials that are new, or have changed, since the last call."""
        self.directions = study.directions
        for trial in self._reader.news(study):
            if trial.state.is_finished():
                self._finish(trial)
            elif trial.state == TrialState.RUNNING:
                self.note_claim(trial)

    def has_finished(self, number: int) -> bool:
        """Tell whether a trial had finished at the last refresh."""
        return self._reader.has_finished(number)

    def claim(self, number: int, sequence: tuple[Assignment, ...]) -> None:
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
        self.releases += sequence is not None or digest is not None

    def knows(self, decisions: Mapping[str, Assignment], *, besides: int) -> bool:
        """Tell whether these decisions, or what they compute, were seen in other trials.

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
    def turning_down(self) -> Iterator[Callable[[tuple[Assignment, ...]], None]]:
        """Count sequences as seen for as long as the block lasts: they were proposed in vain.

        What computes the same as something known is not in the trie, so without this it would be
        proposed again and again.
        """
        turned_down: list[tuple[Assignment, ...]] = []

        def turn_down(sequence: tuple[Assignment, ...]) -> None:
            turned_down.append(sequence)
            self.trie.add(sequence)

        try:
            yield turn_down
        finally:
            for sequence in turned_down:
                self.trie.remove(sequence)
            self.releases += bool(turned_down)

    def is_running(self, sequence: tuple[Assignment, ...], *, besides: int) -> bool:
        """Tell whether a running trial other than ``besides`` has these decisions."""
        return any(s == sequence for number, s in self._pending.items() if number != besides)

    def note_claim(self, trial: FrozenTrial) -> None:
        """Count what another running trial has claimed, or already suggested, as taken."""
        if (claim := DECISIONS.read(trial)) is not None:
            digest = self._digest_of(claim)
            self.releases += self._pending_digests.get(trial.number, digest) != digest
            self._pending_digests[trial.number] = digest
        asked = self.static_decisions
        if asked is None:
            return
        sequence = tuple(_assignments(asked, claim or trial.params))
        whole = len(sequence) == len(asked) == len(claim or self.decisions(trial))
        # A trial that has shown the beginning of what it claimed here claims all of it still.
        if whole and not set(sequence) <= set(self._pending.get(trial.number, ())):
            self.claim(trial.number, sequence)

    def decisions(self, trial: FrozenTrial) -> tuple[Assignment, ...]:
        """Read the decisions of a trial, in the order in which they were asked for."""
        asked = DECISIONS.read(trial) or {}
        made = []
        for name in dict.fromkeys((*asked, *trial.distributions)):
            if name not in trial.distributions:
                continue
            decision = self.table.get(name, trial.distributions[name])
            if decision is not None and (index := decision.index(trial.params[name])) is not None:
                made.append(decision.assignment(index))
        return tuple(made)

    def member(self, trial: FrozenTrial) -> Member:
        """Make a member of a trial that has its values, whether or not it has been taken in."""
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

    def _whole_sequence(self, trial: FrozenTrial) -> tuple[Assignment, ...]:
        """Read a finished trial's decisions; empty if it failed before it had made them all."""
        sequence = self.decisions(trial)
        asked = self.static_decisions
        if asked is not None:
            if tuple(decision for decision, _ in sequence) == asked:
                return sequence
            indices = dict(sequence)
            if indices.keys() == set(asked):  # a storage that does not keep the order
                return tuple(decision.assignment(indices[decision]) for decision in asked)
        if trial.state == TrialState.FAIL:
            is_whole = self._digest_of(_values(sequence)) is not None
            return sequence if is_whole else ()
        self._note_order(sequence)
        return sequence

    def _digest_of(self, values: dict[str, Any], *, own: bool = False) -> Hashable | None:
        """Compute the digest of decisions; None if it is unknown, as for trials of another space.

        A bug of a user's digest is seen where it is asked about our ``own`` proposals; what others
        claim may have other names and any values.
        """
        foreign = () if own else (ArithmeticError, LookupError, TypeError)
        try:
            return None if self.digest is None else self.digest(values)
        except (ValueError, *foreign):
            return None

    def _remember(
        self, trial: FrozenTrial, sequence: tuple[Assignment, ...], outcome: Outcome
    ) -> None:
        member = Member(trial, _by_name(sequence), outcome)
        if not member.failed:
            bisect.insort(self.members, member, key=attrgetter("age"))
        elif self.capacity is None:
            bisect.insort(self.failures, member, key=attrgetter("age"))
        if self.capacity is not None:
            del self.members[: -self.capacity or None]

    def _note_others(self, trial: FrozenTrial) -> None:
        self.has_other_params = self.has_other_params or any(
            not distribution.single() and self.table.get(name, distribution) is None
            for name, distribution in trial.distributions.items()
        )

    def _note_order(self, sequence: tuple[Assignment, ...]) -> None:
        if self._first is None:
            self._first = tuple(decision for decision, _ in sequence) or None
        elif sequence:
            self._static = False


def _by_name(sequence: tuple[Assignment, ...]) -> dict[str, Assignment]:
    return {made.decision.name: made for made in sequence}


def _values(sequence: tuple[Assignment, ...]) -> dict[str, Any]:
    return {decision.name: decision.value(index) for decision, index in sequence}


def _assignments(decisions: tuple[Decision, ...], values: dict[str, Any]) -> Iterator[Assignment]:
    for decision in decisions:
        if decision.name in values:
            index = decision.index(values[decision.name])
            if index is not None:
                yield decision.assignment(index)
