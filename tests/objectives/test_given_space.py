"""A space is needed, and something else was given."""

import pytest
from torch import nn

from optuna_nas.objectives import (
    DARTSObjective,
    ProxyObjective,
    SharedWeightsObjective,
    TrainingObjective,
    estimate,
    score_architectures,
)
from optuna_nas.spaces import NASBench201Space, sample_architectures
from optuna_nas.training import load_data


def plain(trial, num_classes=10):
    return nn.Linear(1, num_classes)


@pytest.mark.parametrize(
    ("given", "way_out"),
    [
        (plain, "put @function_space above the function"),
        (NASBench201Space, r"make one of the class, NASBench201Space\(\)"),
        (None, "see optuna_nas.spaces"),
    ],
)
@pytest.mark.parametrize(
    "use",
    [
        lambda given: TrainingObjective(given, "digits", epochs=1),
        lambda given: DARTSObjective(given, "digits", epochs=1),
        lambda given: SharedWeightsObjective(given, "digits", epochs=1),
        lambda given: ProxyObjective(given, "digits"),
        lambda given: sample_architectures(given, 3),
        lambda given: score_architectures(given, "digits"),
        lambda given: estimate(given, load_data("digits")),
    ],
)
def test_a_space_must_be_one(use, given, way_out):
    with pytest.raises(TypeError, match=f"`space` must be a space.*{way_out}"):
        use(given)
