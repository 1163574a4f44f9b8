"""What regularized evolution is: tournaments, one mutated decision, death by age."""

from __future__ import annotations

from collections import Counter

import optuna
import pytest
from finished_trials import (
    CHOICES,
    NAMES,
    alike,
    differences,
    finished,
    hypervolume,
    proposals,
    suggest,
)
from optuna.trial import FrozenTrial, TrialState

from optuna_nas.keys import REPEAT_KEY
from optuna_nas.samplers import RandomSearchSampler, RegularizedEvolutionSampler


def test_a_child_differs_from_the_best_in_one_decision() -> None:
    study = optuna.create_study(
        sampler=RegularizedEvolutionSampler(population_size=4, tournament_size=4, seed=0)
    )
    best = alike("c")
    for value in range(1, 4):
        study.add_trial(finished(alike(CHOICES[value - 1]), value))
    study.add_trial(finished(best, 0.0))
    counts: Counter[str] = Counter()
    children = proposals(study, 16)
    # With replacement the best is missing from a tournament with probability (3/4)^4 = 0.32.
    of_best = [c for c in children if len(differences(best, c)) == 1]
    assert len(of_best) >= 6
    for child in of_best:
        counts.update(differences(best, child))
    assert len(counts) >= 4
    assert len({tuple(child.items()) for child in children}) == 16


def test_every_single_mutation_comes_before_a_double_one() -> None:
    """24 single mutations exist of one parent; the 25th child must differ twice."""
    sampler = RegularizedEvolutionSampler(population_size=2, tournament_size=2, seed=0)
    study = optuna.create_study(sampler=sampler)
    parent = alike("a")
    study.add_trial(finished(parent, 0.0))
    study.add_trial(finished(parent, 0.0))
    children = proposals(study, 25)
    assert sorted(len(differences(parent, child)) for child in children) == [1] * 24 + [2]


def test_the_population_is_the_youngest_by_completion() -> None:
    """The best of all is the oldest: it must never be a parent again."""
    sampler = RegularizedEvolutionSampler(population_size=3, tournament_size=3, seed=0)
    study = optuna.create_study(sampler=sampler)
    oldest, young = alike("a"), alike("e")
    study.add_trial(finished(young, 5.0, age=1))
    study.add_trial(finished(oldest, 0.0, age=100))  # a later number, but finished first
    study.add_trial(finished(young, 5.0, age=2))
    study.add_trial(finished(young, 5.0, age=3))
    for child in proposals(study, 20):
        assert len(differences(young, child)) == 1
    assert study.best_trial.params == oldest


def test_it_is_random_until_the_population_is_full() -> None:
    evolution = optuna.create_study(
        sampler=RegularizedEvolutionSampler(population_size=10, tournament_size=5, seed=4)
    )
    random = optuna.create_study(sampler=RandomSearchSampler(seed=4))
    for study in (evolution, random):
        study.optimize(lambda t: "".join(suggest(t).values()).count("a"), n_trials=15)
    mine, other = ([t.params for t in study.trials] for study in (evolution, random))
    assert mine[:10] == other[:10]
    assert all(mine[i] != other[i] for i in range(10, 15))


def test_failed_trials_are_no_members_but_pruned_and_infeasible_ones_are() -> None:
    sampler = RegularizedEvolutionSampler(population_size=2, tournament_size=2, seed=0)
    study = optuna.create_study(sampler=sampler)
    member = alike("b")
    study.add_trial(finished(member, 3.0, age=9, state=TrialState.PRUNED))
    infeasible = finished(member, 0.0, age=8)
    infeasible.set_constraint("max_params", 1.0)
    study.add_trial(infeasible)
    study.add_trial(finished(alike("d"), 0.0, age=1, state=TrialState.FAIL))
    assert all(len(differences(member, child)) == 1 for child in proposals(study, 20))


def test_a_feasible_member_beats_a_better_infeasible_one() -> None:
    sampler = RegularizedEvolutionSampler(population_size=2, tournament_size=2, seed=0)
    study = optuna.create_study(sampler=sampler, direction="maximize")
    feasible, infeasible = alike("a"), alike("e")
    study.add_trial(finished(feasible, 0.1))
    trial = finished(infeasible, 0.9)
    trial.set_constraint("max_params", 5.0)
    study.add_trial(trial)
    children = proposals(study, 20)
    of_feasible = [child for child in children if len(differences(feasible, child)) == 1]
    # The infeasible one wins only when it is drawn twice: probability 1/4.
    assert len(of_feasible) >= 10


