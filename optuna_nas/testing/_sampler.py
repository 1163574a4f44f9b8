"""The test case on a sampler of architectures: what holds beside Optuna's own suite."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable
from typing import Any, ClassVar

import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial, TrialState

from optuna_nas.testing._problems import (
    SymmetricSpace,
    ToyProblem,
    conditional_objective,
    static_objective,
)
from optuna_nas.testing._recorder import Recorder
from optuna_nas.testing._toy import ToySpace

__all__ = ["SamplerTestCase"]

Objective = Callable[[Trial], float]
Make = Callable[..., BaseSampler]

# Number of architectures of each objective.
_SIZES: list[tuple[Objective, int]] = [(static_objective, 48), (conditional_objective, 30)]
_both = pytest.mark.parametrize("objective", [static_objective, conditional_objective])


class SamplerTestCase:
    """Properties of a sampler of architectures; derive from it and give ``make_sampler``.

    It needs pytest. Optuna's suite (``optuna.testing.pytest_samplers``) is the floor; derive from
    it, too: the fixture ``sampler`` that it wants is given here. What this case checks:

    - Equal seeds propose equal trials, in one run or after restarts and copies.
    - No architecture is proposed twice while unseen ones are left, whatever became of the trials
      that had it, in threads and by several workers, in conditional objectives as well.
    - Hyperparameters go to ``hp_sampler``, and decisions do not.
    - Enqueued values are kept; trials of others are taken in.
    - A ``space`` tells architectures that compute the same.
    - No outcome stops the search: pruned, infeasible, failed, infinite, not a number.

    Attributes:
        num_trials: Number of trials in comparisons of whole runs.

    Example::

        import pytest
        from optuna.testing.pytest_samplers import BasicSamplerTestCase
        from optuna_nas.testing import SamplerTestCase

        class TestMySampler(SamplerTestCase, BasicSamplerTestCase):
            @pytest.fixture
            def make_sampler(self):
                return MySampler  # or a function of seed, hp_sampler, space, ...
    """

    num_trials: ClassVar[int] = 25

    @pytest.fixture
    def make_sampler(self) -> Make:
        """Return the class of the sampler, or a function; both take the options of the base."""
        raise NotImplementedError(
            "Give the fixture `make_sampler`, which returns the class of the sampler, or a "
            "function that makes one with the options seed=, hp_sampler=, decides=, space= and "
            "avoid_duplicates=."
        )

    @pytest.fixture
    def sampler(self, make_sampler: Make) -> Callable[[], BaseSampler]:
        """Return what Optuna's test cases want: a function without arguments."""
        return lambda: make_sampler(seed=0)

    # Randomness is keyed

    def test_equal_seeds_propose_the_same(self, make_sampler: Make) -> None:
        """Seeds differ, and None draws one."""
        runs = [
            _params(_run(make_sampler(seed=seed), static_objective, self.num_trials))
            for seed in (0, 0, 1, None, None)
        ]
        assert runs[0] == runs[1], "Equal seeds must propose equal trials."
        for first, second in itertools.combinations(runs[1:], 2):
            assert first != second, "Other seeds, and seed=None, must propose other trials."

    @_both
    def test_a_restart_changes_nothing(self, make_sampler: Make, objective: Objective) -> None:
        """A sampler that is made anew goes on as if the search had never stopped."""
        undisturbed = _run(make_sampler(seed=3), objective, self.num_trials)
        storage = optuna.storages.RDBStorage("sqlite:///:memory:")
        optuna.create_study(storage=storage, study_name="s", direction="maximize")
        for n_trials in (1, 9, self.num_trials - 10):
            study = optuna.load_study(
                storage=storage, study_name="s", sampler=make_sampler(seed=3)
            )
            study.optimize(objective, n_trials=n_trials)
        restarted = _params(study)
        storage.engine.dispose()
        assert restarted == _params(undisturbed), (
            "A sampler must read all it knows from the study, and key its randomness by the "
            "trial: a new one must propose what the old one would have."
        )

    def test_copies_and_other_studies_go_on_alike(self, make_sampler: Make) -> None:
        """One sampler serves several studies, and pickles."""
        sampler = make_sampler(seed=0)
        first, second = (_new_study(sampler) for _ in range(2))
        for study in (first, second):
            study.optimize(static_objective, n_trials=10)
        second.sampler = pickle.loads(pickle.dumps(sampler))
        for study in (first, second):
            study.optimize(static_objective, n_trials=5)
        assert _params(first) == _params(second), (
            "Neither another study nor pickling may change what a sampler proposes."
        )

    # No duplicates

    @pytest.mark.parametrize(("objective", "size"), _SIZES)
    def test_every_architecture_is_proposed_once_and_then_again(
        self, make_sampler: Make, objective: Objective, size: int
    ) -> None:
        """The search covers a space and goes on when nothing is left."""
        study = _run(make_sampler(seed=1), objective, size)
        _assert_distinct(study.trials, size)
        study.optimize(objective, n_trials=3)
        assert len(study.trials) == size + 3

    def test_failed_pruned_and_infeasible_trials_are_not_proposed_again(
        self, make_sampler: Make
    ) -> None:
        """Whatever became of it, an architecture was tried."""

        def objective(trial: Trial) -> float:
            value = static_objective(trial)
            if trial.number % 4 == 0:
                raise optuna.TrialPruned
            if trial.number % 4 == 1:
                raise _ExpectedError
            if trial.number % 4 == 2:
                trial.set_constraint("size", 1.0)
                raise optuna.TrialPruned
            return value

        study = _run(make_sampler(seed=1), objective, 48)
        _assert_distinct(study.trials, 48)

    def test_a_trial_that_failed_before_its_decisions_blocks_nothing(
        self, make_sampler: Make
    ) -> None:
        """What a trial did not come to decide is still unseen."""
        study = _run(make_sampler(seed=0), static_objective, 1)
        for _ in range(2):
            trial = study.ask()
            trial.suggest_categorical("a", ["0", "1", "2", "3"])
            study.tell(trial, state=TrialState.FAIL)
        study.optimize(static_objective, n_trials=47)
        _assert_distinct([trial for trial in study.trials if len(trial.params) == 3], 48)

    def test_running_trials_count_as_seen(self, make_sampler: Make) -> None:
        """Trials that have not finished are not proposed again."""
        study = _run(make_sampler(seed=0), static_objective, 1)
        running = [study.ask() for _ in range(47)]
        for trial in running:
            static_objective(trial)
        _assert_distinct(study.trials, 48)
        for trial in running:
            study.tell(trial, 0.0)

    def test_threads_share_one_sampler(self, make_sampler: Make) -> None:
        """``n_jobs`` makes no duplicates."""
        study = _run(make_sampler(seed=0), static_objective, 1)
        study.optimize(static_objective, n_trials=47, n_jobs=4)
        _assert_distinct(study.trials, 48)

    def test_workers_never_evaluate_the_same(self, make_sampler: Make) -> None:
        """Two samplers on one storage, each of which sees the other's trials late."""
        storage = optuna.storages.RDBStorage("sqlite:///:memory:")
        optuna.create_study(study_name="s", storage=storage, direction="maximize").optimize(
            static_objective, n_trials=1
        )
        workers = [
            optuna.load_study(study_name="s", storage=storage, sampler=make_sampler(seed=seed))
            for seed in (0, 1)
        ]
        for _ in range(10):
            # Both have begun before either decides, and decide before either has finished.
            running = [worker.ask() for worker in workers]
            values = [static_objective(trial) for trial in running]
            for worker, trial, value in zip(workers, running, values, strict=True):
                worker.tell(trial, value)
        trials = workers[0].trials
        storage.engine.dispose()
        _assert_distinct(trials, 21)

    # The split between the sampler and hp_sampler

    def test_hyperparameters_go_to_hp_sampler(self, make_sampler: Make) -> None:
        """It is called as Optuna would call it, and is shown hyperparameters only."""
        recorder = Recorder()
        study = _run(make_sampler(seed=0, hp_sampler=recorder), _joint_objective, 3)
        study.sampler.reseed_rng()
        assert recorder.shown == {"lr", "width"}, (
            f"hp_sampler must draw lr and width, and nothing else, but was shown {recorder.shown}."
        )
        assert [trial.params["width"] for trial in study.trials[1:]] == [999, 999], (
            "What hp_sampler draws must be taken."
        )
        assert recorder.hooks.count("before_trial") == recorder.hooks.count("after_trial") == 3
        assert recorder.hooks[-1] == "reseed_rng"

    def test_hyperparameters_do_not_change_the_decisions(self, make_sampler: Make) -> None:
        """TPE draws everything jointly if it is allowed to; here it must not."""
        tpe = optuna.samplers.TPESampler(seed=0, n_startup_trials=1)
        joint = _run(make_sampler(seed=5, hp_sampler=tpe), _joint_objective, 4)
        alone = _run(make_sampler(seed=5, avoid_duplicates=False), static_objective, 4)
        decisions = [{name: params[name] for name in "abc"} for params in _params(joint)]
        assert decisions == _params(alone), "Decisions must not be drawn by hp_sampler."

    # What others decide

    def test_enqueued_values_are_kept_and_completed(self, make_sampler: Make) -> None:
        """An enqueued trial decides the rest so that the whole is unseen."""
        study = _run(make_sampler(seed=0), static_objective, 8)
        for _ in range(6):
            study.enqueue_trial({"b": 2})
        study.enqueue_trial({"a": "3", "b": 3, "c": 2})
        study.optimize(static_objective, n_trials=7)
        assert [trial.params["b"] for trial in study.trials[8:]] == [2] * 6 + [3]
        _assert_distinct(study.trials[:14], 14)

    @pytest.mark.parametrize(("objective", "size"), _SIZES)
    def test_trials_of_others_are_taken_in(
        self, make_sampler: Make, objective: Objective, size: int
    ) -> None:
        """Architectures that another sampler tried are seen, and the others are proposed."""
        study = _run(optuna.samplers.RandomSampler(seed=0), objective, 15)
        study.sampler = make_sampler(seed=0)
        known = len({_architecture(trial) for trial in study.trials})
        study.optimize(objective, n_trials=size - known)
        assert len({_architecture(trial) for trial in study.trials}) == size, (
            "A sampler must not propose what other samplers have tried in the study."
        )

    # A space

    def test_a_space_tells_equal_architectures(self, make_sampler: Make) -> None:
        """With ``space=`` no two trials compute the same, be they finished or running."""
        space = SymmetricSpace()
        study = _new_study(make_sampler(seed=0, space=space))
        running = [study.ask() for _ in range(5)]
        for trial in running:
            space.suggest(trial)
        study.optimize(lambda trial: float(sum(space.suggest(trial))), n_trials=16)
        seen = {space.digest(trial.params) for trial in study.trials}
        assert len(seen) == 21, (
            f"21 trials must have the 21 digests of the space, but have {len(seen)}."
        )
        for trial in running:
            study.tell(trial, 0.0)

    def test_a_conditional_space(self, make_sampler: Make) -> None:
        """The trial that is planned with ``space=`` is the trial that comes."""
        problem = ToyProblem(space=ToySpace(num_layers=(1, 3)))
        study = _new_study(make_sampler(seed=0, space=problem.space))
        study.enqueue_trial({"num_layers": 3, "layer_02_op": "conv_3x3"})
        study.optimize(problem, n_trials=39)
        assert study.trials[0].params["layer_02_op"] == "conv_3x3"
        _assert_distinct(study.trials, 39)

    # Outcomes

    def test_no_outcome_stops_the_search(self, make_sampler: Make) -> None:
        """Values that are not finite, trials without reports, and failures go along."""

        def objective(trial: Trial) -> float:
            value = static_objective(trial)
            outcome = trial.number % 8
            if outcome in (1, 2):
                trial.report(float("nan") if outcome == 1 else value, 1)
            if outcome in (0, 1, 2):
                raise optuna.TrialPruned
            if outcome == 3:
                raise _ExpectedError
            if outcome == 4:
                trial.set_constraint("size", 1.0)
            return {5: float("nan"), 6: float("inf"), 7: float("-inf")}.get(outcome, value)

        study = _run(make_sampler(seed=0), objective, 40)
        _assert_distinct(study.trials, 40)
        assert {trial.state for trial in study.trials} == {
            TrialState.COMPLETE,
            TrialState.PRUNED,
            TrialState.FAIL,
        }

    def test_hyperband(self, make_sampler: Make) -> None:
        """Trials are pruned, and samplers see one bracket of the study at a time."""

        def objective(trial: Trial) -> float:
            value = static_objective(trial)
            for step in range(1, 10):
                trial.report(value + 1 / step, step)
                if trial.should_prune():
                    raise optuna.TrialPruned
            return value

        pruner = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9, reduction_factor=3)
        study = optuna.create_study(sampler=make_sampler(seed=0), pruner=pruner)
        study.optimize(objective, n_trials=40)
        _assert_distinct(study.trials, 40)
        assert any(trial.state == TrialState.PRUNED for trial in study.trials)


class _ExpectedError(Exception):
    """A failure that belongs to the test."""


def _joint_objective(trial: Trial) -> float:
    """Ask for decisions and hyperparameters; the value does not depend on the latter."""
    value = static_objective(trial)
    trial.suggest_float("lr", 0.0, 1.0)
    trial.suggest_int("width", 1, 999)
    return value


def _new_study(sampler: BaseSampler) -> optuna.Study:
    return optuna.create_study(direction="maximize", sampler=sampler)


def _run(sampler: BaseSampler, objective: Objective, n_trials: int) -> optuna.Study:
    study = _new_study(sampler)
    study.optimize(objective, n_trials=n_trials, catch=_ExpectedError)
    return study


def _params(study: optuna.Study) -> list[dict[str, Any]]:
    return [trial.params for trial in study.trials]


def _architecture(trial: FrozenTrial) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(trial.params.items()))


def _assert_distinct(trials: list[FrozenTrial], count: int) -> None:
    """Check that there are ``count`` trials, no two of which have the same parameters."""
    assert len(trials) == count
    distinct = len({_architecture(trial) for trial in trials})
    assert distinct == count, (
        f"No architecture may be proposed twice while unseen ones are left, but {count} trials "
        f"have {distinct}."
    )
