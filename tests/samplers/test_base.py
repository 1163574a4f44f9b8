"""The mechanism of all samplers: the split, no duplicates, restarts, storage keys."""

from __future__ import annotations

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from sampler_examples import Make, architecture, every_sampler, small_evolution

from optuna_nas.keys import REPEAT_KEY
from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.samplers.base._decisions import DecisionTable, as_decides
from optuna_nas.samplers.base._replay import StudyReplay
from optuna_nas.spaces import NASRLSpace
from optuna_nas.testing import SymmetricSpace, static_objective


@every_sampler
def test_hyperparameters_go_to_hp_sampler(make: Make) -> None:
    class Recorder(optuna.samplers.RandomSampler):
        def __init__(self) -> None:
            super().__init__(seed=0)
            self.hooks: list[str] = []
            self.asked: set[str] = set()

        def reseed_rng(self) -> None:
            self.hooks.append("reseed_rng")

        def before_trial(self, *args: object) -> None:
            self.hooks.append("before_trial")

        def after_trial(self, *args: object) -> None:
            self.hooks.append("after_trial")

        def infer_relative_search_space(self, study, trial):  # type: ignore[no-untyped-def]
            self.hooks.append("infer")
            return optuna.search_space.intersection_search_space(study.trials)

        def sample_relative(self, study, trial, search_space):  # type: ignore[no-untyped-def]
            self.hooks.append("sample_relative")
            self.asked |= set(search_space)
            return {name: dist.high for name, dist in search_space.items()}

    def objective(trial: optuna.Trial) -> float:
        return (
            static_objective(trial)
            + trial.suggest_float("lr", 0, 1)
            + trial.suggest_int("width", 1, 999)
        )

    recorder = Recorder()
    study = optuna.create_study(sampler=make(seed=0, hp_sampler=recorder))
    study.optimize(objective, n_trials=3)
    study.sampler.reseed_rng()
    assert recorder.asked == {"lr", "width"}
    assert [t.params["width"] for t in study.trials[1:]] == [999, 999]
    # The first trial has shown no parameter of hp_sampler yet: its joint draw is not asked.
    assert recorder.hooks == [
        *("before_trial", "after_trial"),
        *("before_trial", "infer", "sample_relative", "after_trial") * 2,
        "reseed_rng",
    ]


def test_decides_moves_the_split() -> None:
    class Last(optuna.samplers.RandomSampler):
        def sample_independent(self, study, trial, name, distribution):  # type: ignore
            return distribution.choices[-1]

    sampler = RandomSearchSampler(seed=0, decides=["a"], hp_sampler=Last())
    study = optuna.create_study(sampler=sampler)

    def objective(trial: optuna.Trial) -> float:
        return trial.suggest_int("a", 0, 999) + trial.suggest_categorical("b", [0, 1, 2])

    study.optimize(objective, n_trials=6)
    assert len({trial.params["a"] for trial in study.trials}) == 6
    assert {trial.params["b"] for trial in study.trials} == {2}


def test_with_a_continuous_parameter_an_architecture_may_return() -> None:
    def objective(trial: optuna.Trial) -> float:
        return static_objective(trial) + trial.suggest_float("lr", 0, 1)

    study = optuna.create_study(sampler=RandomSearchSampler(seed=0))
    study.optimize(objective, n_trials=48)
    # 48 uniform draws of 48 architectures hit 30.5 different ones on average, sd 2.2.
    seen = {tuple(trial.params[name] for name in "abc") for trial in study.trials}
    assert 22 <= len(seen) <= 39


def test_what_was_proposed_in_vain_leaves_no_trace() -> None:
    """A sampler that is made anew for every trial proposes what an old one does."""
    space, runs = SymmetricSpace(), []
    for restarts in (False, True):
        sampler = RandomSearchSampler(seed=0, space=space)
        study = optuna.create_study(sampler=sampler)
        for _ in range(21):
            if restarts:
                study.sampler = RandomSearchSampler(seed=0, space=space)
            study.optimize(lambda trial: sum(space.suggest(trial)), n_trials=1)
        runs.append([trial.params for trial in study.trials])
    assert runs[0] == runs[1]


