"""Variants of DARTS: how alphas mix, when a search ends, how an architecture is derived.

Each published variant has a file of its own, and is one by standing in ``__all__`` here.
"""

from collections.abc import Mapping

from optuna_nas.objectives.one_shot.variants._darts_es import DARTS_ES, EigenvalueStop
from optuna_nas.objectives.one_shot.variants._darts_pt import DARTS_PT, Perturbation
from optuna_nas.objectives.one_shot.variants._drnas import DRNAS, DirichletMixing
from optuna_nas.objectives.one_shot.variants._fair_darts import FAIR_DARTS, SigmoidMixing
from optuna_nas.objectives.one_shot.variants._gdas import GDAS, GumbelMixing
from optuna_nas.objectives.one_shot.variants._mixing import Mixing, SoftmaxMixing
from optuna_nas.objectives.one_shot.variants._part import VariantPart
from optuna_nas.objectives.one_shot.variants._pc_darts import PC_DARTS
from optuna_nas.objectives.one_shot.variants._selection import (
    MixingWeights,
    Selection,
    TrainedSupernet,
)
from optuna_nas.objectives.one_shot.variants._stopping import Stopping
from optuna_nas.objectives.one_shot.variants._variant import (
    DARTSVariant,
    check_variant,
    combine_variants,
)

__all__ = [
    "DARTS_ES",
    "DARTS_PT",
    "DRNAS",
    "FAIR_DARTS",
    "GDAS",
    "PC_DARTS",
    "VARIANTS",
    "DARTSVariant",
    "DirichletMixing",
    "EigenvalueStop",
    "GumbelMixing",
    "Mixing",
    "MixingWeights",
    "Perturbation",
    "Selection",
    "SigmoidMixing",
    "SoftmaxMixing",
    "Stopping",
    "TrainedSupernet",
    "VariantPart",
    "check_variant",
    "combine_variants",
]

_EXPORTED = [globals()[name] for name in __all__ if name in globals()]

VARIANTS: Mapping[str, DARTSVariant] = {
    value.name: value for value in _EXPORTED if isinstance(value, DARTSVariant)
}
"""The published variants by name, as ``optuna-nas darts --variant`` takes them."""
