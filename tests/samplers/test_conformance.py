"""Optuna's own suite and ours on every sampler: what each does is in the other files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

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
from optuna_nas.testing import SamplerTestCase, ToySpace

Make = Callable[..., BaseSampler]


class TestRandomSearch(SamplerTestCase, BasicSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def make_sampler(self) -> Make:
        return RandomSearchSampler


class TestLocalSearch(SamplerTestCase, BasicSamplerTestCase, SingleOnlySamplerTestCase):
    @pytest.fixture
    def make_sampler(self) -> Make:
        return partial(LocalSearchSampler, n_startup_trials=2)


class TestRegularizedEvolution(
    SamplerTestCase, BasicSamplerTestCase, MultiObjectiveSamplerTestCase
):
    @pytest.fixture
    def make_sampler(self) -> Make:
        return partial(RegularizedEvolutionSampler, population_size=3, tournament_size=2)


class TestReinforce(SamplerTestCase, BasicSamplerTestCase, SingleOnlySamplerTestCase):
    @pytest.fixture
    def make_sampler(self) -> Make:
        return ReinforceSampler


class TestPPO(SamplerTestCase, BasicSamplerTestCase, SingleOnlySamplerTestCase):
    @pytest.fixture
    def make_sampler(self) -> Make:
        return partial(PPOSampler, batch_size=2, inner_steps=2)


class TestPredictor(SamplerTestCase, BasicSamplerTestCase, SingleOnlySamplerTestCase):
    @pytest.fixture
    def make_sampler(self) -> Make:
        return partial(PredictorSampler, n_startup_trials=2)


class TestAmoebaNet(BasicSamplerTestCase, MultiObjectiveSamplerTestCase):
    """The paper's settings, which repeat architectures."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: RegularizedEvolutionSampler.amoebanet(
            population_size=3, tournament_size=2, seed=0
        )


class TestProgressive(BasicSamplerTestCase, SingleOnlySamplerTestCase):
    """It searches the levels of its space, and nothing else."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        space = ToySpace(num_layers=(1, 2))
        return lambda: ProgressiveSampler(space=space, beam_size=2, seed=0)
