"""Networks that grow, and the rules that say how.

A network is a value with a width, a depth and a resolution; ``scaled`` makes it larger, ``build``
makes it a module. A rule is a set of coefficients: published, or fitted to a study.
"""

from optuna_nas.scaling._analysis import ScalingAnalysis, analyse
from optuna_nas.scaling._cells import CellArchitecture, ScalableCells, parse_size
from optuna_nas.scaling._coefficients import (
    EFFICIENTNET,
    RESNET_RS,
    STRATEGIES,
    Coefficients,
    family,
    grown_to,
)
from optuna_nas.scaling._compound_fit import (
    LEAST_SHARES,
    CompoundFit,
    different_shares,
    fit,
    shares,
)
from optuna_nas.scaling._grid import RESNET_RS_GRID, ScalingGrid
from optuna_nas.scaling._mobile import (
    EFFICIENTNETS,
    EfficientNet,
    MnasNet,
    MobileNetV2,
    efficientnet,
)
from optuna_nas.scaling._network import ScalableNetwork, repeats
from optuna_nas.scaling._payoff import Payoff, Verdict
from optuna_nas.scaling._power_law import PowerLaw, power_law
from optuna_nas.scaling._regularisation import GrowingRegularisation, randaugment_magnitude
from optuna_nas.scaling._resnets import RESNETS_RS, ResNet, ResNetRS, resnet_rs, stage_blocks
from optuna_nas.scaling._results import ScalingResult, pareto_front, read_results
from optuna_nas.scaling._tables import family_table, strategy_table
from optuna_nas.scaling._warnings import ExtrapolationWarning

__all__ = [
    "LEAST_SHARES",
    "EFFICIENTNET",
    "EFFICIENTNETS",
    "RESNETS_RS",
    "RESNET_RS",
    "RESNET_RS_GRID",
    "STRATEGIES",
    "CellArchitecture",
    "Coefficients",
    "CompoundFit",
    "EfficientNet",
    "ExtrapolationWarning",
    "GrowingRegularisation",
    "MnasNet",
    "MobileNetV2",
    "Payoff",
    "PowerLaw",
    "ResNet",
    "ResNetRS",
    "ScalableCells",
    "ScalableNetwork",
    "ScalingAnalysis",
    "ScalingGrid",
    "ScalingResult",
    "Verdict",
    "analyse",
    "efficientnet",
    "family",
    "family_table",
    "different_shares",
    "fit",
    "grown_to",
    "pareto_front",
    "parse_size",
    "power_law",
    "randaugment_magnitude",
    "read_results",
    "repeats",
    "resnet_rs",
    "shares",
    "stage_blocks",
    "strategy_table",
]
