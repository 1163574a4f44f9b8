"""The mechanism under every sampler of this package: who decides what, when, and never twice.

A subclass says which decisions it wishes for; the base splits a trial's parameters between the
subclass and ``hp_sampler``, keeps the study's history, avoids duplicates and settles claims with
other workers.
"""

from __future__ import annotations

import abc
import secrets
import threading
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from optuna.samplers import BaseSampler, TPESampler

from optuna_nas import _optuna_seam as seam
from optuna_nas._attributes import Attribute, truth
from optuna_nas._checks import is_int, shown
from optuna_nas._per_process import PerProcess
from optuna_nas.keys import DECISIONS_KEY, REPEAT_KEY
from optuna_nas.samplers.base._decisions import Decides, Draw, Slot, SlotTable, as_decides
from optuna_nas.samplers.base._history import History
from optuna_nas.samplers.base._script import Proposal, Rehearsal, Script

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial, TrialState

__all__ = ["REPEAT", "ArchitectureSampler", "SpaceLike"]

T = TypeVar("T")

REPEAT = Attribute(REPEAT_KEY, truth, system=True)

MAX_ATTEMPTS = 50


class SpaceLike(Protocol):
    """What ``space=`` needs; it may also have ``digest(params)``."""

    def suggest(self, trial: Any, /) -> Any: ...


