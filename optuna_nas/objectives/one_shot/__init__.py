"""One-shot search: one trial trains a supernet, and derives an architecture from it."""

from optuna_nas.objectives.one_shot._alpha_recipe import AlphaRecipe
from optuna_nas.objectives.one_shot._darts import DARTSObjective, DARTSOptions
from optuna_nas.objectives.one_shot._readings import (
    CHOICES,
    EIGENVALUE,
    SearchReading,
    read_alphas,
)
from optuna_nas.objectives.one_shot._settings import published_recipe, published_shared_recipe
from optuna_nas.objectives.one_shot._shared import ScoredChild, SharedWeightsObjective
from optuna_nas.objectives.one_shot.variants import (
    VARIANTS,
    DARTSVariant,
    DirichletMixing,
    EigenvalueStop,
    GumbelMixing,
    Mixing,
    MixingWeights,
    Perturbation,
    Selection,
    SigmoidMixing,
    SoftmaxMixing,
    Stopping,
    TrainedSupernet,
    combine_variants,
)

__all__ = [
    "CHOICES",
    "EIGENVALUE",
    "VARIANTS",
    "AlphaRecipe",
    "DARTSObjective",
    "DARTSOptions",
    "DARTSVariant",
    "DirichletMixing",
    "EigenvalueStop",
    "GumbelMixing",
    "Mixing",
    "MixingWeights",
    "Perturbation",
    "ScoredChild",
    "SearchReading",
    "Selection",
    "SharedWeightsObjective",
    "SigmoidMixing",
    "SoftmaxMixing",
    "Stopping",
    "TrainedSupernet",
    "combine_variants",
    "published_recipe",
    "published_shared_recipe",
    "read_alphas",
]
