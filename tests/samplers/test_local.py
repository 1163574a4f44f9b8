"""What local search is: untried neighbours of the best, a chain that climbs, restarts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import optuna
import pytest
from finished_trials import CHOICES, NAMES, alike, differences, finished, proposals, suggest
from optuna.trial import TrialState

from optuna_nas.keys import LINEAGE_KEY
from optuna_nas.samplers import LocalSearchSampler, RandomSearchSampler
from optuna_nas.spaces import NASBench201Space


def _study(**settings: float) -> optuna.Study:
    settings = {"n_startup_trials": 1, "seed": 0, **settings}
    return optuna.create_study(sampler=LocalSearchSampler(**settings))  # type: ignore[arg-type]


def test_it_is_random_at_first() -> None:
    local, random = (
        _study(n_startup_trials=6),
        optuna.create_study(sampler=RandomSearchSampler(seed=0)),
    )
    for study in (local, random):
        study.optimize(lambda t: len(set(suggest(t).values())), n_trials=8)
    mine, other = ([t.params for t in study.trials] for study in (local, random))
    assert mine[:6] == other[:6]
    assert mine[6] != other[6]
    assert mine[7] != other[7]


def test_best_first_tries_all_neighbours_of_the_best_then_of_the_next() -> None:
    study = _study(best_first_probability=1.0)
    best, second, third = alike("a"), alike("c"), alike("e")
    for params, value in ((second, 1.0), (best, 0.0), (third, 2.0)):
        study.add_trial(finished(params, value))
    children = proposals(study, 72)
    assert len({tuple(child.items()) for child in children}) == 72
    for group, parent in (
        (children[:24], best),
        (children[24:48], second),
        (children[48:], third),
    ):
        assert all(len(differences(parent, child)) == 1 for child in group)
    # All neighbours are tried: what is left is a new start.
    suggest(study.ask())
    assert LINEAGE_KEY not in study.trials[-1].system_attrs


def test_of_equals_the_youngest_goes_first() -> None:
    """So that it walks across a plateau instead of around its first point."""
    study = _study(best_first_probability=1.0)
    for age, choice in enumerate("abc"):
        study.add_trial(finished(alike(choice), 0.0, age=10 - age))
    assert all(len(differences(alike("c"), child)) == 1 for child in proposals(study, 10))


def test_a_chain_climbs_from_its_start_and_ignores_better_strangers() -> None:
    study = _study(best_first_probability=0.0)
    start, up, top = alike("a"), alike("a", op_0="b"), alike("a", op_0="b", op_1="b")
    study.add_trial(finished(alike("e"), 0.0, age=99))  # the best, of an older chain
    study.add_trial(finished(start, 9.0, age=9))
    start_number = 1
    for parent, params, value in (
        (start_number, up, 8.0),
        (start_number, alike("a", op_3="d"), 8.5),  # better too, but less so
        (2, top, 7.0),
        (4, alike("a", op_0="b", op_1="c"), 7.5),  # not better than its parent
        (2, alike("a", op_0="c"), 7.0),  # as good as the top, and younger
    ):
        lineage = {LINEAGE_KEY: {"parents": [parent], "mutated": []}}
        study.add_trial(finished(params, value, age=8 - len(study.trials), system_attrs=lineage))
    youngest = alike("a", op_0="c")
    children = proposals(study, 20)
    assert all(len(differences(youngest, child)) == 1 for child in children)
    assert {t.system_attrs[LINEAGE_KEY]["parents"][0] for t in study.trials[7:]} == {6}


def test_a_chain_does_not_move_to_an_equal() -> None:
    study = _study(best_first_probability=0.0)
    study.add_trial(finished(alike("a"), 1.0, age=9))
    lineage = {LINEAGE_KEY: {"parents": [0], "mutated": ["op_0"]}}
    study.add_trial(finished(alike("a", op_0="b"), 1.0, age=8, system_attrs=lineage))
    assert all(len(differences(alike("a"), child)) == 1 for child in proposals(study, 20))


def test_a_chain_without_untried_neighbours_starts_anew() -> None:
    study = _study(best_first_probability=0.0)
    study.add_trial(finished(alike("a"), 0.0))
    proposals(study, 24)
    assert all(LINEAGE_KEY in trial.system_attrs for trial in study.trials[1:])
    fresh = suggest(study.ask())
    assert LINEAGE_KEY not in study.trials[-1].system_attrs
    study.tell(len(study.trials) - 1, 5.0)
    # Worse than the old top, and yet the next trials climb from there.
    assert all(len(differences(fresh, child)) == 1 for child in proposals(study, 10))


def test_an_enqueued_trial_is_a_start() -> None:
    study = _study(best_first_probability=0.0)
    study.add_trial(finished(alike("a"), 0.0, age=9))
    study.enqueue_trial(alike("d"))
    study.optimize(lambda t: float(len(suggest(t))), n_trials=1)
    assert all(len(differences(alike("d"), child)) == 1 for child in proposals(study, 10))


def test_best_first_and_chains_are_mixed() -> None:
    study = _study(best_first_probability=0.7)
    study.add_trial(finished(alike("e"), 0.0, age=99))
    study.add_trial(finished(alike("a"), 9.0, age=9))
    parents = Counter(
        "best" if len(differences(alike("e"), child)) == 1 else "chain"
        for child in proposals(study, 30)
    )
    # Until the 24 neighbours of the best are used up: Binomial(30, 0.7), sd 2.5.
    assert parents["best"] == pytest.approx(21, abs=8)


def test_promising_neighbours_come_first() -> None:
    """Among the best quarter "b" is frequent; "e" is what the many bad trials have."""
    shares = {}
    for num_candidates in (1, 4):
        study = _study(best_first_probability=1.0, num_candidates=num_candidates)
        study.add_trial(finished(alike("a"), 0.0))
        for i in range(3):
            study.add_trial(finished(alike("b", **{NAMES[i]: "d"}), 1.0))
        for i in range(12):
            study.add_trial(finished(alike("e", **{NAMES[i % 6]: "bc"[i // 6]}), 2.0))
        first = proposals(study, 6)
        shares[num_candidates] = Counter(
            child[name] for child in first for name in differences(alike("a"), child)
        )
    assert shares[4]["b"] >= 4
    assert shares[4]["e"] == 0
    assert shares[1]["b"] <= 3


def test_pruned_and_infeasible_trials_are_climbed_from() -> None:
    study = _study(best_first_probability=0.0)
    infeasible = finished(alike("a"), 0.0, age=9)
    infeasible.set_constraint("max_params", 2.0)
    study.add_trial(infeasible)
    less = finished(alike("a", op_0="b"), 9.0, age=8)
    less.set_constraint("max_params", 1.0)
    pruned = finished(alike("a", op_0="c"), 9.0, age=7, state=TrialState.PRUNED)
    for trial in (less, pruned):
        trial.system_attrs[LINEAGE_KEY] = {"parents": [0], "mutated": ["op_0"]}
        study.add_trial(trial)
        assert all(len(differences(trial.params, child)) == 1 for child in proposals(study, 4))


def test_failed_trials_count_as_tried() -> None:
    study = _study(best_first_probability=1.0)
    study.add_trial(finished(alike("a"), 0.0))
    for choice in "bcde":
        study.add_trial(finished(alike("a", op_0=choice), state=TrialState.FAIL))
    children = proposals(study, 20)
    assert all(child["op_0"] == "a" for child in children)


def test_a_claim_that_is_given_back_is_open_again() -> None:
    """The neighbourhood was used up; then a running trial turns out to be something else."""
    study = _study(best_first_probability=1.0)
    study.add_trial(finished(alike("a"), 0.0, age=1))
    study.add_trial(finished(alike("e"), 1.0, age=2))
    running = [study.ask() for _ in range(24)]
    first = [trial.suggest_categorical("op_0", CHOICES) for trial in running]
    for trial in running[1:]:
        suggest(trial)
    assert len(differences(alike("e"), suggest(study.ask()))) == 1  # "a" is used up
    running[0].suggest_categorical("unplanned", CHOICES)
    again = suggest(study.ask())
    assert len(differences(alike("a"), again)) == 1
    assert again["op_0"] == first[0]


def test_conditional_spaces() -> None:
    def objective(trial: optuna.Trial) -> float:
        depth = trial.suggest_int("depth", 1, 5)
        ops = [trial.suggest_categorical(f"op_{i}", CHOICES) for i in range(depth)]
        return 2 * ops.count("a") - depth

    sampler = LocalSearchSampler(seed=0)
    study = optuna.create_study(sampler=sampler, direction="maximize")
    study.optimize(objective, n_trials=80)
    assert study.best_value == 5
    assert len({tuple(trial.params.items()) for trial in study.trials}) == 80
    for trial in study.trials:
        lineage = trial.system_attrs.get(LINEAGE_KEY)
        if lineage is None:
            continue
        (number,) = lineage["parents"]
        parent = study.trials[number].params
        common = [name for name in trial.params if name in parent]
        assert lineage["mutated"] == [n for n in common if trial.params[n] != parent[n]]
        assert len(lineage["mutated"]) == 1


def test_plateaus_are_left() -> None:
    """Only all six right is better than nothing at all, but for a slope near the end."""
    study = optuna.create_study(sampler=LocalSearchSampler(seed=0), direction="maximize")
    study.optimize(lambda t: max(list(suggest(t).values()).count("e") - 2, 0), n_trials=250)
    assert study.best_value == 4


def test_architectures_return_with_other_hyperparameters() -> None:
    def objective(trial: optuna.Trial) -> float:
        lr = trial.suggest_float("lr", 0, 1)
        return list(suggest(trial).values()).count("e") - abs(lr - 0.5)

    study = optuna.create_study(sampler=LocalSearchSampler(seed=0), direction="maximize")
    study.optimize(objective, n_trials=100)
    made = [t for t in study.trials if LINEAGE_KEY in t.system_attrs]
    again = [t for t in made if not t.system_attrs[LINEAGE_KEY]["mutated"]]
    assert 0.05 * len(made) < len(again) < 0.4 * len(made)
    for trial in again:
        (parent,) = trial.system_attrs[LINEAGE_KEY]["parents"]
        assert {n: trial.params[n] for n in NAMES} == {
            n: study.trials[parent].params[n] for n in NAMES
        }


def test_a_space_tells_which_neighbours_are_known_by_what_they_compute() -> None:
    space = NASBench201Space()
    sampler = LocalSearchSampler(seed=0, space=space)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(lambda t: float(str(space.suggest(t)).count("3x3")), n_trials=60)
    assert len({space.architecture(trial).digest for trial in study.trials}) == 60


def test_late_arrivals_change_nothing(tmp_path: Path) -> None:
    """A worker that heard of some trials late proposes what a fresh one does."""
    url = f"sqlite:///{tmp_path / 'nas.db'}"
    study = optuna.create_study(storage=url, study_name="s", sampler=LocalSearchSampler(seed=1))
    study.optimize(lambda t: list(suggest(t).values()).count("e"), n_trials=12)
    for age in (1e9, 5e8, 0.0):
        study.add_trial(finished(alike("b", op_2="d", op_0="abc"[int(age) % 3]), 3.0, age=age))
        study.optimize(lambda t: list(suggest(t).values()).count("e"), n_trials=3)
    fresh = optuna.load_study(storage=url, study_name="s", sampler=LocalSearchSampler(seed=1))
    mine = study.sampler.propose(study, suggest, 10, seed=7)
    assert fresh.sampler.propose(fresh, suggest, 10, seed=7) == mine


def test_it_finds_the_optimum_sooner_than_random_search() -> None:
    def trials_to_the_optimum(sampler: optuna.samplers.BaseSampler) -> int:
        study = optuna.create_study(sampler=sampler, direction="maximize")
        study.optimize(lambda t: list(suggest(t).values()).count("e"), n_trials=100)
        return next((t.number for t in study.trials if t.value == 6), 100)

    local = [trials_to_the_optimum(LocalSearchSampler(seed=seed)) for seed in range(5)]
    random = [trials_to_the_optimum(RandomSearchSampler(seed=seed)) for seed in range(5)]
    assert max(local) < 100 == min(random)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"best_first_probability": 1.5}, r"`best_first_probability` must lie in \[0, 1\], but"),
        ({"n_startup_trials": 0}, "`n_startup_trials` must be 1 or more, but got n_startup"),
        ({"num_candidates": 0}, "`num_candidates` must be 1 or more, but got num_candidates=0"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LocalSearchSampler(**settings)  # type: ignore[arg-type]


def test_several_objectives_are_refused_with_the_way_out() -> None:
    study = optuna.create_study(directions=["maximize"] * 2, sampler=LocalSearchSampler())
    with pytest.raises(
        ValueError, match="searches one objective, but the study has 2.* RegularizedEvolution"
    ):
        study.ask().suggest_categorical("op", ["a", "b"])
