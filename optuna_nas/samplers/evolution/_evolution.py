"""Regularized (aging) evolution: tournament selection in which the oldest dies, not the worst.

References:
    Real, Aggarwal, Huang, Le, Regularized Evolution for Image Classifier Architecture Search,
    AAAI 2019, arXiv:1802.01548.
    Deb, Pratap, Agarwal, Meyarivan, A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II,
    IEEE Transactions on Evolutionary Computation 6(2), 2002 (several objectives).

Differences from the paper (Real et al.):
    1. The population is read from the storage: the ``population_size`` youngest finished trials by
       (time of completion, number). Workers are asynchronous, as there. The random start may be
       shorter than the population.
    2. By default no architecture is evaluated twice: a mutation that leads to a known architecture
       is replaced by another one, and only when all single mutations of a parent are known does a
       child differ in more than one decision.
    3. By default the best of several mutations is taken, by the lift of its choice: how much more
       often the better half of the population has it than the whole.
    4. Pruned trials are members too, ranked below all complete ones.
    5. A mutated decision never keeps its value (the paper leaves that open).
    6. Without aging the worst of the population dies, not the worst of the sample: then the
       population depends on nothing but the set of finished trials.
    7. Crossover and several objectives are not in the paper.

``amoebanet()`` undoes 1 (the start), 2 and 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Unpack

from optuna_nas._ground.checks import is_int, is_number, require_probability, require_share, shown
from optuna_nas.samplers.base import ArchitectureSampler, Proposal, Roles
from optuna_nas.samplers.base._roles import ROLES
from optuna_nas.samplers.evolution._lineage import Child
from optuna_nas.samplers.evolution._mutation import (
    OTHER,
    cross,
    mutation_order,
    mutations,
    order_by_role,
    pick,
)
from optuna_nas.samplers.evolution._population import Population
from optuna_nas.samplers.evolution._ranking import Survivors

if TYPE_CHECKING:
    from optuna_nas.samplers.base import History, KeyedGenerator, Member, SamplerOptions
    from optuna_nas.samplers.evolution._mutation import Decisions

__all__ = ["RegularizedEvolutionSampler"]

STARTUP_TRIALS = 20


class RegularizedEvolutionSampler(ArchitectureSampler):
    """Aging evolution (AmoebaNet, arXiv:1802.01548) on any discrete or conditional objective.

    A few random trials first; then each trial is the child of the best of a random sample of the
    population, with one decision mutated, and the oldest member leaves. It needs no model, copes
    with noise, since no lucky score survives for long, and costs next to nothing per trial.

    With several objectives a tournament is won by the foremost front in it, and within that by
    the less crowded of two members.

    ================= ==========================================
    conditional       yes (a child draws decisions that its parent did not have)
    several objectives yes
    constraints       feasible members beat infeasible ones, less violation beats more
    pruning           yes
    parallel          yes, asynchronous
    cost per trial    within 2x of ``RandomSampler``
    ================= ==========================================

    Args:
        population_size: Members that are alive, the paper's P; at least 2.
        tournament_size: Members drawn, with replacement, for each tournament, the paper's S; in
            [1, population_size]. 1 is a random walk. Default: four fifths of the population.
        n_startup_trials: Finished trials before the first child, in [1, population_size]; they
            are random. Default: 20, or the population's size if that is smaller.
        num_candidates: Mutations from which the one of the greatest lift is taken, at least 1;
            1 takes the first.
        mutation_weights: Relative frequency of mutations by role, such as
            ``{"input": 1, "op": 1}``. Roles are ``op``, ``input``, ``anchor``, ``growth`` and
            ``other``, told by the names; those without a weight are mutated only where nothing
            else can be. Default: every decision equally often.
        roles: Roles of your own names: regular expressions mapped to roles.
        identity_probability: Probability of a child without mutation, in [0, 1); above 0 it needs
            ``avoid_duplicates=False``.
        crossover_probability: Probability, in [0, 1], of a child that has its decisions from two
            parents; it is mutated only if it is known already.
        aging: Whether the oldest member dies. Otherwise the worst does, and with several
            objectives the oldest of those that are dominated: better without noise.
        options: See :class:`~optuna_nas.samplers.base.ArchitectureSampler`.

    Raises:
        ValueError: If a size or probability is out of range.

    Example::

        import optuna
        from optuna_nas.samplers import RegularizedEvolutionSampler
        from optuna_nas.spaces import NASBench201Space

        space = NASBench201Space()
        study = optuna.create_study(sampler=RegularizedEvolutionSampler(seed=0))
        study.optimize(lambda trial: str(space.suggest(trial)).count("none"), n_trials=50)
    """

    short_names = ("evolution", "amoebanet")

    def __init__(
        self,
        *,
        population_size: int = 50,
        tournament_size: int | None = None,
        n_startup_trials: int | None = None,
        num_candidates: int = 4,
        mutation_weights: Mapping[str, float] | None = None,
        roles: Mapping[str, str] | None = None,
        identity_probability: float = 0.0,
        crossover_probability: float = 0.0,
        aging: bool = True,
        **options: Unpack[SamplerOptions],
    ) -> None:
        if not is_int(population_size) or population_size < 2:
            raise ValueError(
                "`population_size` must be 2 or more, but got "
                f"population_size={shown(population_size)}."
            )
        if tournament_size is None:
            tournament_size = max(population_size * 4 // 5, 1)
        if n_startup_trials is None:
            n_startup_trials = min(STARTUP_TRIALS, population_size)
        _check_size("tournament_size", tournament_size, population_size)
        _check_size("n_startup_trials", n_startup_trials, population_size)
        if not is_int(num_candidates) or num_candidates < 1:
            raise ValueError(
                "`num_candidates` must be 1 or more, but got "
                f"num_candidates={shown(num_candidates)}."
            )
        _check_probabilities(identity_probability, crossover_probability)
        if identity_probability > 0.0 and options.get("avoid_duplicates", True):
            raise ValueError(
                "An identity mutation is a duplicate: `identity_probability` above 0 needs "
                "avoid_duplicates=False."
            )
        self._population_size = population_size
        self.history_size = population_size if aging else None
        self._tournament_size = tournament_size
        self._n_startup_trials = n_startup_trials
        self._num_candidates = num_candidates
        self._mutation_weights = _checked_weights(mutation_weights)
        self._roles = Roles(roles)
        self._identity_probability = identity_probability
        self._crossover_probability = crossover_probability
        self._aging = aging
        super().__init__(**options)

    @classmethod
    def amoebanet(cls, **overrides: Any) -> RegularizedEvolutionSampler:
        """The paper's settings: P = 100, S = 25, identity 0.05, duplicates allowed.

        Hidden-state and operation mutations are equally likely, as there, if names tell the
        roles. The settings are meant for 20,000 trials; below some 500 trials the defaults do
        better.

        Args:
            overrides: Arguments of the class that differ from the paper's.
        """
        settings: dict[str, Any] = {
            "population_size": 100,
            "tournament_size": 25,
            "n_startup_trials": overrides.get("population_size", 100),
            "num_candidates": 1,
            "mutation_weights": {"input": 1.0, "op": 1.0},
            "identity_probability": 0.05,
            "avoid_duplicates": False,
        }
        return cls(**(settings | overrides))

    def propose_next(self, history: History, rng: KeyedGenerator) -> Proposal:
        """Propose a child of the winner of a tournament."""
        if len(history.members) < self._n_startup_trials:
            return Proposal()
        population = Population(self._alive(history), history.directions)
        parent = population.winner(rng, "tournament", self._tournament_size)
        parents, start = [parent], dict(parent.decisions)
        if rng.random("identity") < self._identity_probability:
            return Child(start, parents)
        if rng.random("crossover or not") < self._crossover_probability:
            mate = population.winner(rng, "mate", self._tournament_size)
            parents, start = [parent, mate], cross(parent.decisions, mate.decisions, rng)
            if not _is_refused(start, history):
                return Child(start, parents)
        return Child(self._mutate(start, population, history, rng), parents)

    def _alive(self, history: History) -> Sequence[Member]:
        if self._aging:
            return history.members
        survivors = history.learned(lambda: Survivors(history.directions))
        return survivors.alive(history.members, self._population_size)

    def _mutate(
        self, start: Decisions, population: Population, history: History, rng: KeyedGenerator
    ) -> Decisions:
        """Make a child that differs in one decision, in more only if it must to be unseen."""
        child = start
        for round_ in range(len(start)):
            key = f"mutation {round_}"
            order = mutation_order(child, rng, key)
            if self._mutation_weights is not None:
                order = order_by_role(order, self._mutation_weights, self._roles, rng, key)
            unseen = (
                mutation
                for mutation in mutations(child, order, rng, key)
                if not _is_refused(mutation.decisions, history)
            )
            found = list(islice(unseen, self._num_candidates))
            if found:
                return pick(found, population.lift)
            known = next(mutations(child, order, rng, key), None)
            child = child if known is None else known.decisions
        return child


def _is_refused(decisions: Decisions, history: History) -> bool:
    return history.must_be_unseen and history.knows(decisions)


def _check_size(name: str, size: int, population_size: int) -> None:
    if not is_int(size) or not 1 <= size <= population_size:
        raise ValueError(
            f"`{name}` must lie in [1, population_size], but got {name}={shown(size)} and "
            f"population_size={population_size}."
        )


def _check_probabilities(identity: float, crossover: float) -> None:
    require_share("identity_probability", identity)
    require_probability("crossover_probability", crossover)


def _checked_weights(weights: Mapping[str, float] | None) -> Mapping[str, float] | None:
    if weights is None:
        return None
    unknown = sorted(weights.keys() - {*ROLES, OTHER})
    are_numbers = all(is_number(weight) and weight >= 0.0 for weight in weights.values())
    if unknown or not are_numbers or sum(weights.values()) <= 0.0:
        raise ValueError(
            f"`mutation_weights` must map roles ({', '.join([*ROLES, OTHER])}) to numbers of 0 or "
            f"more, not all 0, but got mutation_weights={dict(weights)}."
        )
    return dict(weights)