@every_sampler
def test_a_schedule_and_enqueued_depths(make: Make) -> None:
    """The plan that is made with ``space`` is the trial that comes, also where depths vary."""
    space = NASRLSpace(num_layers=(1, 4), depth_schedule=(1, 1, 5))
    study = optuna.create_study(sampler=make(seed=0, space=space))
    study.optimize(lambda trial: len(space.suggest(trial).genotype), n_trials=6)
    study.enqueue_trial({"num_layers": 4})
    study.enqueue_trial({"num_layers": 1, "layer_01_height": 3})
    study.optimize(lambda trial: len(space.suggest(trial).genotype), n_trials=10)
    depths = [trial.value for trial in study.trials]
    assert depths == [1] * 5 + [2, 4, 1] + [2] * 2 + [3] * 5 + [4]
    assert study.trials[7].params["layer_01_height"] == 3
    digests = {space.architecture(trial).digest for trial in study.trials}
    assert len(digests) == 16


def test_a_space_must_suggest() -> None:
    with pytest.raises(TypeError, match=r"`space` must have a method suggest\(trial\)"):
        RandomSearchSampler(space=object())  # type: ignore[arg-type]


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="`seed` must be 0 or more"):
        RandomSearchSampler(seed=-1)


def test_growing_ranges_and_single_choices() -> None:
    def objective(trial: optuna.Trial) -> float:
        depth = 1 + trial.number // 10
        trial.suggest_int("num_layers", depth, depth)
        trial.suggest_categorical("only", ["one"])
        return sum(trial.suggest_categorical(f"op_{i}", [0, 1, 2, 3]) for i in range(depth))

    study = optuna.create_study(sampler=small_evolution(seed=0))
    study.optimize(objective, n_trials=30)
    # At depth 1 there are 4 architectures for 10 trials, later enough.
    assert len({architecture(trial) for trial in study.trials}) == 4 + 20


def test_choices_that_are_equal_in_python_stay_apart() -> None:
    study = optuna.create_study(sampler=RandomSearchSampler(seed=0))
    study.optimize(lambda t: float(t.suggest_categorical("x", ["1", 1, None]) == 1), n_trials=3)
    assert {repr(trial.params["x"]) for trial in study.trials} == {"'1'", "1", "None"}
    assert study.trials[0].distributions["x"] == CategoricalDistribution(["1", 1, None])


def test_what_is_learned_of_a_study_is_begun_once():
    replay = StudyReplay(DecisionTable(as_decides(None)), None)
    begun = []
    first = replay.learned(lambda: begun.append(1) or begun)
    assert replay.learned(lambda: []) is first is begun
    assert begun == [1]


def test_a_repetition_where_they_are_not_avoided_is_marked_as_meant() -> None:
    """Objectives train a marked one anew instead of taking the earlier result."""
    study = optuna.create_study(sampler=RandomSearchSampler(seed=0, avoid_duplicates=False))
    study.optimize(lambda trial: trial.suggest_categorical("x", [0, 1, 2]), n_trials=8)
    seen = [trial.params["x"] for trial in study.trials]
    repeated = [value in seen[:number] for number, value in enumerate(seen)]
    assert sum(repeated[1:]) < 7  # of other choices, too
    assert [trial.system_attrs.get(REPEAT_KEY, False) for trial in study.trials] == repeated


def test_what_another_sampler_decided_of_a_trial_is_kept_in_its_plan() -> None:
    """Else the rest would be chosen to be unseen together with another beginning."""
    ours, other = RandomSearchSampler(seed=0), optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(sampler=ours)
    study.optimize(static_objective, n_trials=1)
    for _ in range(20):
        trial = study.ask()
        study.sampler = other
        trial.suggest_categorical("a", ["0", "1", "2", "3"])
        study.sampler = ours
        study.tell(trial, static_objective(trial))
    assert len({architecture(trial) for trial in study.trials}) == 21
