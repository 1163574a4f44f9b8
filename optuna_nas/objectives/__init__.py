"""Who judges: Optuna objectives, callables that take a trial."""

from optuna_nas.objectives import proxies
from optuna_nas.objectives._base import Objective, TrialRun
from optuna_nas.objectives._best import best_trials, derived_accuracies
from optuna_nas.objectives._estimate import Estimate, estimate
from optuna_nas.objectives._options import ObjectiveOptions
from optuna_nas.objectives._proxy_objective import ProxyObjective
from optuna_nas.objectives._together import optimize_together
from optuna_nas.objectives._training import TrainingObjective
from optuna_nas.objectives._warm_start import (
    ScoredArchitecture,
    score_architectures,
    warm_start,
)
from optuna_nas.objectives.one_shot import (
    AlphaRecipe,
    DARTSObjective,
    Dirichlet,
    EigenvalueStop,
    HardGumbel,
    Perturbation,
    ScoredChild,
    SharedWeightsObjective,
    Sigmoid,
    Softmax,
    read_alphas,
)
from optuna_nas.objectives.scaling._compound_scaling import CompoundScalingObjective
from optuna_nas.objectives.scaling._scaled_training import ScaledJudge, ScaledTraining
from optuna_nas.objectives.scaling._scaling_study import ScalingStudyObjective
from optuna_nas.objectives.scaling._strategies import StrategyObjective
from optuna_nas.objectives.trial._failures import TrialError
from optuna_nas.objectives.trial._hyperparameters import drawn_in, recipe_of
from optuna_nas.objectives.trial._reward import (
    LatencyReward,
    MacsReward,
    Reward,
    SizeReward,
    mnasnet_reward,
)
from optuna_nas.objectives.trial._study import read_identity
from optuna_nas.objectives.trial._workers import fail_dead_trials

__all__ = [
    "AlphaRecipe",
    "CompoundScalingObjective",
    "DARTSObjective",
    "Dirichlet",
    "EigenvalueStop",
    "Estimate",
    "HardGumbel",
    "LatencyReward",
    "MacsReward",
    "Objective",
    "ObjectiveOptions",
    "Perturbation",
    "ProxyObjective",
    "Reward",
    "ScaledJudge",
    "ScaledTraining",
    "ScalingStudyObjective",
    "ScoredArchitecture",
    "ScoredChild",
    "SharedWeightsObjective",
    "Sigmoid",
    "SizeReward",
    "Softmax",
    "StrategyObjective",
    "TrainingObjective",
    "TrialError",
    "TrialRun",
    "best_trials",
    "derived_accuracies",
    "drawn_in",
    "estimate",
    "fail_dead_trials",
    "mnasnet_reward",
    "optimize_together",
    "proxies",
    "read_alphas",
    "read_identity",
    "recipe_of",
    "score_architectures",
    "warm_start",
]
