"""The test case on samplers finds broken ones: each property against one that lacks it."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import TrialState

from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.testing import SamplerTestCase, conditional_objective, static_objective

STATIC = [{"a": a, "b": b, "c": c} for a, b, c in itertools.product("0123", range(4), range(3))]


def run(method: str, make_sampler: Callable[..., BaseSampler], **given: Any) -> None:
    """Call one test of the case, with what pytest would give it."""
    test = getattr(SamplerTestCase(), method)
    known = {"make_sampler": make_sampler, **given}
    test(**{name: known[name] for name in inspect.signature(test).parameters})


class Bookkeeper(BaseSampler):
    """Takes the next architecture of ``static_objective`` that no trial had, all in this process.

    Args:
        complete_only: Whether to go by complete trials only, and forget what is running.
    """

    def __init__(self, *, complete_only: bool = False, **options: Any) -> None:
        self._complete_only = complete_only
        self._plans: dict[int, dict[str, Any]] = {}

    def infer_relative_search_space(self, study, trial):
        return {}

    def sample_relative(self, study, trial, search_space):
        return {}

    def sample_independent(self, study, trial, name, distribution):
        if trial.number not in self._plans:
            taken = [t.params for t in study.trials if t.state == TrialState.COMPLETE]
            if not self._complete_only:
                taken += self._plans.values()
            self._plans[trial.number] = next(plan for plan in STATIC if plan not in taken)
        return self._plans[trial.number][name]


class Unkeyed(RandomSearchSampler):
    """Draws other numbers in each run, whatever the seed."""

    def __init__(self, *, seed: int | None = None, **options: Any) -> None:
        super().__init__(**options)


class Deaf(RandomSearchSampler):
    """Draws the same numbers in each run, whatever the seed."""

    def __init__(self, *, seed: int | None = None, **options: Any) -> None:
        super().__init__(seed=0, **options)


class Counting(RandomSearchSampler):
    """Numbers trials by itself instead of asking the study."""

    count = 0

    def sample_independent(self, study, trial, name, distribution):
        if name in ("a", "depth"):
            self.count += 1
            if self.count % 3 == 0:
                return 1 if name == "depth" else "0"
        return super().sample_independent(study, trial, name, distribution)


class Random(RandomSampler):
    """Repeats architectures."""

    def __init__(self, *, seed: int | None = None, **options: Any) -> None:
        super().__init__(seed)


class Grabbing(RandomSearchSampler):
    """Draws hyperparameters itself."""

    def __init__(self, *, hp_sampler: BaseSampler | None = None, **options: Any) -> None:
        super().__init__(hp_sampler=RandomSampler(0), **options)


class Stolen(RandomSearchSampler):
    """Lets hp_sampler draw decisions as well, since the relative space is not filtered."""

    def infer_relative_search_space(self, study, trial):
        return self._hp_sampler.infer_relative_search_space(study, trial)


class Forgetful(RandomSearchSampler):
    """Does not look at the space."""

    def __init__(self, *, space: Any = None, **options: Any) -> None:
        super().__init__(**options)


class Squeamish(RandomSearchSampler):
    """Cannot read trials without a value."""

    def propose_next(self, history, rng):
        for member in history.members:
            assert member.trial.value is not None
        return super().propose_next(history, rng)

    history_size = None


complete_only = partial(Bookkeeper, complete_only=True)
STATIC_48 = {"objective": static_objective, "size": 48}
BROKEN: list[tuple[Callable[..., BaseSampler], str, dict[str, Any], str]] = [
    (Unkeyed, "test_equal_seeds_propose_the_same", {}, "Equal seeds must propose equal trials"),
    (Deaf, "test_equal_seeds_propose_the_same", {}, "Other seeds, and seed=None, must propose"),
    (
        Counting,
        "test_a_restart_changes_nothing",
        {"objective": static_objective},
        "must read all it knows from the study",
    ),
    (
        Counting,
        "test_copies_and_other_studies_go_on_alike",
        {},
        "Neither another study nor pickling",
    ),
    (
        Random,
        "test_every_architecture_is_proposed_once_and_then_again",
        STATIC_48,
        "No architecture may be proposed twice",
    ),
    (
        Random,
        "test_every_architecture_is_proposed_once_and_then_again",
        {"objective": conditional_objective, "size": 30},
        "30 trials have",
    ),
    (complete_only, "test_failed_pruned_and_infeasible_trials_are_not_proposed_again", {}, "48"),
    (complete_only, "test_running_trials_count_as_seen", {}, "No architecture may be proposed"),
    (Random, "test_threads_share_one_sampler", {}, "No architecture may be proposed twice"),
    (complete_only, "test_workers_never_evaluate_the_same", {}, "21 trials have"),
    (Grabbing, "test_hyperparameters_go_to_hp_sampler", {}, "hp_sampler must draw lr and width"),
    (Stolen, "test_hyperparameters_go_to_hp_sampler", {}, "and nothing else, but was shown"),
    (Stolen, "test_hyperparameters_do_not_change_the_decisions", {}, "must not be drawn by hp"),
    (Random, "test_enqueued_values_are_kept_and_completed", {}, "14 trials have"),
    (Random, "test_trials_of_others_are_taken_in", STATIC_48, "other samplers have tried"),
    (Forgetful, "test_a_space_tells_equal_architectures", {}, "the 21 digests of the space"),
    (Random, "test_a_conditional_space", {}, "39 trials have"),
    (Squeamish, "test_no_outcome_stops_the_search", {}, "is not None"),
    (Random, "test_hyperband", {}, "40 trials have"),
]


@pytest.mark.parametrize(
    ("make", "method", "given", "message"),
    BROKEN,
    ids=[f"{method}-{getattr(make, '__name__', 'Bookkeeper')}" for make, method, *_ in BROKEN],
)
def test_a_broken_sampler_is_found(
    make: Callable[..., BaseSampler], method: str, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(AssertionError, match=message):
        run(method, make, **given)


def test_every_property_is_shown_to_fail() -> None:
    properties = {name for name in dir(SamplerTestCase) if name.startswith("test_")}
    assert properties - {method for _, method, *_ in BROKEN} == {
        "test_a_trial_that_failed_before_its_decisions_blocks_nothing"
    }


def test_a_trial_that_blocks_what_it_did_not_decide_is_found() -> None:
    class Blocked(RandomSearchSampler):
        """Takes a failed trial that came to decide on ``a`` for all architectures with it."""

        def sample_independent(self, study, trial, name, distribution):
            failed = {t.params["a"] for t in study.trials if t.state == TrialState.FAIL}
            value = super().sample_independent(study, trial, name, distribution)
            if name == "a" and value in failed:
                return next(choice for choice in "3210" if choice not in failed)
            return value

    with pytest.raises(AssertionError, match="No architecture may be proposed twice"):
        run("test_a_trial_that_failed_before_its_decisions_blocks_nothing", Blocked)


def test_the_fixtures() -> None:
    case = SamplerTestCase()
    with pytest.raises(NotImplementedError, match="Give the fixture `make_sampler`"):
        SamplerTestCase.make_sampler.__wrapped__(case)
    make = SamplerTestCase.sampler.__wrapped__(case, RandomSearchSampler)
    assert isinstance(make(), RandomSearchSampler)
