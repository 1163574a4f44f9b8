"""The mechanism of every sampler of this package: who decides what, when, and never twice.

A subclass proposes decisions; the base splits a trial's parameters between the subclass and
``hp_sampler``, keeps the study's history, avoids duplicates and resolves claims of other workers.
"""

from __future__ import annotations

import abc
import secrets
import threading
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from optuna.samplers import BaseSampler, TPESampler

from optuna_nas._ground import optuna_seam as seam
from optuna_nas._ground.attributes import Attribute, truth
from optuna_nas._ground.checks import is_int, shown
from optuna_nas._ground.keyed import KeyedGenerator
from optuna_nas._ground.per_process import PerProcess
from optuna_nas.keys import DECISIONS_KEY, REPEAT_KEY
from optuna_nas.samplers.base._claims import claim, record
from optuna_nas.samplers.base._decisions import Decides, Decision, DecisionTable, as_decides
from optuna_nas.samplers.base._history import History
from optuna_nas.samplers.base._hooks import as_proposal, check_hook
from optuna_nas.samplers.base._options import SpaceLike
from optuna_nas.samplers.base._plan import DryRun, TrialPlan
from optuna_nas.samplers.base._proposal import Proposal
from optuna_nas.samplers.base._replay import StudyReplay

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial, TrialState

__all__ = ["REPEAT", "ArchitectureSampler"]

T = TypeVar("T")

REPEAT = Attribute(REPEAT_KEY, truth, system=True)

MAX_ATTEMPTS = 50
PROPOSE_STREAM = 1


@dataclass
class _StudyState:
    """One study in this process: its replay, and the plans of its open trials by number."""

    replay: StudyReplay
    plans: dict[int, TrialPlan | None] = field(default_factory=dict)


