"""What regularized evolution is: tournaments, one mutated decision, death by age."""

from __future__ import annotations

import datetime
from collections import Counter

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from optuna_nas.samplers import RandomSearchSampler, RegularizedEvolutionSampler
from optuna_nas.samplers._base import REPEAT_KEY

NAMES = tuple(f"op_{i}" for i in range(6))
CHOICES = tuple("abcde")


def _suggest(trial: optuna.Trial) -> dict[str, str]:
    return {name: trial.suggest_categorical(name, CHOICES) for name in NAMES}


def _finished(
    params: dict[str, str], value: float, age: int = 0, state: TrialState = TrialState.COMPLETE
) -> FrozenTrial:
    trial = optuna.create_trial(
        params=params,
        distributions={name: CategoricalDistribution(CHOICES) for name in params},
        value=value if state != TrialState.FAIL else None,
        state=state,
    )
    trial.datetime_complete = datetime.datetime(2026, 1, 2) - datetime.timedelta(seconds=age)
    return trial


def _differences(first: dict[str, str], second: dict[str, str]) -> list[str]:
    return [name for name in NAMES if first[name] != second[name]]


def _children(study: optuna.Study, count: int) -> list[dict[str, str]]:
    """Proposals that are never finished, so that the population stays as it is."""
    return [_suggest(study.ask()) for _ in range(count)]


def test_a_child_differs_from_the_best_in_one_decision() -> None:
    study = optuna.create_study(
        sampler=RegularizedEvolutionSampler(population_size=4, tournament_size=4, seed=0)
    )
    best = dict.fromkeys(NAMES, "c")
    for value in range(1, 4):
        study.add_trial(_finished(dict.fromkeys(NAMES, CHOICES[value + 1 - 2]), value))
    study.add_trial(_finished(best, 0.0))
    counts: Counter[str] = Counter()
    children = _children(study, 16)
    # With replacement the best is missing from a tournament with probability (3/4)^4 = 0.32.
    of_best = [c for c in children if len(_differences(best, c)) == 1]
    assert len(of_best) >= 6
    for child in of_best:
        counts.update(_differences(best, child))
    assert len(counts) >= 4
    assert len({tuple(child.items()) for child in children}) == 16


def test_every_single_mutation_comes_before_a_double_one() -> None:
    """24 single mutations exist of one parent; the 25th child must differ twice."""
    sampler = RegularizedEvolutionSampler(population_size=2, tournament_size=2, seed=0)
    study = optuna.create_study(sampler=sampler)
    parent = dict.fromkeys(NAMES, "a")
    study.add_trial(_finished(parent, 0.0))
    study.add_trial(_finished(parent, 0.0))
    children = _children(study, 25)
    assert sorted(len(_differences(parent, child)) for child in children) == [1] * 24 + [2]


def test_the_population_is_the_youngest_by_completion() -> None:
    """The best of all is the oldest: it must never be a parent again."""
    sampler = RegularizedEvolutionSampler(population_size=3, tournament_size=3, seed=0)
    study = optuna.create_study(sampler=sampler)
    oldest, young = dict.fromkeys(NAMES, "a"), dict.fromkeys(NAMES, "e")
    study.add_trial(_finished(young, 5.0, age=1))
    study.add_trial(_finished(oldest, 0.0, age=100))  # a later number, but finished first
    study.add_trial(_finished(young, 5.0, age=2))
    study.add_trial(_finished(young, 5.0, age=3))
    for child in _children(study, 20):
        assert len(_differences(young, child)) == 1
    assert study.best_trial.params == oldest


def test_it_is_random_until_the_population_is_full() -> None:
    evolution = optuna.create_study(
        sampler=RegularizedEvolutionSampler(population_size=10, tournament_size=5, seed=4)
    )
    random = optuna.create_study(sampler=RandomSearchSampler(seed=4))
    for study in (evolution, random):
        study.optimize(lambda t: "".join(_suggest(t).values()).count("a"), n_trials=15)
    mine, other = ([t.params for t in study.trials] for study in (evolution, random))
    assert mine[:10] == other[:10]
    assert all(mine[i] != other[i] for i in range(10, 15))


def test_failed_trials_are_no_members_but_pruned_and_infeasible_ones_are() -> None:
    sampler = RegularizedEvolutionSampler(population_size=2, tournament_size=2, seed=0)
    study = optuna.create_study(sampler=sampler)
    member = dict.fromkeys(NAMES, "b")
    study.add_trial(_finished(member, 3.0, age=9, state=TrialState.PRUNED))
    infeasible = _finished(member, 0.0, age=8)
    infeasible.set_constraint("max_params", 1.0)
    study.add_trial(infeasible)
    study.add_trial(_finished(dict.fromkeys(NAMES, "d"), 0.0, age=1, state=TrialState.FAIL))
    assert all(len(_differences(member, child)) == 1 for child in _children(study, 20))


