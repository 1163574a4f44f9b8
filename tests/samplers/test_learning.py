"""The samplers that learn are better than random search, and not lured by infeasible trials."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from optuna.samplers import BaseSampler

from optuna_nas.samplers import (
    LocalSearchSampler,
    PPOSampler,
    PredictorSampler,
    RegularizedEvolutionSampler,
    ReinforceSampler,
)
from optuna_nas.testing import LearningSamplerTestCase

pytestmark = pytest.mark.slow
Make = Callable[..., BaseSampler]


class TestLocalSearch(LearningSamplerTestCase):
    @pytest.fixture
    def make_sampler(self) -> Make:
        return LocalSearchSampler


class TestRegularizedEvolution(LearningSamplerTestCase):
    @pytest.fixture
    def make_sampler(self) -> Make:
        return RegularizedEvolutionSampler


class TestPredictor(LearningSamplerTestCase):
    @pytest.fixture
    def make_sampler(self) -> Make:
        return PredictorSampler


class TestReinforce(LearningSamplerTestCase):
    budget = 150

    @pytest.fixture
    def make_sampler(self) -> Make:
        return ReinforceSampler


class TestPPO(LearningSamplerTestCase):
    budget = 150

    @pytest.fixture
    def make_sampler(self) -> Make:
        return PPOSampler
