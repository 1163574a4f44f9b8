"""Optuna's own suite of what every sampler must do (the floor only, see the other files)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    SingleOnlySamplerTestCase,
)

from optuna_nas.samplers import (
    LocalSearchSampler,
    PPOSampler,
    PredictorSampler,
    ProgressiveSampler,
    RandomSearchSampler,
    RegularizedEvolutionSampler,
    ReinforceSampler,
)
from optuna_nas.testing import ToySpace


class TestRandomSearch(BasicSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: RandomSearchSampler(seed=0)


class TestLocalSearch(BasicSamplerTestCase, SingleOnlySamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: LocalSearchSampler(n_startup_trials=2, seed=0)


class TestRegularizedEvolution(BasicSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: RegularizedEvolutionSampler(population_size=3, tournament_size=2, seed=0)


class TestAmoebaNet(BasicSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: RegularizedEvolutionSampler.amoebanet(
            population_size=3, tournament_size=2, seed=0
        )


class TestReinforce(BasicSamplerTestCase, SingleOnlySamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: ReinforceSampler(seed=0)


class TestPPO(BasicSamplerTestCase, SingleOnlySamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: PPOSampler(batch_size=2, inner_steps=2, seed=0)


class TestPredictor(BasicSamplerTestCase, SingleOnlySamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: PredictorSampler(n_startup_trials=2, seed=0)


class TestProgressive(BasicSamplerTestCase, SingleOnlySamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        space = ToySpace(num_layers=(1, 2))
        return lambda: ProgressiveSampler(space=space, beam_size=2, seed=0)
