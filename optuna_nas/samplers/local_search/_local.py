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
    3. The neighbour to try is the most promising of several, judged by how often its choice is
       found among the best trials (``num_candidates=1`` undoes that).
    4. Nobody waits: several workers try different neighbours, and running trials count as tried.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import islice
from typing import TYPE_CHECKING

from optuna_nas._checks import is_int, require_probability, shown
from optuna_nas.samplers.base._sampler import ArchitectureSampler, SpaceLike
from optuna_nas.samplers.base._script import Proposal
from optuna_nas.samplers.evolution._lineage import Child
from optuna_nas.samplers.evolution._mutation import mutation_order, mutations, pick
from optuna_nas.samplers.local_search._landscape import Landscape

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from optuna_nas.samplers.base._decisions import Decides, Draw
    from optuna_nas.samplers.base._history import History, Member
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
        best_first_probability: Chance to try a neighbour of the best architecture that has
            untried ones, rather than to follow the chain; in [0, 1].
        n_startup_trials: So many finished trials are random; at least 1.
        num_candidates: Neighbours among which the most promising one is tried; 1: no judging.
        seed: See :class:`ArchitectureSampler`.
        hp_sampler: Draws what is no architecture decision; default ``TPESampler``.
        decides: See :class:`ArchitectureSampler`.
        space: See :class:`ArchitectureSampler`.
        avoid_duplicates: See :class:`ArchitectureSampler`; neighbours are new in any case.

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

    _needs_single_objective = True
    _history_size = None

    def __init__(
        self,
        *,
        best_first_probability: float = 0.5,
        n_startup_trials: int = 8,
        num_candidates: int = 4,
        seed: int | None = None,
        hp_sampler: BaseSampler | None = None,
        decides: Decides | Collection[str] | None = None,
        space: SpaceLike | None = None,
        avoid_duplicates: bool = True,
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
        super().__init__(
            seed=seed,
            hp_sampler=hp_sampler,
            decides=decides,
            space=space,
            avoid_duplicates=avoid_duplicates,
        )

    def _propose(self, history: History, draw: Draw, *, fresh: bool) -> Proposal:
        if len(history.members) < self._n_startup_trials:
            return Proposal()
        landscape = self._landscape(history)

        def untried(member: Member) -> list[Mutation]:
            return self._untried(member, history, draw)

        if draw.uniform("best first") < self._best_first_probability:
            chosen = landscape.best_open(untried)
        else:
            top = landscape.top()
            chosen = None if top is None else (top, untried(top))
        if chosen is None or not chosen[1]:
            return Proposal()  # a new start
        member, neighbours = chosen
        if history.has_other_params and draw.uniform("again") < REPEAT_PROBABILITY:
            return Child(member.decisions, [member])
        return Child(pick(neighbours, landscape.favour), [member])

    def _landscape(self, history: History) -> Landscape:
        landscape = history.learned(Landscape)
        landscape.catch_up(history)
        return landscape

    def _untried(self, member: Member, history: History, draw: Draw) -> list[Mutation]:
        """Some neighbours of a member that were not seen yet, in random order."""
        label = "neighbour"
        order = mutation_order(member.decisions, draw, label)
        neighbours = (
            mutation
            for mutation in mutations(member.decisions, order, draw, label)
            if not history.knows(mutation.decisions, besides=draw.number)
        )
        return list(islice(neighbours, self._num_candidates))
