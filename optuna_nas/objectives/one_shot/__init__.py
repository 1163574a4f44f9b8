"""One-shot search: one trial trains a supernet, and derives an architecture from it."""

from optuna_nas.objectives.one_shot._alpha_recipe import AlphaRecipe
from optuna_nas.objectives.one_shot._darts import DARTSObjective
from optuna_nas.objectives.one_shot._eigenvalue import EigenvalueStop
from optuna_nas.objectives.one_shot._mixing import Dirichlet, HardGumbel, Mixing, Sigmoid, Softmax
from optuna_nas.objectives.one_shot._perturbation import Perturbation
from optuna_nas.objectives.one_shot._readings import read_alphas
from optuna_nas.objectives.one_shot._settings import published_recipe, published_shared_recipe
from optuna_nas.objectives.one_shot._shared import (
    ScoredChild,
    SharedWeightsObjective,
)
from optuna_nas.objectives.one_shot._variants import VARIANTS, Variant, combine_variants

__all__ = [
    "VARIANTS",
    "AlphaRecipe",
    "DARTSObjective",
    "Dirichlet",
    "EigenvalueStop",
    "HardGumbel",
    "Mixing",
    "Perturbation",
    "ScoredChild",
    "SharedWeightsObjective",
    "Sigmoid",
    "Softmax",
    "Variant",
    "combine_variants",
    "published_recipe",
    "published_shared_recipe",
    "read_alphas",
]
