"""The test case on what a sampler finds: it is better than random search at an equal budget."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable
from typing import ClassVar

import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from optuna_nas.samplers import RandomSearchSampler
from optuna_nas.testing._problems import ToyProblem
from optuna_nas.testing._toy import ToySpace

__all__ = ["LearningSamplerTestCase"]

Make = Callable[..., BaseSampler]


class LearningSamplerTestCase:
    """Comparison of a sampler with random search; derive from it and give ``make_sampler``.

    Each of its two tests takes ``num_seeds`` runs of ``budget`` trials with each sampler: about
    ten seconds at a cost of 3 ms a trial. Lower the numbers where that is too long.

    Attributes:
        problem: Problem that is searched, with another order of choices for each seed; its space
            must have a range of depths, the deeper half of which is infeasible in one test.
        budget: Number of trials of each run.
        num_seeds: Number of runs of each sampler.

    Example::

        class TestMySampler(SamplerTestCase, LearningSamplerTestCase, BasicSamplerTestCase):
            budget = 100

            @pytest.fixture
            def make_sampler(self):
                return MySampler
    """

    problem: ClassVar[ToyProblem] = ToyProblem(space=ToySpace(num_layers=(1, 6), num_ops=5))
    budget: ClassVar[int] = 60
    num_seeds: ClassVar[int] = 20

    @pytest.fixture
    def make_sampler(self) -> Make:
        """Return the class of the sampler, or a function of its options."""
        raise NotImplementedError("Give the fixture `make_sampler`, as for SamplerTestCase.")

    def test_it_is_better_than_random_search(self, make_sampler: Make) -> None:
        """The mean regret is lower by more than two standard errors of the paired difference."""
        mean, error = self._gain(make_sampler, _regret)
        assert mean > 2 * error, (
            f"The sampler must be better than random search after {self.budget} trials, but its "
            f"regret is lower by {mean:.3f} ± {error:.3f} only (mean and standard error over "
            f"{self.num_seeds} seeds)."
        )

    def test_it_is_not_lured_by_infeasible_trials(self, make_sampler: Make) -> None:
        """Trials that break a constraint are not preferred, however good what they report."""
        mean, error = self._gain(make_sampler, _infeasible)
        assert mean >= -2 * error, (
            "Infeasible trials are worse than all feasible ones, but the share of them is higher "
            f"than random search's by {-mean:.3f} ± {error:.3f} (mean and standard error over "
            f"{self.num_seeds} seeds). Order trials by `Member.outcome`."
        )

    def _gain(
        self, make_sampler: Make, measure: Callable[[BaseSampler, ToyProblem, int], float]
    ) -> tuple[float, float]:
        """Return how much lower a figure is than random search's: mean and standard error."""
        gains = []
        for seed in range(self.num_seeds):
            problem = dataclasses.replace(self.problem, seed=seed)
            samplers = (RandomSearchSampler(seed=seed), make_sampler(seed=seed))
            random, ours = (measure(sampler, problem, self.budget) for sampler in samplers)
            gains.append(random - ours)
        return statistics.mean(gains), statistics.stdev(gains) / math.sqrt(self.num_seeds)


def _regret(sampler: BaseSampler, problem: ToyProblem, n_trials: int) -> float:
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(problem, n_trials=n_trials)
    return problem.regret(study)


def _infeasible(sampler: BaseSampler, problem: ToyProblem, n_trials: int) -> float:
    """Share of infeasible trials, which are the deeper half and report great values."""
    low, high = problem.space.depths

    def objective(trial: optuna.Trial) -> float:
        value = problem(trial)
        infeasible = len(problem.space.architecture(trial.params).genotype) > (low + high) / 2
        trial.report(value + 100.0 * infeasible, 1)
        if infeasible:
            trial.set_constraint("depth", 1.0)
            raise optuna.TrialPruned
        return value

    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=n_trials)
    pruned = sum(trial.state == TrialState.PRUNED for trial in study.trials)
    return pruned / n_trials
