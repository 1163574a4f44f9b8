"""The plan of one trial: its decisions, made before the trial asks for them.

A sampler that never repeats an architecture has to know all decisions of a trial before the first
of them is answered: only the whole sequence can be looked up, and claimed before other workers do.
But an objective is a program that asks for one parameter at a time. So the trial is gone through
in advance: with ``space=`` by a dry run of ``space.suggest``, else along the decisions that all
earlier trials have asked for. The real trial then reads its answers from the plan. Where it asks
for something else (an objective whose decisions depend on what only it knows), the plan is left
and every further decision is made when it is asked for.
"""

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

from optuna_nas.samplers.base._decisions import Assignment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna_nas._ground.keyed import KeyedGenerator
    from optuna_nas.samplers.base._decisions import Decision, DecisionTable
    from optuna_nas.samplers.base._proposal import Proposal
    from optuna_nas.samplers.base._trie import Cursor

__all__ = ["DryRun", "TrialPlan"]


class TrialPlan:
    """Makes the decisions of one trial, one after the other, and remembers them.

    Args:
        rng: Randomness of the trial.
        proposal: Asked first, wherever a choice is free.
        fixed: Values that the sampler may not choose (enqueued ones), by name.
        cursor: Position in the trie of known sequences, which closes choices that are used up;
            None leaves all choices open.
        unseen: Whether the whole sequence has to be unknown.

    Attributes:
        assignments: The decisions so far by name, in the order of asking.
        complete: Whether these are all decisions of the trial, made in advance.
    """

    def __init__(
        self,
        rng: KeyedGenerator,
        *,
        proposal: Proposal,
        fixed: Mapping[str, Any],
        cursor: Cursor | None,
        unseen: bool,
    ) -> None:
        self._rng = rng
        self.proposal = proposal
        self._fixed = fixed
        self._cursor = cursor
        self.assignments: dict[str, Assignment] = {}
        self.complete = False
        self.unseen = unseen

    @property
    def sequence(self) -> tuple[Assignment, ...]:
        """The decisions so far, in order."""
        return tuple(self.assignments.values())

    @property
    def params(self) -> dict[str, Any]:
        """The decisions so far as parameters of a trial."""
        return {name: made.decision.value(made.index) for name, made in self.assignments.items()}

    def decide(self, decision: Decision) -> int:
        """Make a decision that has not been made yet, and return the number of the choice."""
        index: int | None = None
        if decision.name in self._fixed:
            index = decision.index(self._fixed[decision.name])
        if index is None:
            index = self._choose(decision)
        self.note(decision, index)
        return index

    def note(self, decision: Decision, index: int) -> None:
        """Take in a decision that was made elsewhere."""
        self.assignments[decision.name] = decision.assignment(index)
        self.proposal.note(decision, index)
        if self._cursor is not None:
            self._cursor.advance(decision, index)

    def deviate(self) -> None:
        """Leave the plan, since the trial asks for something else: choose freely from here on."""
        # The trie was followed along decisions that are not this trial's, so it closes nothing.
        self._cursor = None
        self.complete = False

    def _choose(self, decision: Decision) -> int:
        if self._cursor is None:
            candidates = list(range(decision.size))
        else:
            candidates = self._cursor.open_choices(decision)
        index = self.proposal.choose(decision, candidates)
        if index in candidates:
            return index
        # Nothing is proposed, or a choice that leads to known architectures only.
        return candidates[self._rng.index(decision.name, len(candidates))]


class DryRun:
    """A stand-in for a trial, on which ``space.suggest`` is run to make a plan.

    What the sampler does not decide gets the lowest value: a space that branches on it deviates
    from the plan later.

    Args:
        plan: Makes the decisions.
        table: Tells which parameters are decisions.
        number: Number of the real trial.
        fixed: Values enqueued for it, kept where Optuna's trials keep them.
    """

    def __init__(
        self, plan: TrialPlan, table: DecisionTable, number: int, fixed: Mapping[str, Any]
    ) -> None:
        self.number = number
        self._fixed_params = dict(fixed)
        self.params: dict[str, Any] = {}
        self.user_attrs: dict[str, Any] = {}
        self._plan = plan
        self._table = table

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
            decision = self._table.get(name, distribution)
            if decision is None:
                assert isinstance(distribution, FloatDistribution | IntDistribution)
                self.params[name] = distribution.low
            else:
                self.params[name] = decision.value(self._plan.decide(decision))
        return self.params[name]