def test_tournament_of_one_is_a_random_walk() -> None:
    sampler = RegularizedEvolutionSampler(population_size=2, tournament_size=1, seed=0)
    study = optuna.create_study(sampler=sampler)
    good, bad = alike("a"), alike("e")
    study.add_trial(finished(good, 0.0))
    study.add_trial(finished(bad, 9.0))
    parents = Counter(
        "good" if len(differences(good, child)) <= 2 else "bad" for child in proposals(study, 40)
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


@pytest.mark.slow
def test_amoebanet_settings_and_identity_mutations() -> None:
    sampler = RegularizedEvolutionSampler.amoebanet(seed=0)
    assert (sampler._population_size, sampler._tournament_size) == (100, 25)
    study = optuna.create_study(sampler=sampler)
    parent = alike("c")
    for _ in range(100):
        study.add_trial(finished(parent, 0.0))
    trials = [study.ask() for _ in range(1000)]
    distances = Counter(len(differences(parent, suggest(trial))) for trial in trials)
    assert distances.keys() == {0, 1}
    # Binomial(1000, 0.05): 50 ± 4 standard deviations of 6.9.
    assert 22 <= distances[0] <= 78
    known = {tuple(parent.values())}
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        proposed = tuple(trial.params.values())
        assert trial.system_attrs.get(REPEAT_KEY, False) == (proposed in known)
        known.add(proposed)


def test_it_finds_the_optimum_sooner_than_random_search() -> None:
    def trials_to_the_optimum(sampler: optuna.samplers.BaseSampler) -> int:
        study = optuna.create_study(sampler=sampler, direction="maximize")
        study.optimize(lambda t: list(suggest(t).values()).count("e"), n_trials=150)
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
        (
            {"population_size": 10, "n_startup_trials": 11},
            r"`n_startup_trials` must lie in \[1, population_size\], but got n_startup_trials=11",
        ),
        ({"num_candidates": 0}, "`num_candidates` must be 1 or more, but got"),
        ({"crossover_probability": 1.1}, r"`crossover_probability` must lie in \[0, 1\], but"),
        ({"mutation_weights": {"ops": 1}}, r"`mutation_weights` must map roles \(anchor, growth"),
        ({"mutation_weights": {"op": 0}}, "not all 0, but got mutation_weights={'op': 0}"),
        ({"mutation_weights": {"op": -1, "input": 2}}, "to numbers of 0 or more"),
        ({"mutation_weights": {}}, "not all 0"),
    ],
)
def test_bad_settings_are_refused(kwargs: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RegularizedEvolutionSampler(**kwargs)  # type: ignore[arg-type]


def test_the_random_start_may_be_shorter_than_the_population() -> None:
    evolution, random = (
        optuna.create_study(sampler=sampler)
        for sampler in (
            RegularizedEvolutionSampler(n_startup_trials=4, seed=4),
            RandomSearchSampler(seed=4),
        )
    )
    for study in (evolution, random):
        study.optimize(lambda t: len(set(suggest(t).values())), n_trials=7)
    mine, other = ([t.params for t in study.trials] for study in (evolution, random))
    assert mine[:4] == other[:4]
    assert all(min(len(differences(p, mine[i])) for p in mine[:i]) == 1 for i in range(4, 7))


def test_promising_mutations_come_first() -> None:
    """Of the mutations of the best member, "e" is frequent in the better half, "b" in the other.

    Four candidates hold an "e" with probability 1 - (3/4)^4 = 0.68, and one with 1/4.
    """
    shares = {}
    for num_candidates in (1, 4):
        sampler = RegularizedEvolutionSampler(
            population_size=8,
            tournament_size=8,
            num_candidates=num_candidates,
            avoid_duplicates=False,
            seed=0,
        )
        study = optuna.create_study(sampler=sampler)
        study.add_trial(finished(alike("a"), 0.0))
        for choice, value in zip("eeebbbb", range(1, 8), strict=True):
            study.add_trial(finished(alike(choice), value))
        children = [c for c in proposals(study, 200) if len(differences(alike("a"), c)) == 1]
        assert len(children) > 100
        shares[num_candidates] = sum("e" in child.values() for child in children) / len(children)
        assert any("b" in child.values() for child in children) == (num_candidates == 1)
    assert shares[1] == pytest.approx(0.25, abs=0.15)
    assert shares[4] == pytest.approx(0.68, abs=0.15)


def test_without_aging_the_best_stay_and_the_worst_die() -> None:
    sampler = RegularizedEvolutionSampler(
        population_size=2, tournament_size=2, aging=False, seed=0
    )
    study = optuna.create_study(sampler=sampler)
    good = alike("a")
    study.add_trial(finished(good, 0.0, age=100))
    study.add_trial(finished(good, 0.5, age=99))
    for i in range(5):
        study.add_trial(finished(alike("e"), 9.0, age=i))
    children = proposals(study, 24)
    assert all(len(differences(good, child)) == 1 for child in children)


def test_crossover_children_mix_two_parents() -> None:
    sampler = RegularizedEvolutionSampler(
        population_size=2,
        tournament_size=1,
        num_candidates=1,
        crossover_probability=1.0,
        seed=0,
    )
    study = optuna.create_study(sampler=sampler)
    for i, choice in enumerate("ae"):
        study.add_trial(finished(alike(choice), float(i)))
    children = proposals(study, 40)
    mixed = [set(child.values()) for child in children]
    # The two are drawn as a pair with probability 1/2; else the child is the parent, mutated.
    assert 10 <= sum(values == {"a", "e"} for values in mixed) <= 40
    assert len({tuple(child.items()) for child in children}) == 40
    unmutated = 0
    for trial in study.trials[2:]:
        lineage = trial.system_attrs["optuna_nas:lineage"]
        unmutated += len(lineage["parents"]) == 2 and not lineage["mutated"]
        mutated = [
            n for n in NAMES if trial.params[n] not in {"ae"[p] for p in lineage["parents"]}
        ]
        assert lineage["mutated"] == mutated
    assert unmutated >= 10


def test_roles_decide_what_is_mutated() -> None:
    names = ("normal_2_op_a", "normal_2_op_b", "kernel", "wiring")
    sampler = RegularizedEvolutionSampler.amoebanet(
        population_size=2,
        tournament_size=2,
        roles={"^kernel$": "op", "^wiring$": "input"},
        seed=0,
    )
    study = optuna.create_study(sampler=sampler)
    for _ in range(2):
        study.add_trial(finished(dict.fromkeys(names, "a"), 0.0))
    counts: Counter[str] = Counter()
    for _ in range(600):
        trial = study.ask()
        for name in names:
            if trial.suggest_categorical(name, CHOICES) != "a":
                counts[name] += 1
    # 570 mutations, 285 of either role (sd 12); three names share one role.
    assert sum(counts.values()) == pytest.approx(570, abs=25)
    assert counts["wiring"] == pytest.approx(285, abs=50)
    assert all(counts[name] == pytest.approx(95, abs=40) for name in names[:3])


def test_several_objectives_keep_to_the_front() -> None:
    """Parents are undominated: never one of the dominated, however young."""
    sampler = RegularizedEvolutionSampler(population_size=6, tournament_size=6, seed=0)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    front = [alike("a"), alike("b"), alike("c")]
    for i, params in enumerate(front):
        study.add_trial(finished(params, float(i), float(i), age=9))
    for _ in range(3):
        study.add_trial(finished(alike("e"), 0.0, 5.0))
    parents: Counter[int] = Counter()
    for child in proposals(study, 30):
        distances = [len(differences(params, child)) for params in front]
        parents[distances.index(min(distances))] += min(distances) == 1
    # A dominated one wins only if no other is drawn: probability 1/64.
    assert sum(parents.values()) >= 28
    # The ends have all the room there is, so that the middle wins only against itself.
    assert 0 < parents[1] < min(parents[0], parents[2])


def test_with_several_objectives_feasible_members_beat_infeasible_ones() -> None:
    sampler = RegularizedEvolutionSampler(population_size=3, tournament_size=3, seed=0)
    study = optuna.create_study(directions=["maximize", "maximize"], sampler=sampler)
    study.add_trial(finished(alike("a"), 0.0, 0.0))
    for choice, violation in (("d", 1.0), ("e", 2.0)):
        trial = finished(alike(choice), 9.0, 9.0)
        trial.set_constraint("latency", violation)
        study.add_trial(trial)
    children = proposals(study, 60)
    of = {c: sum(len(differences(alike(c), child)) == 1 for child in children) for c in "ade"}
    # Each wins unless a better one is drawn: 19/27, 7/27, 1/27.
    assert of["a"] > of["d"] > of["e"]
    assert of["e"] <= 8


def test_several_objectives_without_aging_keep_the_undominated() -> None:
    sampler = RegularizedEvolutionSampler(
        population_size=4, tournament_size=4, aging=False, seed=0
    )
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    front = [alike("a"), alike("b"), alike("c"), alike("d")]
    for i, params in enumerate(front):
        study.add_trial(finished(params, float(i), float(-i), age=100 - i))
    for i in range(20):
        study.add_trial(finished(alike("e"), 5.0 + i, 5.0, age=i))
    for child in proposals(study, 30):
        assert min(len(differences(params, child)) for params in front) == 1


def test_it_covers_more_of_the_front_than_nsga2_and_random_search() -> None:
    """Count "a" and count "b": the front is all chains of a and b, and hard to hit by chance."""

    def area(sampler: optuna.samplers.BaseSampler) -> float:
        study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)

        def objective(trial: optuna.Trial) -> tuple[int, int]:
            chosen = list(suggest(trial).values())
            return chosen.count("a"), -chosen.count("b")

        study.optimize(objective, n_trials=120)
        return hypervolume([(t.values[0], -t.values[1]) for t in study.best_trials], (-1, -1))

    seeds = range(4)
    mine = [area(RegularizedEvolutionSampler(seed=seed)) for seed in seeds]
    assert min(mine) >= 26  # of 28 for a whole front
    for other in (RandomSearchSampler, optuna.samplers.NSGAIISampler):
        assert sum(area(other(seed=seed)) for seed in seeds) < sum(mine)
