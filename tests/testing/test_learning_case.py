"""The comparison with random search finds samplers that learn nothing, or the wrong thing."""

from __future__ import annotations

import math

import pytest

from optuna_nas.samplers import LocalSearchSampler, RandomSearchSampler
from optuna_nas.samplers.base import ArchitectureSampler
from optuna_nas.testing import LearningSamplerTestCase, ToyProblem, ToySpace


class Small(LearningSamplerTestCase):
    problem = ToyProblem(space=ToySpace(num_layers=(1, 6), num_ops=3))
    budget = 30
    num_seeds = 8


class Lured(ArchitectureSampler):
    """Changes one decision of the trial that reported most, whatever its state and constraints."""

    def propose_next(self, history, rng):
        if len(history.members) < 5:
            return {}
        best = max(history.members, key=lambda m: m.trial.intermediate_values.get(1, -math.inf))
        name = rng.choice("name", list(best.decisions))
        return {other: made for other, made in best.decisions.items() if other != name}


def test_random_search_is_not_better_than_itself() -> None:
    with pytest.raises(AssertionError, match=r"lower by 0\.000 ± 0\.000 only .* over 8 seeds"):
        Small().test_it_is_better_than_random_search(RandomSearchSampler)
    Small().test_it_is_not_lured_by_infeasible_trials(RandomSearchSampler)


def test_a_sampler_that_looks_at_reports_alone_is_lured() -> None:
    with pytest.raises(AssertionError, match=r"Order trials by `Member\.outcome`"):
        Small().test_it_is_not_lured_by_infeasible_trials(Lured)


def test_local_search_is_better() -> None:
    Small().test_it_is_better_than_random_search(LocalSearchSampler)
    Small().test_it_is_not_lured_by_infeasible_trials(LocalSearchSampler)


def test_a_sampler_must_be_given() -> None:
    with pytest.raises(NotImplementedError, match="Give the fixture `make_sampler`"):
        LearningSamplerTestCase.make_sampler.__wrapped__(Small())
