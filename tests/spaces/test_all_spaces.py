"""The common test case on every space."""

import pytest
from function_examples import chain_net, prefixed_net
from space_testing import SpaceTestCase

from optuna_nas.spaces import NASBench201Space, NASRLSpace
from optuna_nas.spaces._toy import ToySpace


class TestNASBench201Space(SpaceTestCase):
    small = {"cells": 1, "channels": 4}

    @pytest.fixture
    def space(self):
        return NASBench201Space()


class TestNASRLSpace(SpaceTestCase):
    @pytest.fixture
    def space(self):
        return NASRLSpace(num_layers=4)


class TestNASRLSpaceWithStridesAndDepths(SpaceTestCase):
    @pytest.fixture
    def space(self):
        return NASRLSpace(num_layers=(1, 6), strides=(1, 2, 3))


class TestToySpace(SpaceTestCase):
    @pytest.fixture
    def space(self):
        return ToySpace()


class TestConditionalToySpace(SpaceTestCase):
    @pytest.fixture
    def space(self):
        return ToySpace(num_layers=(1, 5), num_ops=5)


class TestFunctionSpace(SpaceTestCase):
    @pytest.fixture
    def space(self):
        return chain_net


class TestPrefixedFunctionSpace(SpaceTestCase):
    @pytest.fixture
    def space(self):
        return prefixed_net
