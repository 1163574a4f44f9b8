"""The mechanism of all samplers: the split, no duplicates, restarts, storage keys."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState
from sampler_examples import (
    Doubled,
    Make,
    architecture,
    chain,
    every_sampler,
    grid,
    small_evolution,
)

from optuna_nas.samplers import (
    RandomSearchSampler,
)
from optuna_nas.samplers.base._decisions import DecisionTable, as_decides
from optuna_nas.samplers.base._replay import StudyReplay
from optuna_nas.spaces import NASRLSpace


@every_sampler
@pytest.mark.parametrize(("objective", "size"), [(grid, 48), (chain, 30)])
def test_every_architecture_is_proposed_once_and_then_again(
    make: Make, objective: Callable[[optuna.Trial], float], size: int
) -> None:
    study = optuna.create_study(sampler=make(seed=1))
    study.optimize(objective, n_trials=size)
    assert len({architecture(trial) for trial in study.trials}) == size
    study.optimize(objective, n_trials=3)
    assert len(study.trials) == size + 3


@every_sampler
def test_failed_and_pruned_trials_are_not_proposed_again(make: Make) -> None:
    def objective(trial: optuna.Trial) -> float:
        value = grid(trial)
        if trial.number % 3 == 0:
            raise optuna.TrialPruned
        if trial.number % 3 == 1:
            raise RuntimeError
        return value

    study = optuna.create_study(sampler=make(seed=1))
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    study.optimize(objective, n_trials=48, catch=RuntimeError)
    assert len({architecture(trial) for trial in study.trials}) == 48


@every_sampler
def test_a_trial_that_failed_before_its_decisions_blocks_nothing(make: Make) -> None:
    study = optuna.create_study(sampler=make(seed=0))
    study.optimize(grid, n_trials=1)
    for _ in range(2):
        trial = study.ask()
        trial.suggest_categorical("a", ["0", "1", "2", "3"])
        study.tell(trial, state=TrialState.FAIL)
    study.optimize(grid, n_trials=47)
    whole = [architecture(t) for t in study.trials if len(t.params) == 3]
    assert len(set(whole)) == 48


@every_sampler
def test_running_trials_count_as_seen(make: Make) -> None:
    study = optuna.create_study(sampler=make(seed=0))
    study.optimize(grid, n_trials=1)
    running = [study.ask() for _ in range(47)]
    for trial in running:
        grid(trial)
    assert len({architecture(trial) for trial in study.trials}) == 48
    for trial in running:
        study.tell(trial, 0.0)


@every_sampler
def test_threads_share_one_sampler(make: Make) -> None:
    study = optuna.create_study(sampler=make(seed=0))
    study.optimize(grid, n_trials=1)
    study.optimize(grid, n_trials=47, n_jobs=4)
    assert len({architecture(trial) for trial in study.trials}) == 48


@every_sampler
@pytest.mark.parametrize("objective", [grid, chain])
def test_a_restart_changes_nothing(
    make: Make, objective: Callable[[optuna.Trial], float], tmp_path: Path
) -> None:
    undisturbed = optuna.create_study(sampler=make(seed=3))
    undisturbed.optimize(objective, n_trials=25)
    url = f"sqlite:///{tmp_path / 'nas.db'}"
    for trials in (10, 15):
        study = optuna.create_study(
            storage=url, study_name="s", load_if_exists=True, sampler=make(seed=3)
        )
        study.optimize(objective, n_trials=trials)
    assert [t.params for t in study.trials] == [t.params for t in undisturbed.trials]


@every_sampler
def test_seeds_differ_and_none_draws_one(make: Make) -> None:
    runs = []
    for seed in (0, 0, 1, None, None):
        study = optuna.create_study(sampler=make(seed=seed))
        study.optimize(grid, n_trials=20)
        runs.append([trial.params for trial in study.trials])
    assert runs[0] == runs[1]
    assert all(first != second for first, second in itertools.combinations(runs[1:], 2))


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
        return grid(trial) + trial.suggest_float("lr", 0, 1) + trial.suggest_int("width", 1, 999)

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


@every_sampler
def test_tpe_takes_no_architecture_decision(make: Make) -> None:
    """TPE draws everything jointly if it is allowed to; here it must not see what is ours."""
    tpe = optuna.samplers.TPESampler(seed=0, n_startup_trials=1, multivariate=False)

    def objective(trial: optuna.Trial) -> float:
        return grid(trial) + trial.suggest_float("lr", 0, 1)

    mixed = optuna.create_study(sampler=make(seed=5, hp_sampler=tpe))
    mixed.optimize(objective, n_trials=4)
    alone = optuna.create_study(sampler=make(seed=5, avoid_duplicates=False))
    alone.optimize(grid, n_trials=4)
    ours = [{k: v for k, v in trial.params.items() if k != "lr"} for trial in mixed.trials]
    assert ours == [trial.params for trial in alone.trials]


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
        return grid(trial) + trial.suggest_float("lr", 0, 1)

    study = optuna.create_study(sampler=RandomSearchSampler(seed=0))
    study.optimize(objective, n_trials=48)
    # 48 uniform draws of 48 architectures hit 30.5 different ones on average, sd 2.2.
    seen = {tuple(trial.params[name] for name in "abc") for trial in study.trials}
    assert 22 <= len(seen) <= 39


@every_sampler
def test_enqueued_values_are_kept_and_completed(make: Make) -> None:
    study = optuna.create_study(sampler=make(seed=0))
    study.optimize(grid, n_trials=8)
    for _ in range(6):
        study.enqueue_trial({"b": 2})
    study.enqueue_trial({"a": "3", "b": 3, "c": 2})
    study.optimize(grid, n_trials=7)
    assert [t.params["b"] for t in study.trials[8:]] == [2] * 6 + [3]
    assert len({architecture(trial) for trial in study.trials[:14]}) == 14


@every_sampler
def test_a_space_tells_equal_architectures(make: Make) -> None:
    space = Doubled()
    study = optuna.create_study(sampler=make(seed=0, space=space))
    study.optimize(lambda trial: sum(space.suggest(trial)), n_trials=21)
    assert len({space.digest(trial.params) for trial in study.trials}) == 21


def test_what_was_proposed_in_vain_leaves_no_trace() -> None:
    """A sampler that is made anew for every trial proposes what an old one does."""
    space, runs = Doubled(), []
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
def test_a_space_tells_equal_architectures_of_running_trials(make: Make) -> None:
    space = Doubled()
    study = optuna.create_study(sampler=make(seed=0, space=space))
    for _ in range(18):
        space.suggest(study.ask())
    assert len({space.digest(trial.params) for trial in study.trials}) == 18


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


@every_sampler
def test_hyperband_and_pruned_trials(make: Make) -> None:
    def objective(trial: optuna.Trial) -> float:
        value = grid(trial)
        for step in range(1, 10):
            trial.report(value + 1 / step, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9, reduction_factor=3)
    study = optuna.create_study(sampler=make(seed=0), pruner=pruner)
    study.optimize(objective, n_trials=40)
    assert len({architecture(trial) for trial in study.trials}) == 40
    assert any(trial.state == TrialState.PRUNED for trial in study.trials)


@every_sampler
def test_one_sampler_serves_several_studies_and_pickles(make: Make) -> None:
    sampler = make(seed=0)
    first, second = (optuna.create_study(sampler=sampler) for _ in range(2))
    first.optimize(grid, n_trials=10)
    second.optimize(grid, n_trials=10)
    assert [t.params for t in first.trials] == [t.params for t in second.trials]
    copied = pickle.loads(pickle.dumps(sampler))
    second.sampler = copied
    first.optimize(grid, n_trials=5)
    second.optimize(grid, n_trials=5)
    assert [t.params for t in first.trials] == [t.params for t in second.trials]


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
