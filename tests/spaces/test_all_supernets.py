"""The common test case on the supernets of all static spaces."""

import dataclasses

import pytest
from cell_examples import OWN_SHARED
from space_testing import sample
from torch import nn

from optuna_nas.spaces import (
    AmoebaNetSpace,
    DARTSSpace,
    ENASMacroSpace,
    ENASMicroSpace,
    NASBench201Space,
    NASNetSpace,
    PNASSpace,
    published,
)
from optuna_nas.testing import SupernetTestCase

SMALL = {"cells": 1, "channels": 4, "num_classes": 5, "in_channels": 2}


class OurSupernetTestCase(SupernetTestCase):
    """What our own supernets promise beside: sizes of outputs and alphas, and errors."""

    build = {**SMALL, "cells": 2}
    supernet_build = {**SMALL, "dropout": 0.0}

    def test_outputs(self, space, supernet, architectures, x):
        assert supernet(x).shape == (2, 5)
        assert supernet(x, architecture=architectures[0]).shape == (2, 5)
        assert max(alpha.abs().max() for alpha in supernet.alphas().values()) < 6e-3

    def test_architectures_of_other_spaces(self, space, supernet, x):
        with pytest.raises(ValueError, match="`architecture` belongs to another space"):
            supernet(x, architecture=published.MNASNET_A1)
        with pytest.raises(ValueError, match="prefix='.*' here, prefix='other_' there"):
            supernet(x, architecture=sample(dataclasses.replace(space, prefix="other_"), 1)[0])

    def test_wrong_mixtures(self, supernet, x):
        weights = supernet.mixture()
        name = next(iter(weights))
        with pytest.raises(ValueError, match="both"):
            supernet(x, architecture=supernet.derive(), mixture=weights)
        del weights[name]
        with pytest.raises(ValueError, match=rf"`mixture` must have the names.*\['{name}'\]"):
            supernet(x, mixture=weights)
        with pytest.raises(ValueError, match=rf"`mixture` must have the names.*\['{name}'\]"):
            supernet.derive(weights)


class StatisticsCase(OurSupernetTestCase):
    """Supernets all of whose norms can go without statistics."""

    def test_no_norm_keeps_statistics_if_none_shall(self, space):
        supernet = space.supernet(track_running_stats=False, **self.supernet_build)
        norms = [module for module in supernet.modules() if isinstance(module, nn.BatchNorm2d)]
        assert norms
        assert all(norm.running_mean is None for norm in norms)


class TestNASBench201Supernet(OurSupernetTestCase):
    supernet_build = SMALL

    @pytest.fixture
    def space(self):
        return NASBench201Space()


class TestPrefixedNASBench201Supernet(TestNASBench201Supernet):
    @pytest.fixture
    def space(self):
        return NASBench201Space(prefix="my_")


class TestDARTSSupernet(OurSupernetTestCase):
    supernet_build = {**SMALL, "cells": 3}
    takes_fixed = False

    @pytest.fixture
    def space(self):
        return DARTSSpace(num_nodes=2)


class TestPrefixedDARTSSupernet(OurSupernetTestCase):
    supernet_build = {**SMALL, "cells": 2}
    takes_fixed = False

    @pytest.fixture
    def space(self):
        return DARTSSpace(num_nodes=2, prefix="my_")


class TestENASMicroSupernet(StatisticsCase):
    @pytest.fixture
    def space(self):
        return ENASMicroSpace(num_blocks=2)


class TestNASNetSupernet(StatisticsCase):
    @pytest.fixture
    def space(self):
        return NASNetSpace(num_blocks=2)


class TestAmoebaNetSupernet(StatisticsCase):
    @pytest.fixture
    def space(self):
        return AmoebaNetSpace(num_blocks=2, concat={"normal": (0, 3), "reduce": (2,)})


class TestPNASSupernet(StatisticsCase):
    @pytest.fixture
    def space(self):
        return PNASSpace(num_blocks=2)


class TestSupernetOfOwnCells(StatisticsCase):
    @pytest.fixture
    def space(self):
        return OWN_SHARED


class TestENASMacroSupernet(StatisticsCase):
    build = {name: value for name, value in SMALL.items() if name != "cells"}
    supernet_build = {**build, "dropout": 0.0}

    @pytest.fixture
    def space(self):
        return ENASMacroSpace(num_layers=3)
