"""Trainings as values: jobs, evaluators that carry them out, and one training within a trial."""

from optuna_nas.objectives.evaluation._distributed import distributed_optimize, run_worker_loop
from optuna_nas.objectives.evaluation._in_trial import train_in_trial, training_seed
from optuna_nas.objectives.evaluation._job import (
    Evaluator,
    TrainingJob,
    carry_out,
    evaluator_identity,
)
from optuna_nas.objectives.evaluation._network_training import NetworkTraining

__all__ = [
    "Evaluator",
    "NetworkTraining",
    "TrainingJob",
    "carry_out",
    "distributed_optimize",
    "evaluator_identity",
    "run_worker_loop",
    "train_in_trial",
    "training_seed",
]
