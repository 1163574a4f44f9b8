"""Optuna objectives, callables that evaluate a trial, and what their authors need."""

from optuna_nas.objectives import proxies
from optuna_nas.objectives._base import Objective
from optuna_nas.objectives._best import best_trials, derived_accuracies
from optuna_nas.objectives._estimate import Estimate, estimate
from optuna_nas.objectives._options import ObjectiveOptions
from optuna_nas.objectives._proxy_objective import ProxyObjective
from optuna_nas.objectives._training import TrainingObjective
from optuna_nas.objectives._warm_start import (
    ScoredArchitecture,
    score_architectures,
    warm_start,
)
from optuna_nas.objectives.evaluation import (
    Evaluator,
    NetworkTraining,
    TrainingJob,
    distributed_optimize,
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
from optuna_nas.objectives.scaling import (
    CompoundScalingObjective,
    ScaledOptions,
    ScaledTraining,
    ScalingStudyObjective,
    StrategyObjective,
)
from optuna_nas.objectives.trial import (
    Costs,
    LatencyReward,
    Limits,
    MacsReward,
    Reward,
    SizeReward,
    TrialError,
    TrialRun,
    attributed_failures,
    fail_dead_trials,
    mnasnet_reward,
    read_identity,
    recipe_of,
    sampled_hyperparameters,
)

__all__ = [
    "AlphaRecipe",
    "CompoundScalingObjective",
    "Costs",
    "DARTSObjective",
    "Dirichlet",
    "EigenvalueStop",
    "Estimate",
    "Evaluator",
    "HardGumbel",
    "LatencyReward",
    "Limits",
    "MacsReward",
    "NetworkTraining",
    "Objective",
    "ObjectiveOptions",
    "Perturbation",
    "ProxyObjective",
    "Reward",
    "ScaledOptions",
    "ScaledTraining",
    "ScalingStudyObjective",
    "ScoredArchitecture",
    "ScoredChild",
    "SharedWeightsObjective",
    "Sigmoid",
    "SizeReward",
    "Softmax",
    "StrategyObjective",
    "TrainingJob",
    "TrainingObjective",
    "TrialError",
    "TrialRun",
    "attributed_failures",
    "best_trials",
    "derived_accuracies",
    "distributed_optimize",
    "estimate",
    "fail_dead_trials",
    "mnasnet_reward",
    "proxies",
    "read_alphas",
    "read_identity",
    "recipe_of",
    "sampled_hyperparameters",
    "score_architectures",
    "warm_start",
]
