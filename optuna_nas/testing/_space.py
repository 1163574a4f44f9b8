"""The test case on a space: everything that holds for the spaces of this package."""

from __future__ import annotations

from optuna_nas.testing._networks import NetworkCase
from optuna_nas.testing._round_trips import RoundTripCase
from optuna_nas.testing._suggestions import SuggestionCase

__all__ = ["SpaceTestCase"]


class SpaceTestCase(RoundTripCase, SuggestionCase, NetworkCase):
    """Properties that every search space must have; derive from it and give ``space``.

    It needs pytest. What it checks:

    - An architecture comes back from its parameters, notation, JSON, trials and a database as it
      was, and a space from its settings and from pickle.
    - Decisions are discrete, have legal names, and their choices depend on the name alone, under
      every sampler; ``num_architectures`` is their number.
    - Missing, wrong and left over decisions are refused.
    - Equal digests compute the same network: networks of equal digests are compared on equal
      weights, among architectures that differ in one decision most of all.
    - Networks are drawn, built, run and differentiated.

    Attributes:
        num_samples: Number of random architectures on which most properties are tried.
        num_builds: Number of networks to build and run.
        build: Build arguments of a network that runs in milliseconds.
        image_sizes: Heights and widths of the default ``inputs``.
        floats: Whether the space asks for floats too (function spaces may).
        max_enumerated: Spaces of at most this size are enumerated, and their size is compared.
        num_neighbours: Number of architectures whose digests are compared with those one decision
            away.
        num_comparisons: Number of pairs of equal digests whose networks are compared.
        digests: Digests that must never change, by notation.

    Example::

        import pytest
        from optuna_nas.testing import SpaceTestCase

        class TestMySpace(SpaceTestCase):
            build = {"channels": 4}
            image_sizes = (16, 20)

            @pytest.fixture
            def space(self):
                return MySpace()

        class TestForecaster(SpaceTestCase):  # of other inputs than images
            @pytest.fixture
            def space(self):
                return forecaster

            def inputs(self, space):
                return [torch.randn(2, 24, 3)]
    """
