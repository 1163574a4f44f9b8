"""A user's own sampler, written against the public base only."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

import numpy as np
import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase, SingleOnlySamplerTestCase
from optuna.trial import TrialState
from sampler_examples import architecture

from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.samplers.base import (
    ArchitectureSampler,
    Assignment,
    Decision,
    FixedProposal,
    History,
    KeyedGenerator,
    Member,
    Proposal,
    SamplerOptions,
)
from optuna_nas.spaces import NASBench201Space
from optuna_nas.testing import conditional_objective, static_objective

SPACE = NASBench201Space()


class HillClimbing(ArchitectureSampler):
    """Changes one decision of the best trial."""

    needs_single_objective = True

    def __init__(self, *, n_startup_trials: int = 5, **options: Unpack[SamplerOptions]) -> None:
        super().__init__(**options)
        self._n_startup_trials = n_startup_trials

    def propose_next(self, history: History, rng: KeyedGenerator) -> Mapping[str, Any]:
        if history.best is None or len(history.members) < self._n_startup_trials:
            return {}
        best = history.best.decisions
        names = [name for name, made in best.items() if made.alternatives]
        if not names:
            return {}
        name = rng.choice("name", names)
        return best | {name: rng.choice("choice", best[name].alternatives)}


class TestHillClimbing(BasicSamplerTestCase, SingleOnlySamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: HillClimbing(n_startup_trials=2, seed=0)


def _ones(trial: optuna.Trial) -> float:
    return sum(trial.suggest_categorical(f"bit_{i}", [0, 1]) for i in range(12))


def test_it_is_better_than_random_search() -> None:
    """On 12 bits, 40 trials of random search find 9 to 10 ones."""

    def best(sampler: ArchitectureSampler) -> float:
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(_ones, n_trials=40)
        return study.best_value

    climbed = statistics.mean(best(HillClimbing(seed=seed)) for seed in range(5))
    drawn = statistics.mean(best(RandomSearchSampler(seed=seed)) for seed in range(5))
    assert climbed > drawn + 1.0


@pytest.mark.parametrize("space", [None, SPACE])
def test_it_never_repeats_itself_and_goes_on_after_a_restart(space: NASBench201Space) -> None:
    def objective(trial: optuna.Trial) -> float:
        return str(SPACE.suggest(trial)).count("skip")

    runs = []
    for parts in ((40,), (10, 30)):
        study = optuna.create_study(direction="maximize")
        for part in parts:
            study.sampler = HillClimbing(seed=1, space=space)
            study.optimize(objective, n_trials=part)
        assert len({architecture(trial) for trial in study.trials}) == 40
        runs.append([trial.params for trial in study.trials])
    assert runs[0] == runs[1]


def _recorder(**attributes: Any) -> tuple[ArchitectureSampler, list[list[Member]]]:
    """A sampler that keeps the members that it is shown at every call."""
    seen: list[list[Member]] = []

    class Recorder(ArchitectureSampler):
        def propose_next(self, history: History, rng: KeyedGenerator) -> Mapping[str, Any]:
            seen.append(list(history.members))
            return {}

    for name, value in attributes.items():
        setattr(Recorder, name, value)
    return Recorder(seed=0), seen


def test_all_finished_trials_are_members_by_default() -> None:
    sampler, seen = _recorder()
    study = optuna.create_study(sampler=sampler)
    study.optimize(static_objective, n_trials=30)
    assert [len(members) for members in seen] == list(range(30))
    for member, trial in zip(seen[-1], study.trials, strict=False):
        assert member.number == trial.number
        assert member.params == trial.params
        assert member.value == trial.value
        assert member.values == trial.values
        assert member.state == TrialState.COMPLETE
    ages = [member.age for member in seen[-1]]
    assert ages == sorted(ages)


@pytest.mark.parametrize("size", [0, 7])
def test_a_sampler_may_ask_for_the_youngest_only(size: int) -> None:
    sampler, seen = _recorder(history_size=size)
    optuna.create_study(sampler=sampler).optimize(static_objective, n_trials=20)
    assert [member.number for member in seen[-1]] == list(range(19 - size, 19))


def test_members_have_states_and_outcomes() -> None:
    """Complete before pruned before infeasible ones; failed ones stand apart."""
    states = []

    class Recorder(ArchitectureSampler):
        def propose_next(self, history: History, rng: KeyedGenerator) -> Mapping[str, Any]:
            ranked = sorted(history.members, key=lambda member: member.outcome)
            failed = [member.number for member in history.failures]
            states.append(([member.number for member in ranked], failed))
            return {}

    study = optuna.create_study(sampler=Recorder(seed=0), direction="maximize")

    def objective(trial: optuna.Trial) -> float:
        static_objective(trial)
        if trial.number == 0:
            trial.set_constraint("size", 1.0)
        if trial.number == 1:
            trial.report(5.0, 1)
            raise optuna.TrialPruned
        if trial.number == 2:
            raise RuntimeError
        return float(trial.number)

    study.optimize(objective, n_trials=6, catch=RuntimeError)
    assert states[-1] == ([4, 3, 1, 0], [2])


def test_the_history_tells_what_there_is() -> None:
    seen: list[tuple[Any, ...]] = []

    class Recorder(ArchitectureSampler):
        def propose_next(self, history: History, rng: KeyedGenerator) -> Mapping[str, Any]:
            decisions = history.static_decisions
            names = None if decisions is None else [decision.name for decision in decisions]
            best = None if history.best is None else history.best.number
            known = [history.knows(member.decisions) for member in history.members]
            pending = [{name: made.value for name, made in p.items()} for p in history.pending]
            seen.append((names, best, all(known), pending, history.must_be_unseen))
            return {}

    study = optuna.create_study(sampler=Recorder(seed=0))
    study.optimize(lambda trial: static_objective(trial) + 10 * (trial.number == 0), n_trials=3)
    running = study.ask()
    static_objective(running)
    study.ask().suggest_int("b", 0, 3)
    names, best, known, pending, unseen = seen[-1]
    assert names == ["a", "b", "c"]
    assert best == min(study.trials[1:3], key=lambda trial: trial.value).number
    assert known
    assert pending == [running.params]
    assert unseen
    assert [row[0] for row in seen[:2]] == [None, ["a", "b", "c"]]


def test_a_conditional_study_has_no_static_decisions() -> None:
    seen = []

    class Recorder(ArchitectureSampler):
        def propose_next(self, history: History, rng: KeyedGenerator) -> Mapping[str, Any]:
            seen.append(history.static_decisions)
            return {}

    optuna.create_study(sampler=Recorder(seed=0)).optimize(conditional_objective, n_trials=12)
    assert seen[-1] is None


def test_several_objectives_have_no_best() -> None:
    class Careless(ArchitectureSampler):
        def propose_next(self, history: History, rng: KeyedGenerator) -> Mapping[str, Any]:
            return {} if history.best is None else history.best.params

    study = optuna.create_study(directions=["minimize"] * 2, sampler=Careless(seed=0))
    with pytest.raises(ValueError, match=r"`history.best` needs one objective, but .* has 2"):
        study.ask().suggest_int("x", 0, 3)


def _proposes(*returned: Any) -> ArchitectureSampler:
    """A sampler that proposes the same for every trial, or one thing after the other."""

    class Fixed(ArchitectureSampler):
        def propose_next(self, history: History, rng: KeyedGenerator) -> Any:
            return returned[min(rng.number, len(returned) - 1)]

    return Fixed(seed=0, avoid_duplicates=False)


@pytest.mark.parametrize(
    "proposed",
    [{"a": "3", "b": 2, "c": 1}, FixedProposal({"a": "3", "b": 2, "c": 1, "not asked for": 5})],
)
def test_what_is_proposed_is_what_the_trial_gets(proposed: object) -> None:
    study = optuna.create_study(sampler=_proposes(proposed))
    study.optimize(static_objective, n_trials=3)
    assert all(trial.params == {"a": "3", "b": 2, "c": 1} for trial in study.trials)


def test_what_is_left_out_is_drawn() -> None:
    study = optuna.create_study(sampler=_proposes({"a": "3"}))
    study.optimize(static_objective, n_trials=30)
    assert {trial.params["a"] for trial in study.trials} == {"3"}
    assert {trial.params["b"] for trial in study.trials} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"a": 3}, r"A proposal for 'a' must be one of \('0', '1', '2', '3'\), but is 3. Leave"),
        ({"b": "x"}, "A proposal for 'b' must be an integer, but is 'x'"),
        ({"b": 1.5}, "A proposal for 'b' must be an integer, but is 1.5"),
    ],
)
def test_a_value_that_is_no_choice_is_refused(params: dict[str, Any], message: str) -> None:
    study = optuna.create_study(sampler=_proposes(params))
    with pytest.raises(ValueError, match=message):
        static_objective(study.ask())


def test_an_integer_outside_the_range_is_drawn() -> None:
    """Ranges may grow in a study, so that what was best may lie outside."""
    study = optuna.create_study(sampler=_proposes({"b": 9}))
    study.optimize(static_objective, n_trials=30)
    assert {trial.params["b"] for trial in study.trials} == {0, 1, 2, 3}


def test_attributes_are_recorded() -> None:
    study = optuna.create_study(sampler=_proposes(FixedProposal({"b": 2}, {"mine:note": [1]})))
    study.optimize(static_objective, n_trials=2)
    assert [trial.system_attrs["mine:note"] for trial in study.trials] == [[1], [1]]


def test_a_proposal_follows_the_trial() -> None:
    """Each choice may depend on the ones before it, and enqueued ones are told."""

    class Alternating(Proposal):
        def __init__(self) -> None:
            self.last = 0

        def choose(self, decision: Decision, candidates: Sequence[int]) -> int:
            return 1 - self.last

        def note(self, decision: Decision, index: int) -> None:
            self.last = index

    class Sampler(ArchitectureSampler):
        def propose_next(self, history: History, rng: KeyedGenerator) -> Proposal:
            return Alternating()

    study = optuna.create_study(sampler=Sampler(seed=0, avoid_duplicates=False))
    study.enqueue_trial({"bit_3": 1})
    study.optimize(_ones, n_trials=2)
    bits = [[trial.params[f"bit_{i}"] for i in range(6)] for trial in study.trials]
    assert bits == [[1, 0, 1, 1, 0, 1], [1, 0, 1, 0, 1, 0]]


def test_a_repeat_is_evaluated_on_purpose() -> None:
    params = {"a": "0", "b": 0, "c": 0}

    class Again(ArchitectureSampler):
        def propose_next(self, history: History, rng: KeyedGenerator) -> Proposal:
            return FixedProposal(params, repeats=True)

    study = optuna.create_study(sampler=Again(seed=0))
    study.optimize(static_objective, n_trials=5)
    assert [trial.params for trial in study.trials] == [params] * 5


def test_assignments_of_other_ranges_are_read_by_value() -> None:
    sampler, seen = _recorder()
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: trial.suggest_int("x", 2, 5), n_trials=2)
    made: Assignment = seen[-1][0].decisions["x"]
    study.sampler = _proposes({"x": made})
    assert study.ask().suggest_int("x", 0, 9) == made.value


def test_numbers_of_numpy_will_do() -> None:
    study = optuna.create_study(sampler=_proposes({"b": np.int64(2), "c": np.int64(1)}))
    study.optimize(static_objective, n_trials=2)
    assert all((trial.params["b"], trial.params["c"]) == (2, 1) for trial in study.trials)


@pytest.mark.parametrize("returned", [None, 3, ["a"], {0: "a"}])
def test_another_result_is_refused(returned: object) -> None:
    study = optuna.create_study(sampler=_proposes(returned))
    with pytest.raises(TypeError, match="Fixed.propose_next must return a Proposal or a mapping"):
        static_objective(study.ask())


def test_a_forgotten_hook_is_named() -> None:
    class Forgetful(ArchitectureSampler):
        pass

    with pytest.raises(TypeError, match="abstract class Forgetful .*propose_next"):
        Forgetful()


def test_a_misspelled_hook_is_named() -> None:
    with pytest.raises(
        TypeError,
        match=r"Hasty must define propose_next\(self, history, rng\), but defines '_propose_next'",
    ):

        class Hasty(ArchitectureSampler):
            def _propose_next(self, history: History, rng: KeyedGenerator) -> Mapping[str, Any]:
                return {}


def test_other_arguments_of_the_hook_are_named() -> None:
    with pytest.raises(
        TypeError,
        match=r"Short must define propose_next\(self, history, rng\), but .*\(self, history\)\. G",
    ):

        class Short(ArchitectureSampler):
            def propose_next(self, history: History) -> Mapping[str, Any]:
                return {}


def test_a_sampler_of_a_sampler_keeps_its_hook() -> None:
    class Patient(HillClimbing):
        def propose_next_all(self) -> None:
            """No hook: one is inherited."""

    assert Patient(seed=0)


def test_a_stubborn_proposal_gives_way_to_enqueued_values() -> None:
    """Attempts from half of them on are uniform, or the same would be proposed in vain again."""

    class Stubborn(ArchitectureSampler):
        def propose_next(self, history: History, rng: KeyedGenerator) -> Mapping[str, Any]:
            return {"a": "0", "b": 0, "c": 0}

    study = optuna.create_study(sampler=Stubborn(seed=0))
    for b in range(4):  # all that begins with the proposed `a` and ends with the enqueued `c`
        study.enqueue_trial({"a": "0", "b": b, "c": 0})
    study.optimize(static_objective, n_trials=4)
    study.enqueue_trial({"c": 0})
    study.optimize(static_objective, n_trials=1)
    assert study.trials[4].params["c"] == 0
    assert study.trials[4].params["a"] != "0"


def test_as_many_proposals_as_a_sampler_says_are_rejected_before_choices_are_closed() -> None:
    seen: list[list[int]] = []

    class Origin(Proposal):
        def choose(self, decision: Decision, candidates: Sequence[int]) -> int | None:
            if decision.name == "c":
                seen.append(list(candidates))
            return 0

    class Unbiased(ArchitectureSampler):
        max_rejections = 2

        def propose_next(self, history: History, rng: KeyedGenerator) -> Proposal:
            return Origin()

    study = optuna.create_study(sampler=Unbiased(seed=0))
    study.optimize(static_objective, n_trials=1)
    seen.clear()
    study.optimize(static_objective, n_trials=1)
    assert seen == [[0, 1, 2], [0, 1, 2], [1, 2]]
