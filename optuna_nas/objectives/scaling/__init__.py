"""Objectives that scale a network up."""

from optuna_nas.objectives.scaling._compound_scaling import CompoundScalingObjective
from optuna_nas.objectives.scaling._scaled import ScaledOptions
from optuna_nas.objectives.scaling._scaled_training import ScaledTraining
from optuna_nas.objectives.scaling._scaling_study import ScalingStudyObjective
from optuna_nas.objectives.scaling._strategies import StrategyObjective

__all__ = [
    "CompoundScalingObjective",
    "ScaledOptions",
    "ScaledTraining",
    "ScalingStudyObjective",
    "StrategyObjective",
]