class ArchitectureSampler(PerProcess, BaseSampler, abc.ABC):
    """Base of the samplers that decide architectures.

    It decides categorical parameters and integers of at most 64 values without log, in any Optuna
    objective, conditional ones included; everything else of the same trial goes to
    ``hp_sampler``. All state is read from the study, so a sampler can be made anew at any time,
    and with the same seed goes on as if it had never stopped.

    Args:
        seed: Seed; None draws one. Draws are keyed by (seed, trial number, parameter name), so
            several processes may share a seed. With ``n_jobs > 1`` results are not reproducible.
        hp_sampler: Any Optuna sampler, for what this one does not decide. Its own random stream
            holds.
        decides: Which parameters the sampler decides: a function of (name, distribution), a
            collection of names, or None for the rule above.
        space: Optional: an object with ``suggest(trial)``, and optionally ``digest(params)``. With
            it, decisions of conditional spaces are known before they are asked for, and
            duplicates are judged by what a network computes.
        avoid_duplicates: Never propose the same decisions twice while unseen ones are left, those
            of running trials included. It does not apply in studies that have other parameters
            too, where the same architecture is a new point. Two processes may still
            draw the same decisions before the first trial has finished (give ``space`` to
            prevent that), and in conditional objectives without ``space``.
    """

    _needs_single_objective = False
    _history_size: int | None = 0
    """How many of the youngest trials `_propose` sees as ``history.members``; None: all."""
    _needs_order = False
    """Whether the order of a trial's decisions must be recorded even where nothing is claimed."""
    _free_attempts = 0
    """So many proposals may turn out to be known before choices are kept from known ones."""

    def __init__(
        self,
        *,
        seed: int | None = None,
        hp_sampler: BaseSampler | None = None,
        decides: Decides | Collection[str] | None = None,
        space: SpaceLike | None = None,
        avoid_duplicates: bool = True,
    ) -> None:
        if seed is not None and (not is_int(seed) or seed < 0):
            raise ValueError(f"`seed` must be 0 or more, but got seed={shown(seed)}.")
        if space is not None and not callable(getattr(space, "suggest", None)):
            raise TypeError(f"`space` must have a method suggest(trial), but got {space!r}.")
        self._seed = secrets.randbits(63) if seed is None else seed
        self._hp_sampler = hp_sampler or self._default_hp_sampler(seed)
        self._decides = as_decides(decides)
        self._space = space
        self._avoid_duplicates = avoid_duplicates
        self._proposed = 0
        self._forget()

    @abc.abstractmethod
    def _propose(self, history: History, draw: Draw, *, fresh: bool) -> Proposal:
        """What is wished for in the next trial.

        Args:
            history: What is known of the study.
            draw: Randomness of the trial.
            fresh: Whether decisions that ``history.trie`` has seen are to be avoided.
        """

    def _default_hp_sampler(self, seed: int | None) -> BaseSampler:
        return TPESampler(seed=seed)

    def _forget(self) -> None:
        self._lock = threading.RLock()
        self._histories: dict[tuple[BaseStorage, int], History] = {}
        self._scripts: dict[tuple[BaseStorage, int, int], Script | None] = {}

    def reseed_rng(self) -> None:
        """Reseed ``hp_sampler``; the decisions are keyed by trial and need no reseeding."""
        self._hp_sampler.reseed_rng()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Called by Optuna before a trial starts."""
        self._hp_sampler.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """What ``hp_sampler`` draws jointly: its own parameters only.

        Raises:
            ValueError: If the study has several objectives and the sampler can take one only.
        """
        self._check_objectives(study)
        with self._lock:
            history = self._current_history(study, trial)
        if not history.has_other_params:
            return {}
        space = self._hp_sampler.infer_relative_search_space(study, trial)
        return {
            name: distribution
            for name, distribution in space.items()
            if not self._decides(name, distribution)
        }

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw the parameters of ``hp_sampler`` that it draws jointly."""
        self._check_objectives(study)
        if not search_space:
            return {}
        return self._hp_sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Decide one parameter, or let ``hp_sampler`` draw it.

        Raises:
            ValueError: If the study has several objectives and the sampler can take one only.
        """
        self._check_objectives(study)
        with self._lock:
            history = self._current_history(study, trial)
            slot = history.slots.get(param_name, param_distribution)
            if slot is not None:
                return slot.value(self._decide(study, trial, history, slot))
        return self._hp_sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Called by Optuna when a trial ends: record in which order its decisions were asked."""
        with self._lock:
            script = self._scripts.pop((*seam.study_key(study), trial.number), None)
            if (
                script is not None
                and (script.fresh or self._needs_order)
                and not script.complete
                and not seam.in_one_process(study)
            ):
                seam.set_trial_attribute(study, trial, DECISIONS_KEY, script.values)
            if script is not None and not script.complete:
                _record(study, trial, script)
        self._hp_sampler.after_trial(study, trial, state, values)

    def propose(
        self, study: Study, suggest: Callable[[Any], T], n: int, *, seed: int | None = None
    ) -> list[T]:
        """Draw architectures as the next trials would, without making trials.

        Draws may repeat each other and what the study has seen. Training with shared weights
        needs many of them per trial.

        Args:
            study: What to learn from.
            suggest: A function of a trial, such as ``space.suggest``.
            n: How many draws.
            seed: Equal seeds give equal draws as long as no trial finishes; None takes new ones
                at every call.

        Returns:
            What ``suggest`` returned, n times.

        Raises:
            ValueError: If ``n`` is negative, or the sampler cannot take the study's objectives.

        Example::

            architectures = sampler.propose(study, space.suggest, 10)
        """
        if not is_int(n) or n < 0:
            raise ValueError(f"`n` must be 0 or more, but got n={shown(n)}.")
        self._check_objectives(study)
        with self._lock:
            history = self._history_of(study)
            seam.read_afresh(study)
            history.refresh(study)
            if seed is None:
                seed = self._proposed
                self._proposed += n
            drawn = []
            for i in range(n):
                draw = Draw(self._seed, seed, i, stream=1)
                proposal = self._propose(history, draw, fresh=False)
                script = Script(draw, proposal=proposal, fixed={}, cursor=None, fresh=False)
                drawn.append(suggest(Rehearsal(script, history.slots, -1, {})))
            return drawn

    def _check_objectives(self, study: Study) -> None:
        if self._needs_single_objective and len(study.directions) > 1:
            raise ValueError(
                f"{type(self).__name__} searches one objective, but the study has "
                f"{len(study.directions)}. For several objectives use "
                "RegularizedEvolutionSampler, RandomSearchSampler or "
                "optuna.samplers.NSGAIISampler."
            )

    def _current_history(self, study: Study, trial: FrozenTrial) -> History:
        """The study's history, brought up to date once per trial."""
        of_study = seam.study_key(study)
        key = (*of_study, trial.number)
        history = self._history_of(study)
        if key not in self._scripts:
            seam.read_afresh(study)  # other threads may have read more than this one remembers
            history.refresh(study)
            self._drop_finished(of_study, history)
            self._scripts[key] = None
        return history

    def _drop_finished(self, of_study: tuple[BaseStorage, int], history: History) -> None:
        """Drop what is kept of trials that ended without :meth:`after_trial`.

        Another process told them, or failed them when they stopped sending heartbeats.
        """
        ended = [
            key for key in self._scripts if key[:2] == of_study and history.has_finished(key[2])
        ]
        for key in ended:
            del self._scripts[key]

    def _history_of(self, study: Study) -> History:
        key = seam.study_key(study)
        if key not in self._histories:
            slots = SlotTable(self._decides)
            digest = getattr(self._space, "digest", None)
            self._histories[key] = History(slots, self._history_size, digest)
        return self._histories[key]

    def _decide(self, study: Study, trial: FrozenTrial, history: History, slot: Slot) -> int:
        key = (*seam.study_key(study), trial.number)
        script = self._scripts[key]
        if script is None:
            script = self._scripts[key] = self._new_script(study, trial, history)
        planned = script.decisions.get(slot.name)
        if planned is not None and planned[0] is slot:
            return planned[1]
        if script.complete:
            script.deviate()
            history.release(trial.number)
        for name, value in trial.params.items():
            if name not in script.decisions:
                other = history.slots.get(name, trial.distributions[name])
                if other is not None and (index := other.index(value)) is not None:
                    script.note(other, index)
        return script.decide(slot)

    def _new_script(self, study: Study, trial: FrozenTrial, history: History) -> Script:
        """Draw a trial's decisions, as far as they can be known before they are asked for."""
        with history.turning_down() as turn_down:
            for attempt in range(MAX_ATTEMPTS):
                script = self._rehearse(study, trial, history, attempt)
                if script.proposal.repeats:
                    seam.set_trial_attribute(study, trial, REPEAT_KEY, True)
                if not script.complete:
                    return script
                if not self._must_be_fresh(history):
                    if not self._avoid_duplicates and history.trie.seen(script.decisions):
                        seam.set_trial_attribute(study, trial, REPEAT_KEY, True)
                    if self._needs_order and not seam.in_one_process(study):
                        seam.set_trial_attribute(study, trial, DECISIONS_KEY, script.values)
                    break
                if script.fresh and history.knows(script.decisions, besides=trial.number):
                    turn_down(script.sequence)
                elif self._claim(study, trial, history, script):
                    break
        _record(study, trial, script)
        return script

    def _must_be_fresh(self, history: History) -> bool:
        return self._avoid_duplicates and not history.has_other_params

    def _rehearse(
        self, study: Study, trial: FrozenTrial, history: History, attempt: int
    ) -> Script:
        draw = Draw(self._seed, trial.number, attempt)
        fresh = self._must_be_fresh(history) and not history.trie.exhausted
        fixed = {**seam.enqueued_params(trial), **trial.params}
        known_beforehand = self._space is not None or history.program is not None
        free = known_beforehand and attempt < self._free_attempts
        proposal = self._propose(history, draw, fresh=fresh)
        fresh = fresh and not proposal.repeats
        script = Script(
            draw,
            proposal=proposal,
            fixed=fixed,
            cursor=history.trie.cursor() if fresh and not free else None,
            fresh=fresh,
        )
        if self._space is not None:
            self._space.suggest(Rehearsal(script, history.slots, trial.number, fixed))
            script.complete = True
        elif history.program is not None:
            for slot, _ in history.program:
                script.decide(slot)
            script.complete = True
        return script

    def _claim(self, study: Study, trial: FrozenTrial, history: History, script: Script) -> bool:
        """Claim the script's decisions; False if another running trial claims the same.

        Whoever writes a claim reads the study afterwards, so of two workers with equal claims at
        least one sees the other and draws anew, and what others have done meanwhile is seen too.
        """
        history.claim(trial.number, script.sequence)
        if seam.in_one_process(study):
            return True
        seam.set_trial_attribute(study, trial, DECISIONS_KEY, script.values)
        seam.read_afresh(study)
        history.refresh(study)
        if script.proposal.repeats:
            taken = history.is_running(script.sequence, besides=trial.number)
        else:
            taken = script.fresh and history.knows(script.decisions, besides=trial.number)
        if not taken:
            return True
        history.release(trial.number)
        return False


def _record(study: Study, trial: FrozenTrial, script: Script) -> None:
    for key, value in script.proposal.attributes().items():
        seam.set_trial_attribute(study, trial, key, value)
