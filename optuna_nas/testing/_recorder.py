"""A sampler of hyperparameters that writes down how it is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

__all__ = ["Recorder"]


class Recorder(RandomSampler):
    """Draws the upper ends of what it is shown, and records its calls.

    Attributes:
        hooks: Names of the hooks in the order in which they were called.
        shown: Names of the parameters that it was to draw jointly or alone.
    """

    def __init__(self) -> None:
        super().__init__(seed=0)
        self.hooks: list[str] = []
        self.shown: set[str] = set()

    def reseed_rng(self) -> None:
        self.hooks.append("reseed_rng")

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self.hooks.append("before_trial")

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        self.hooks.append("after_trial")

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return optuna.search_space.intersection_search_space(study.get_trials(deepcopy=False))

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        self.shown |= search_space.keys()
        return {name: _last(distribution) for name, distribution in search_space.items()}

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        self.shown.add(param_name)
        return super().sample_independent(study, trial, param_name, param_distribution)


def _last(distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[-1]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return distribution.high
