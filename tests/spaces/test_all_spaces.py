"""The common test case on every space."""

import pytest
from cell_examples import OWN, OWN_SHARED
from function_examples import chain_net, prefixed_net
from space_testing import IMAGES, ImageSpaceTestCase

from optuna_nas.spaces import (
    AmoebaNetSpace,
    DARTSSpace,
    ENASMicroSpace,
    NASBench201Space,
    NASNetSpace,
    NASRLSpace,
    PNASSpace,
)
from optuna_nas.testing import ToySpace


class TestNASBench201Space(ImageSpaceTestCase):
    build = {**IMAGES, "cells": 1, "channels": 4}

    @pytest.fixture
    def space(self):
        return NASBench201Space()


class TestNASRLSpace(ImageSpaceTestCase):
    @pytest.fixture
    def space(self):
        return NASRLSpace(num_layers=4)


class TestNASRLSpaceWithStridesAndDepths(ImageSpaceTestCase):
    @pytest.fixture
    def space(self):
        return NASRLSpace(num_layers=(1, 6), strides=(1, 2, 3))


class CellSpaceTestCase(ImageSpaceTestCase):
    build = {**IMAGES, "cells": 1, "channels": 4}
    image_sizes = (16, 20)


class TestNASNetSpace(CellSpaceTestCase):
    @pytest.fixture
    def space(self):
        return NASNetSpace()


class TestNASNetSpaceWithConcat(CellSpaceTestCase):
    @pytest.fixture
    def space(self):
        return NASNetSpace(num_blocks=3, concat={"normal": (0, 3, 4), "reduce": (1, 2, 4)})


class TestAmoebaNetSpace(CellSpaceTestCase):
    @pytest.fixture
    def space(self):
        return AmoebaNetSpace(ops=("identity", "max_pool_2x2", "conv_1x1", "dil_conv_3x3"))


class TestPNASSpace(CellSpaceTestCase):
    @pytest.fixture
    def space(self):
        return PNASSpace()


class TestGrowingPNASSpace(CellSpaceTestCase):
    @pytest.fixture
    def space(self):
        return PNASSpace(num_blocks=(1, 5))


class TestENASMicroSpace(CellSpaceTestCase):
    build = {**IMAGES, "cells": 4, "channels": 4}

    @pytest.fixture
    def space(self):
        return ENASMicroSpace()


class TestDARTSSpace(CellSpaceTestCase):
    build = {**IMAGES, "cells": 3, "channels": 4}

    @pytest.fixture
    def space(self):
        return DARTSSpace()


class TestDARTSSpaceWithNone(CellSpaceTestCase):
    build = {**IMAGES, "cells": 3, "channels": 4}

    @pytest.fixture
    def space(self):
        return DARTSSpace(num_nodes=2, keep_none=True)


class TestCellSpaceOfOwnOperations(CellSpaceTestCase):
    @pytest.fixture
    def space(self):
        return OWN


class TestCellSpaceOfOneCell(CellSpaceTestCase):
    @pytest.fixture
    def space(self):
        return OWN_SHARED


class TestToySpace(ImageSpaceTestCase):
    @pytest.fixture
    def space(self):
        return ToySpace()


class TestConditionalToySpace(ImageSpaceTestCase):
    @pytest.fixture
    def space(self):
        return ToySpace(num_layers=(1, 5), num_ops=5)


class TestFunctionSpace(ImageSpaceTestCase):
    @pytest.fixture
    def space(self):
        return chain_net


class TestPrefixedFunctionSpace(ImageSpaceTestCase):
    @pytest.fixture
    def space(self):
        return prefixed_net
