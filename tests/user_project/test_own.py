"""A user's tests: the public test cases on what the project has of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from all_hooks import MySpace, use
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase, SingleOnlySamplerTestCase
from own_sampler import HillClimbing
from own_space import ConvSpace, OpSpace, choosing_net, tabular_net
from search import count, one_shot, search, search_by_costs

from optuna_nas.spaces import SearchSpace
from optuna_nas.testing import (
    LearningSamplerTestCase,
    SamplerTestCase,
    SpaceTestCase,
    SupernetTestCase,
    ToyProblem,
    ToySpace,
)
from optuna_nas.training import load_data


def test_the_searches_run(tmp_path: Path) -> None:
    data = load_data("digits", train_size=60, val_size=40)
    assert search(ConvSpace(), data, n_trials=2).space == ConvSpace()
    assert 1 <= len(search_by_costs(data)) <= 2
    assert len(one_shot(data)) == 4
    assert "multiply-adds" in count(OpSpace(), data, tmp_path)
    assert "<svg" in (tmp_path / "best.svg").read_text()


def test_all_hooks() -> None:
    assert ">" in use(MySpace(num_layers=2))


class TestHillClimbing(
    SamplerTestCase, LearningSamplerTestCase, BasicSamplerTestCase, SingleOnlySamplerTestCase
):
    problem: ClassVar[ToyProblem] = ToyProblem(space=ToySpace(num_layers=(1, 6)))
    budget: ClassVar[int] = 40
    num_seeds: ClassVar[int] = 10

    @pytest.fixture
    def make_sampler(self) -> Callable[..., BaseSampler]:
        return HillClimbing


class TestConvSpace(SpaceTestCase):
    @pytest.fixture
    def space(self) -> SearchSpace:
        return ConvSpace(num_layers=3)


class TestOpSpace(SpaceTestCase, SupernetTestCase):
    @pytest.fixture
    def space(self) -> SearchSpace:
        return OpSpace()


class TestTabularNet(SpaceTestCase):
    @pytest.fixture
    def space(self) -> SearchSpace:
        return tabular_net

    def inputs(self, space: SearchSpace) -> Sequence[Any]:
        return [torch.randn(2, 6)]

    def check_output(self, output: Any, space: SearchSpace) -> None:
        super().check_output(output, space)
        assert output.shape == (2, 2)


class TestChoosingNet(SpaceTestCase, SupernetTestCase):
    @pytest.fixture
    def space(self) -> SearchSpace:
        return choosing_net
