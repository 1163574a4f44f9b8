"""Regularized (aging) evolution: tournament selection in which the oldest dies, not the worst.

References:
    Real, Aggarwal, Huang, Le, Regularized Evolution for Image Classifier Architecture Search,
    AAAI 2019, arXiv:1802.01548.

Differences from the paper:
    1. The population is read from the storage: the ``population_size`` youngest finished trials by
       (time of completion, number). Workers are asynchronous, as there.
    2. By default no architecture is evaluated twice: a mutation that leads to a known architecture
       is replaced by another one, and only when all single mutations of a parent are known does a
       child differ in more than one decision. ``amoebanet()`` allows duplicates, as in the paper.
    3. Pruned trials are members too, ranked below all complete ones.
    4. A mutated decision never keeps its value (the paper leaves that open).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from optuna_nas.samplers._base import ArchitectureSampler, SpaceLike
from optuna_nas.samplers._script import Proposal, Wish

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from optuna_nas.samplers._decisions import Decides, Draw
    from optuna_nas.samplers._history import History, Member
    from optuna_nas.samplers._trie import DecisionTrie, Step

__all__ = ["RegularizedEvolutionSampler"]


class RegularizedEvolutionSampler(ArchitectureSampler):
    """Aging evolution (AmoebaNet, arXiv:1802.01548) on any discrete or conditional objective.

    A random population first; then each trial is the child of the best of a random sample of the
    population, with one decision mutated, and the oldest member leaves. It needs no model, copes
    with noise, since no lucky score survives for long, and costs next to nothing per trial.

    ================= ==========================================
    conditional       yes (a child draws decisions that its parent did not have)
    several objectives no
    constraints       feasible members beat infeasible ones
    pruning           yes
    parallel          yes, asynchronous
    cost per trial    within 2x of ``RandomSampler``
    ================= ==========================================

    Args:
        population_size: Members that are alive, the paper's P; at least 2. So many trials are
            random.
        tournament_size: Members drawn, with replacement, for each tournament, the paper's S; in
            [1, population_size]. 1 is a random walk.
        identity_probability: Chance of a child without mutation; needs ``avoid_duplicates=False``.
        seed: See :class:`ArchitectureSampler`.
        hp_sampler: Draws what is no architecture decision; default ``TPESampler``.
        decides: See :class:`ArchitectureSampler`.
        space: See :class:`ArchitectureSampler`.
        avoid_duplicates: See :class:`ArchitectureSampler`.

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

    _needs_single_objective = True

    def __init__(
        self,
        *,
        population_size: int = 20,
        tournament_size: int = 15,
        identity_probability: float = 0.0,
        seed: int | None = None,
        hp_sampler: BaseSampler | None = None,
        decides: Decides | Collection[str] | None = None,
        space: SpaceLike | None = None,
        avoid_duplicates: bool = True,
    ) -> None:
        if population_size < 2:
            raise ValueError(
                f"`population_size` must be 2 or more, but got population_size={population_size}."
            )
        if not 1 <= tournament_size <= population_size:
            raise ValueError(
                "`tournament_size` must lie in [1, population_size], but got "
                f"tournament_size={tournament_size} and population_size={population_size}."
            )
        if not 0.0 <= identity_probability < 1.0:
            raise ValueError(
                "`identity_probability` must lie in [0, 1), but got "
                f"identity_probability={identity_probability}."
            )
        if identity_probability > 0.0 and avoid_duplicates:
            raise ValueError(
                "An identity mutation is a duplicate: `identity_probability` above 0 needs "
                "avoid_duplicates=False."
            )
        self._population_size = self._history_size = population_size
        self._tournament_size = tournament_size
        self._identity_probability = identity_probability
        super().__init__(
            seed=seed,
            hp_sampler=hp_sampler,
            decides=decides,
            space=space,
            avoid_duplicates=avoid_duplicates,
        )

    @classmethod
    def amoebanet(cls, **overrides: Any) -> RegularizedEvolutionSampler:
        """The paper's settings: P = 100, S = 25, identity 0.05, duplicates allowed.

        They are meant for 20,000 trials; below some 500 trials the defaults do better.

        Args:
            overrides: Arguments of the class that differ from the paper's.
        """
        settings: dict[str, Any] = {
            "population_size": 100,
            "tournament_size": 25,
            "identity_probability": 0.05,
            "avoid_duplicates": False,
        }
        return cls(**(settings | overrides))

    def _propose(self, history: History, draw: Draw, *, fresh: bool) -> Proposal:
        population = history.members
        if len(population) < self._population_size:
            return Proposal()
        parent = self._select(population, draw)
        if draw.uniform("identity") < self._identity_probability:
            return Wish(parent.decisions)
        return Wish(_mutate(parent.decisions, draw, history.trie if fresh else None))

    def _select(self, population: list[Member], draw: Draw) -> Member:
        drawn = draw.indices("tournament", len(population), self._tournament_size)
        return min((population[index] for index in drawn), key=lambda member: member.outcome)


def _mutate(parent: Mapping[str, Step], draw: Draw, trie: DecisionTrie | None) -> dict[str, Step]:
    """A child of ``parent`` that differs in one decision, in more only if it must to be unseen."""
    child = dict(parent)
    mutable = [name for name, (slot, _) in parent.items() if slot.size > 1]
    for round_ in range(len(mutable)):
        start = dict(child)
        for position in draw.permutation(f"mutated decision {round_}", len(mutable)):
            name = mutable[position]
            slot, old = start[name]
            for shift in draw.permutation(f"mutation {round_} {name}", slot.size - 1):
                child = {**start, name: (slot, (old + 1 + shift) % slot.size)}
                if trie is None or not trie.seen(child):
                    return child
    return child
