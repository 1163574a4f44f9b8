"""Checks of single values, where Optuna would only warn or convert."""

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from optuna_nas.spaces.decisions._values import checked_value


@pytest.mark.parametrize(
    ("distribution", "value", "expected"),
    [
        (CategoricalDistribution((False, True)), 1, True),
        (CategoricalDistribution((1, 2)), True, 1),
        (CategoricalDistribution(("a", None)), None, None),
        (IntDistribution(1, 9), 9, 9),
        (IntDistribution(1, 9, step=2), np.int64(3), 3),
        (FloatDistribution(0.0, 1.0), 1, 1.0),
        (FloatDistribution(0.0, 1.0, step=0.1), 0.3, 0.3),
        (FloatDistribution(0.0, 1.0), np.float32(0.5), 0.5),
    ],
)
def test_values_as_the_distribution_spells_them(distribution, value, expected):
    checked = checked_value("x", value, distribution, "space")
    assert checked == expected
    assert type(checked) is type(expected)


@pytest.mark.parametrize(
    ("distribution", "value", "message"),
    [
        (CategoricalDistribution((False, True)), "True", r"one of \(False, True\) in space"),
        (CategoricalDistribution((1, 3)), 2, "got 2"),
        (IntDistribution(0, 9), True, r"an int in \[0, 9\] in space, but got True"),
        (IntDistribution(1, 9), 3.0, "got 3.0"),
        (IntDistribution(1, 9), "3", "got '3'"),
        (IntDistribution(1, 9), 10, "got 10"),
        (IntDistribution(1, 9), 0, "got 0"),
        (IntDistribution(1, 9, step=2), 4, "in steps of 2"),
        (FloatDistribution(0.0, 1.0), 1.5, r"a float in \[0.0, 1.0\]"),
        (FloatDistribution(0.0, 1.0), float("nan"), "got nan"),
        (FloatDistribution(0.0, 1.0), True, "got True"),
        (FloatDistribution(0.0, 1.0), "0.5", "got '0.5'"),
        (FloatDistribution(0.0, 1.0, step=0.25), 0.3, "in steps of 0.25"),
    ],
)
def test_refused_values(distribution, value, message):
    with pytest.raises(ValueError, match=f"`x` must be.*{message}.*Check the parameters"):
        checked_value("x", value, distribution, "space")
