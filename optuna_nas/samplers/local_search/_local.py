"""Local search: hill climbing over architectures that differ in one decision, with restarts.

References:
    White, Nolen, Savani, Exploring the Loss Landscape in Neural Architecture Search, UAI 2021,
    arXiv:2005.02960.

Differences from the paper:
    1. The paper evaluates all neighbours of an architecture and moves to the best, or moves to the
       first better one. Here most trials try a neighbour of the best architecture that has untried
       ones, and the others follow one chain of first improvements from a random start: either
       alone gets stuck on some problems.
    2. A chain that has tried all neighbours of its top starts anew at random; the best-first
       trials go down the list instead.
    3. The neighbour to try is the most promising of several, by the lift of its choice: how much
       more often the best trials have it than all have (``num_candidates=1`` undoes that).
    4. No worker waits: several try different neighbours, and running trials count as tried.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Unpack

from optuna_nas._ground.checks import is_int, require_probability, shown
from optuna_nas.samplers.base import ArchitectureSampler, Proposal
from optuna_nas.samplers.evolution._lineage import Child
from optuna_nas.samplers.evolution._mutation import mutation_order, mutations, pick
from optuna_nas.samplers.local_search._landscape import Landscape

if TYPE_CHECKING:
    from optuna_nas.samplers.base import History, KeyedGenerator, Member, SamplerOptions
    from optuna_nas.samplers.evolution._mutation import Mutation

__all__ = ["LocalSearchSampler"]

REPEAT_PROBABILITY = 0.2


class LocalSearchSampler(ArchitectureSampler):
    """Hill climbing with restarts (arXiv:2005.02960) on any discrete or conditional objective.

    The strongest simple method where evaluations are exact, such as tables, estimates of cost or
    long training. Do not use it where training noise is as large as the differences between
    neighbours: it believes every lucky score, and evolution forgets them.

    ================= ==========================================
    conditional       yes (a neighbour draws decisions that the other did not have)
    several objectives no
    constraints       feasible trials beat infeasible ones, less violation beats more
    pruning           yes
    parallel          yes, asynchronous
    cost per trial    within 2x of ``RandomSampler``
    ================= ==========================================

    In studies that have other parameters too, one trial in five takes an architecture again, with
    other hyperparameters.

    Args:
        best_first_probability: Probability, in [0, 1], to try a neighbour of the best
            architecture that has untried ones, rather than to follow the chain.
        n_startup_trials: Finished trials before the first neighbour, at least 1; they are random.
        num_candidates: Neighbours from which the one of the greatest lift is tried, at least 1;
            1 tries the first.
        options: See :class:`~optuna_nas.samplers.base.ArchitectureSampler`; neighbours are new
            whatever ``avoid_duplicates`` is.

    Raises:
        ValueError: If a number is out of range, or the study has several objectives.

    Example::

        import optuna
        from optuna_nas.samplers import LocalSearchSampler
        from optuna_nas.spaces import NASBench201Space

        space = NASBench201Space()
        study = optuna.create_study(sampler=LocalSearchSampler(seed=0))
        study.optimize(lambda trial: str(space.suggest(trial)).count("none"), n_trials=50)
    """

    short_names = ("local",)
    needs_single_objective = True

    def __init__(
        self,
        *,
        best_first_probability: float = 0.5,
        n_startup_trials: int = 8,
        num_candidates: int = 4,
        **options: Unpack[SamplerOptions],
    ) -> None:
        require_probability("best_first_probability", best_first_probability)
        for name, count in (
            ("n_startup_trials", n_startup_trials),
            ("num_candidates", num_candidates),
        ):
            if not is_int(count) or count < 1:
                raise ValueError(f"`{name}` must be 1 or more, but got {name}={shown(count)}.")
        self._best_first_probability = best_first_probability
        self._n_startup_trials = n_startup_trials
        self._num_candidates = num_candidates
        super().__init__(**options)

    def propose_next(self, history: History, rng: KeyedGenerator) -> Proposal:
        """Propose an untried neighbour of the best trial, or of the end of the chain."""
        if len(history.members) < self._n_startup_trials:
            return Proposal()
        landscape = self._landscape(history)

        def untried(member: Member) -> list[Mutation]:
            return self._untried(member, history, rng)

        if rng.random("best first") < self._best_first_probability:
            chosen = landscape.best_open(untried)
        else:
            top = landscape.top()
            chosen = None if top is None else (top, untried(top))
        if chosen is None or not chosen[1]:
            return Proposal()  # a new start
        member, neighbours = chosen
        if history.has_other_params and rng.random("again") < REPEAT_PROBABILITY:
            return Child(member.decisions, [member])
        return Child(pick(neighbours, landscape.lift), [member])

    def _landscape(self, history: History) -> Landscape:
        landscape = history.learned(Landscape)
        landscape.catch_up(history)
        return landscape

    def _untried(self, member: Member, history: History, rng: KeyedGenerator) -> list[Mutation]:
        """Return some neighbours of a member that were not seen yet, in random order."""
        key = "neighbour"
        order = mutation_order(member.decisions, rng, key)
        neighbours = (
            mutation
            for mutation in mutations(member.decisions, order, rng, key)
            if not history.knows(mutation.decisions)
        )
        return list(islice(neighbours, self._num_candidates))
