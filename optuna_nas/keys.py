"""Keys under which trials and studies keep what this package knows of them.

Optuna stores them, so they are part of the format: a key is never renamed. *User* attributes are
read with ``trial.user_attrs`` and ``study.user_attrs`` and shown by optuna-dashboard; *system*
attributes belong to the samplers.

Example::

    import optuna
    from optuna_nas.keys import PARAMS_KEY

    study = optuna.create_study()
    sizes = [trial.user_attrs.get(PARAMS_KEY) for trial in study.trials]
"""

__all__ = [
    "ACCURACY_KEY",
    "ALPHAS_KEY",
    "ARCHITECTURE_KEY",
    "CHECKPOINT_KEY",
    "CHOICES_KEY",
    "COPY_KEY",
    "DECISIONS_KEY",
    "DERIVED_KEY",
    "DIGEST_KEY",
    "EIGENVALUE_KEY",
    "ENTROPY_KEY",
    "EPOCH_KEY",
    "HYPERPARAMETERS_KEY",
    "INFEASIBLE_KEY",
    "LATENCY_KEY",
    "LEVEL_KEY",
    "LINEAGE_KEY",
    "LOG_PROB_KEY",
    "MACS_KEY",
    "MEASURED_KEY",
    "ONE_SHOT_KEY",
    "PARAMS_KEY",
    "PARTS_KEY",
    "PROXY_KEY",
    "REFUSED_KEY",
    "REPEAT_KEY",
    "RESULT_KEY",
    "RUN_KEY",
    "SEARCH_KEY",
    "SECONDS_KEY",
    "SETTINGS_KEY",
    "SKIP_SHARE_KEY",
    "STUDY_KEY",
    "WORKER_KEY",
]

PARTS_KEY = "optuna_nas:accumulate"
"""User attribute of a trial whose batches had no room: in how many parts they were learned."""

ACCURACY_KEY = "optuna_nas:accuracy"
"""User attribute of a trial whose value is a reward: its validation metric."""

ARCHITECTURE_KEY = "optuna_nas:architecture"
"""User attribute of a trial: its architecture as JSON (``Architecture.to_json``)."""

CHECKPOINT_KEY = "optuna_nas:checkpoint"
"""User attribute of a trial: id of its checkpoint in the artifact store."""

COPY_KEY = "optuna_nas:copy_of"
"""User attribute of a trial: number of the trial whose result it reused."""

ALPHAS_KEY = "optuna_nas:darts:alphas"
"""Beginning of a user attribute of a trial; with ``:3`` behind it, the mixing weights after the
third epoch, by decision."""

CHOICES_KEY = "optuna_nas:darts:choices"
"""User attribute of a trial: what each decision chooses from, in the order of its weights."""

EIGENVALUE_KEY = "optuna_nas:darts:eigenvalue"
"""User attribute of a trial: for each epoch the largest eigenvalue of the Hessian of the
validation loss with respect to alpha."""

ENTROPY_KEY = "optuna_nas:darts:entropy"
"""User attribute of a trial: for each epoch the mean entropy of the mixing weights, in nats."""

SKIP_SHARE_KEY = "optuna_nas:darts:skip_share"
"""User attribute of a trial: for each epoch the share of skip connections in the derived cell; of
several cells, in that which has most."""

DECISIONS_KEY = "optuna_nas:decisions"
"""System attribute: a trial's decisions by name, in the order in which they are asked for. Written
when they are known, which may be before they are suggested (then it is a claim on them)."""

DERIVED_KEY = "optuna_nas:derived"
"""User attribute of a study: (trial, metric on all validation examples) of the children that
``SharedWeightsObjective.derive`` has scored last."""

DIGEST_KEY = "optuna_nas:digest"
"""User attribute of a trial: digest of its architecture."""

HYPERPARAMETERS_KEY = "optuna_nas:hyperparameters"
"""User attribute of a trial: the fields of its recipe that it has sampled."""

INFEASIBLE_KEY = "optuna_nas:infeasible"
"""User attribute of a trial: why its architecture does not count, in words."""

MEASURED_KEY = "optuna_nas:latency"
"""User attribute of a trial: the same with what it depends on (a hash) and how it was measured."""

LATENCY_KEY = "optuna_nas:latency_ms"
"""User attribute of a trial: measured milliseconds of that network for a batch."""

LINEAGE_KEY = "optuna_nas:lineage"
"""System attribute of a trial made from others: ``{"parents": [numbers], "mutated": [names]}``.
Mutated are the decisions that a parent had and none had with this choice."""

LOG_PROB_KEY = "optuna_nas:log_prob"
"""System attribute: log-probability of a trial's decisions under the policy that proposed it."""

MACS_KEY = "optuna_nas:macs"
"""User attribute of a trial: multiply-adds of that network for one example."""

ONE_SHOT_KEY = "optuna_nas:one_shot_accuracy"
"""User attribute of a trial: validation metric of its supernet after the last epoch."""

PARAMS_KEY = "optuna_nas:params"
"""User attribute of a trial: trainable parameters of the network as built for it."""

LEVEL_KEY = "optuna_nas:progressive"
"""System attribute: the ``level`` of a trial's cell, its ``place`` there from 0, and whether it is
``extra``, beyond the cells that the level needs."""

PROXY_KEY = "optuna_nas:proxy:{}"
"""User attribute of a trial: score of the untrained network by a proxy."""

REPEAT_KEY = "optuna_nas:repeat"
"""System attribute: the sampler proposes decisions again that it knows; evaluate them anew."""

REFUSED_KEY = "optuna_nas:refused"
"""User attribute of a failed trial: why its settings were refused. It is none of the search's."""

RUN_KEY = "optuna_nas:run"
"""User attribute of a trial: hash of everything that its result depends on."""

RESULT_KEY = "optuna_nas:scaled"
"""User attribute of a trial: network that it evaluated, and its costs."""

SEARCH_KEY = "optuna_nas:search"
"""User attribute of a study: what the command line chose, such as sampler, pruner and seed."""

SECONDS_KEY = "optuna_nas:seconds"
"""User attribute of a trial: wall time of training and validation."""

EPOCH_KEY = "optuna_nas:shared:epoch"
"""User attribute of a trial: epochs for which the weights that evaluated it had been trained."""

STUDY_KEY = "optuna_nas:study"
"""User attribute of a study: space (with settings and version), data (with split seed), epochs,
build arguments and how the score is taken."""

WORKER_KEY = "optuna_nas:worker"
"""User attribute of a trial: host, process id and start time of the process that runs it."""

SETTINGS_KEY = "optuna_nas:worker:settings"
"""User attribute of a trial that begins before any other has finished: the ``identity`` that its
study will have if it is the first to finish, and whether it ``finishes``."""
