"""Parts of one life of a trial: limits, costs, reuse, failures, checkpoints, picture."""

from optuna_nas.objectives.trial._checkpoints import TrialCheckpoints, TrialSlot
from optuna_nas.objectives.trial._costs import LATENCY, MACS, PARAMS, Costs, Meter
from optuna_nas.objectives.trial._failures import (
    FAILURE_CONSTRAINT,
    INFEASIBLE,
    NonFiniteMetricError,
    TrialError,
    attributed_failures,
    is_out_of_memory,
    is_the_architectures,
    prune_infeasible,
)
from optuna_nas.objectives.trial._hyperparameters import (
    HYPERPARAMETERS,
    recipe_of,
    sampled_hyperparameters,
    sampled_recipe,
)
from optuna_nas.objectives.trial._limits import Limits
from optuna_nas.objectives.trial._picture import write_note
from optuna_nas.objectives.trial._reuse import METRIC_BESIDE, ReusableRuns
from optuna_nas.objectives.trial._reward import (
    LatencyReward,
    MacsReward,
    Reward,
    SizeReward,
    mnasnet_reward,
    reward_from_identity,
)
from optuna_nas.objectives.trial._run import TrialRun
from optuna_nas.objectives.trial._runs import COPY, run_key
from optuna_nas.objectives.trial._value import METRIC, Direction, TrialValue, Value, trial_value
from optuna_nas.objectives.trial._workers import fail_dead_trials, this_worker

__all__ = [
    "METRIC_BESIDE",
    "COPY",
    "FAILURE_CONSTRAINT",
    "HYPERPARAMETERS",
    "INFEASIBLE",
    "LATENCY",
    "MACS",
    "METRIC",
    "PARAMS",
    "Costs",
    "Direction",
    "LatencyReward",
    "Limits",
    "MacsReward",
    "Meter",
    "NonFiniteMetricError",
    "ReusableRuns",
    "Reward",
    "SizeReward",
    "TrialCheckpoints",
    "TrialError",
    "TrialRun",
    "TrialSlot",
    "TrialValue",
    "Value",
    "attributed_failures",
    "fail_dead_trials",
    "is_out_of_memory",
    "is_the_architectures",
    "mnasnet_reward",
    "prune_infeasible",
    "recipe_of",
    "reward_from_identity",
    "run_key",
    "sampled_hyperparameters",
    "sampled_recipe",
    "this_worker",
    "trial_value",
    "write_note",
]
