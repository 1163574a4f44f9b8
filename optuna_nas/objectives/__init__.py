"""Who judges: Optuna objectives, callables that take a trial."""

from optuna_nas.objectives._estimate import Estimate, estimate
from optuna_nas.objectives._failures import INFEASIBLE_KEY, TrialError
from optuna_nas.objectives._runs import COPY_KEY
from optuna_nas.objectives._study import read_identity
from optuna_nas.objectives._training import DIGEST_KEY, MACS_KEY, PARAMS_KEY, TrainingObjective
from optuna_nas.objectives._workers import fail_dead_trials

__all__ = [
    "COPY_KEY",
    "DIGEST_KEY",
    "INFEASIBLE_KEY",
    "MACS_KEY",
    "PARAMS_KEY",
    "Estimate",
    "TrainingObjective",
    "TrialError",
    "estimate",
    "fail_dead_trials",
    "read_identity",
]