class ArchitectureSampler(PerProcess, BaseSampler, abc.ABC):
    """Base of the samplers that decide architectures; subclass it for one of your own.

    A sampler decides categorical parameters and integers of at most 64 values without log, in any
    Optuna objective, conditional ones included; everything else of the same trial goes to
    ``hp_sampler``. All state is read from the study, so a sampler can be made anew at any time,
    and with the same seed goes on as if it had never stopped.

    A subclass defines :meth:`propose_next`; the class attributes say what it needs of the study.

    Args:
        seed: Seed, at least 0; None draws one. Random numbers are keyed by (seed, trial number,
            parameter name), so several processes may share a seed. With ``n_jobs > 1`` results
            are not reproducible.
        hp_sampler: Any Optuna sampler, for what this one does not decide, with a random stream of
            its own. Default: ``TPESampler`` with the same seed.
        decides: Which parameters the sampler decides: a function of (name, distribution), a
            collection of names, or None for the rule above.
        space: Optional object with ``suggest(trial)``, and optionally ``digest(params)``. With
            it, decisions of conditional spaces are known before they are asked for, and
            duplicates are told by what a network computes.
        avoid_duplicates: Never propose the same decisions twice while unseen ones are left, those
            of running trials included. It does not apply in studies that have other parameters
            too, where the same architecture is a new point. Two processes may still propose the
            same decisions before the first trial has finished (give ``space`` to prevent that),
            and in conditional objectives without ``space``.

    Raises:
        ValueError: If ``seed`` is negative.
        TypeError: If ``decides`` or ``space`` is of the wrong kind.

    Example::

        class HillClimbing(ArchitectureSampler):
            needs_single_objective = True

            def propose_next(self, history, rng):
                if len(history.members) < 10:
                    return {}  # drawn at random
                best = history.best.decisions
                name = rng.choice("name", [n for n, made in best.items() if made.alternatives])
                return best | {name: rng.choice("choice", best[name].alternatives)}
    """

    history_size: int | None = None
    """Number of the youngest finished trials that ``history.members`` has; None: all. A sampler
    that looks at none sets 0, and one that looks at a window its length, which saves memory."""

    short_names: ClassVar[tuple[str, ...]] = ()
    """Names by which ``optuna-nas search --sampler`` offers a sampler of the package: the first is
    the class with its defaults, each other a constructor of that name."""

    needs_single_objective: bool = False
    """Whether studies with several objectives are refused."""

    records_order: bool = False
    """Whether to record the order in which a trial's decisions are asked for, even where nothing
    is claimed. Set it if proposals depend on the order of ``member.decisions``: storages of other
    machines need not keep it."""

    max_rejections: int = 0
    """Number of proposals for a trial that may be rejected as known before choices that lead to
    known decisions only are closed. 0 closes them at once; a stochastic policy that is to be drawn
    from without a bias sets more."""

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

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_hook(cls, ArchitectureSampler, "propose_next", ("history", "rng"))

    @abc.abstractmethod
    def propose_next(self, history: History, rng: KeyedGenerator) -> Proposal | Mapping[str, Any]:
        """Propose the decisions of the next trial.

        It may be called several times for one trial: a proposal that turns out to be known, or
        is claimed by another worker, is asked for again with another ``rng.attempt``. The result
        must follow from the arguments alone.

        Args:
            history: Everything that is known of the study.
            rng: Random numbers of the trial, keyed by what they are for.

        Returns:
            A mapping of parameter names to values (or to :class:`Assignment`), in which names may
            be missing: they are drawn uniformly. Or a :class:`Proposal`, for choices that depend
            on earlier ones or attributes to record.
        """

    def _default_hp_sampler(self, seed: int | None) -> BaseSampler:
        return TPESampler(seed=seed)

    def _forget(self) -> None:
        self._lock = threading.RLock()
        # Weak keys: a sampler that serves many studies keeps nothing of those that are gone.
        self._states: weakref.WeakKeyDictionary[BaseStorage, dict[int, _StudyState]]
        self._states = weakref.WeakKeyDictionary()

    def reseed_rng(self) -> None:
        """Reseed ``hp_sampler``; the decisions are keyed by trial and need no reseeding."""
        self._hp_sampler.reseed_rng()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Called by Optuna before a trial starts."""
        self._hp_sampler.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return what ``hp_sampler`` draws jointly: its own parameters only.

        Raises:
            ValueError: If the study has several objectives and the sampler can take one only.
        """
        self._check_objectives(study)
        with self._lock:
            replay = self._current_state(study, trial).replay
        if not replay.has_other_params:
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
        """Let ``hp_sampler`` draw the parameters that it draws jointly."""
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
            state = self._current_state(study, trial)
            decision = state.replay.table.get(param_name, param_distribution)
            if decision is not None:
                return decision.value(self._decide(study, trial, state, decision))
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
            plan = self._state_of(study).plans.pop(trial.number, None)
            if plan is not None and not plan.complete:
                if (plan.unseen or self.records_order) and not seam.in_one_process(study):
                    seam.set_trial_attribute(study, trial, DECISIONS_KEY, plan.params)
                record(study, trial, plan)
        self._hp_sampler.after_trial(study, trial, state, values)

    def propose(
        self, study: Study, suggest: Callable[[Any], T], n: int, *, seed: int | None = None
    ) -> list[T]:
        """Draw architectures as the next trials would, without making trials.

        They may repeat each other and what the study has seen. Training with shared weights
        needs many of them per trial.

        Args:
            study: The study to learn from.
            suggest: A function of a trial, such as ``space.suggest``.
            n: Number of architectures, at least 0.
            seed: Equal seeds give equal architectures as long as no trial finishes; None takes
                new ones at every call.

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
            replay = self._state_of(study).replay
            seam.read_afresh(study)
            replay.refresh(study)
            if seed is None:
                seed = self._proposed
                self._proposed += n
            proposed = []
            for i in range(n):
                rng = KeyedGenerator(self._seed, seed, i, stream=PROPOSE_STREAM)
                proposal = self._proposal(replay, rng, unseen=False)
                plan = TrialPlan(rng, proposal=proposal, fixed={}, cursor=None, unseen=False)
                proposed.append(suggest(DryRun(plan, replay.table, -1, {})))
            return proposed

    def _check_objectives(self, study: Study) -> None:
        if self.needs_single_objective and len(study.directions) > 1:
            raise ValueError(
                f"{type(self).__name__} searches one objective, but the study has "
                f"{len(study.directions)}. For several objectives use "
                "RegularizedEvolutionSampler, RandomSearchSampler or "
                "optuna.samplers.NSGAIISampler."
            )

    def _state_of(self, study: Study) -> _StudyState:
        storage, study_id = seam.study_key(study)
        states = self._states.get(storage)
        if states is None:
            states = self._states[storage] = {}
        if study_id not in states:
            digest = getattr(self._space, "digest", None)
            table = DecisionTable(self._decides)
            states[study_id] = _StudyState(StudyReplay(table, self.history_size, digest))
        return states[study_id]

    def _current_state(self, study: Study, trial: FrozenTrial) -> _StudyState:
        """Return the state of the study, brought up to date once per trial."""
        state = self._state_of(study)
        if trial.number not in state.plans:
            seam.read_afresh(study)  # other threads may have read more than this one remembers
            state.replay.refresh(study)
            # Trials may end without `after_trial`: told or failed by another process.
            for number in [n for n in state.plans if state.replay.has_finished(n)]:
                del state.plans[number]
            state.plans[trial.number] = None
        return state

    def _decide(
        self, study: Study, trial: FrozenTrial, state: _StudyState, decision: Decision
    ) -> int:
        plan = state.plans[trial.number]
        if plan is None:
            plan = state.plans[trial.number] = self._new_plan(study, trial, state.replay)
        planned = plan.assignments.get(decision.name)
        if planned is not None and planned.decision is decision:
            return planned.index
        if plan.complete:
            plan.deviate()
            state.replay.release(trial.number)
        for name, value in trial.params.items():
            if name not in plan.assignments:
                other = state.replay.table.get(name, trial.distributions[name])
                if other is not None and (index := other.index(value)) is not None:
                    plan.note(other, index)
        return plan.decide(decision)

    def _new_plan(self, study: Study, trial: FrozenTrial, replay: StudyReplay) -> TrialPlan:
        """Make a trial's decisions, as far as they can be known before they are asked for."""
        with replay.turning_down() as turn_down:
            for attempt in range(MAX_ATTEMPTS):
                plan = self._dry_run(trial, replay, attempt)
                if plan.proposal.repeats:
                    seam.set_trial_attribute(study, trial, REPEAT_KEY, True)
                if not plan.complete:
                    return plan
                if not self._avoids_known(replay):
                    if not self._avoid_duplicates and replay.trie.seen(plan.assignments):
                        seam.set_trial_attribute(study, trial, REPEAT_KEY, True)
                    if self.records_order and not seam.in_one_process(study):
                        seam.set_trial_attribute(study, trial, DECISIONS_KEY, plan.params)
                    break
                if plan.unseen and replay.knows(plan.assignments, besides=trial.number):
                    # The trie does not know it, but its digest is known: choose another one.
                    turn_down(plan.sequence)
                elif claim(study, trial, replay, plan):
                    break
        record(study, trial, plan)
        return plan

    def _avoids_known(self, replay: StudyReplay) -> bool:
        return self._avoid_duplicates and not replay.has_other_params

    def _dry_run(self, trial: FrozenTrial, replay: StudyReplay, attempt: int) -> TrialPlan:
        rng = KeyedGenerator(self._seed, trial.number, attempt)
        unseen = self._avoids_known(replay) and not replay.trie.exhausted
        fixed = {**seam.enqueued_params(trial), **trial.params}
        in_advance = self._space is not None or replay.static_decisions is not None
        free = in_advance and attempt < self.max_rejections
        # Where enqueued values leave nothing unseen near what is proposed, the trie cannot tell it
        # beforehand, and the same would be proposed in vain again: the later attempts are uniform.
        uniform = attempt >= MAX_ATTEMPTS // 2
        proposal = Proposal() if uniform else self._proposal(replay, rng, unseen=unseen)
        unseen = unseen and not proposal.repeats
        plan = TrialPlan(
            rng,
            proposal=proposal,
            fixed=fixed,
            cursor=replay.trie.cursor() if unseen and not free else None,
            unseen=unseen,
        )
        if self._space is not None:
            self._space.suggest(DryRun(plan, replay.table, trial.number, fixed))
            plan.complete = True
        elif replay.static_decisions is not None:
            for decision in replay.static_decisions:
                plan.decide(decision)
            plan.complete = True
        return plan

    def _proposal(self, replay: StudyReplay, rng: KeyedGenerator, *, unseen: bool) -> Proposal:
        history = History(replay, number=rng.number, must_be_unseen=unseen)
        return as_proposal(self.propose_next(history, rng), type(self))