def test_a_feasible_member_beats_a_better_infeasible_one() -> None:
    sampler = RegularizedEvolutionSampler(population_size=2, tournament_size=2, seed=0)
    study = optuna.create_study(sampler=sampler, direction="maximize")
    feasible, infeasible = dict.fromkeys(NAMES, "a"), dict.fromkeys(NAMES, "e")
    study.add_trial(_finished(feasible, 0.1))
    trial = _finished(infeasible, 0.9)
    trial.set_constraint("max_params", 5.0)
    study.add_trial(trial)
    children = _children(study, 20)
    of_feasible = [child for child in children if len(_differences(feasible, child)) == 1]
    # The infeasible one wins only when it is drawn twice: probability 1/4.
    assert len(of_feasible) >= 10


def test_tournament_of_one_is_a_random_walk() -> None:
    sampler = RegularizedEvolutionSampler(population_size=2, tournament_size=1, seed=0)
    study = optuna.create_study(sampler=sampler)
    good, bad = dict.fromkeys(NAMES, "a"), dict.fromkeys(NAMES, "e")
    study.add_trial(_finished(good, 0.0))
    study.add_trial(_finished(bad, 9.0))
    parents = Counter(
        "good" if len(_differences(good, child)) <= 2 else "bad" for child in _children(study, 40)
    )
    assert 10 <= parents["good"] <= 30


def test_conditional_children_draw_what_their_parent_did_not_have() -> None:
    def objective(trial: optuna.Trial) -> float:
        depth = trial.suggest_int("depth", 1, 6)
        ops = [trial.suggest_categorical(f"op_{i}", CHOICES) for i in range(depth)]
        return depth + ops.count("a")

    sampler = RegularizedEvolutionSampler(population_size=6, tournament_size=6, seed=0)
    study = optuna.create_study(sampler=sampler, direction="maximize")
    study.optimize(objective, n_trials=60)
    trials = study.trials
    for number in range(10, 60):
        child, population = trials[number].params, trials[number - 6 : number]

        def mutated(parent: FrozenTrial, child: dict[str, object] = child) -> int:
            return sum(
                parent.params[name] != child[name] for name in child if name in parent.params
            )

        assert min(mutated(parent) for parent in population) <= 1
    assert study.best_value > 8


def test_amoebanet_settings_and_identity_mutations() -> None:
    sampler = RegularizedEvolutionSampler.amoebanet(seed=0)
    assert (sampler._population_size, sampler._tournament_size) == (100, 25)
    study = optuna.create_study(sampler=sampler)
    parent = dict.fromkeys(NAMES, "c")
    for _ in range(100):
        study.add_trial(_finished(parent, 0.0))
    trials = [study.ask() for _ in range(1000)]
    differences = Counter(len(_differences(parent, _suggest(trial))) for trial in trials)
    assert differences.keys() == {0, 1}
    # Binomial(1000, 0.05): 50 ± 4 standard deviations of 6.9.
    assert 22 <= differences[0] <= 78
    known = {tuple(parent.values())}
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        proposed = tuple(trial.params.values())
        assert trial.system_attrs.get(REPEAT_KEY, False) == (proposed in known)
        known.add(proposed)


def test_it_finds_the_optimum_sooner_than_random_search() -> None:
    def trials_to_the_optimum(sampler: optuna.samplers.BaseSampler) -> int:
        study = optuna.create_study(sampler=sampler, direction="maximize")
        study.optimize(lambda t: list(_suggest(t).values()).count("e"), n_trials=150)
        return next((t.number for t in study.trials if t.value == 6), 150)

    evolution = [
        trials_to_the_optimum(RegularizedEvolutionSampler(seed=seed)) for seed in range(5)
    ]
    random = [trials_to_the_optimum(RandomSearchSampler(seed=seed)) for seed in range(5)]
    assert max(evolution) < 150
    assert sorted(evolution)[2] < sorted(random)[2]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"population_size": 1}, "`population_size` must be 2 or more, but got"),
        (
            {"population_size": 10, "tournament_size": 11},
            r"`tournament_size` must lie in \[1, population_size\], but got tournament_size=11",
        ),
        ({"population_size": 10, "tournament_size": 0}, "`tournament_size` must lie"),
        ({"identity_probability": 1.0}, r"`identity_probability` must lie in \[0, 1\)"),
        ({"identity_probability": 0.05}, "needs avoid_duplicates=False"),
    ],
)
def test_bad_settings_are_refused(kwargs: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RegularizedEvolutionSampler(**kwargs)  # type: ignore[arg-type]


def test_several_objectives_are_refused_with_the_way_out() -> None:
    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=RegularizedEvolutionSampler()
    )
    with pytest.raises(ValueError, match="searches one objective, but the study has 2"):
        study.ask().suggest_categorical("op", ["a", "b"])
