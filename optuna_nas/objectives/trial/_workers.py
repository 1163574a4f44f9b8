"""Marks the process that runs a trial, so that trials of dead processes are tried again.

Databases have Optuna's heartbeats for this, which take minutes; a journal file has none, and a
killed worker would leave a running trial for ever. On the same machine the process itself tells.
"""

from __future__ import annotations

import datetime
import os
import platform
import warnings
from typing import TYPE_CHECKING, Any

import psutil
from optuna.exceptions import ExperimentalWarning
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import TrialState

from optuna_nas._ground import optuna_seam as seam
from optuna_nas._ground.attributes import Attribute, fields, integer, number, text
from optuna_nas.keys import WORKER_KEY

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

__all__ = ["fail_dead_trials", "this_worker"]

WORKER = Attribute(
    WORKER_KEY,
    fields({"host": text(300), "pid": integer(1, 2**31 - 1), "started": number(at_least=0.0)}),
)

MAX_RETRIES = 3


def this_worker() -> dict[str, Any]:
    """Identify this process on its machine."""
    return {"host": platform.node(), "pid": os.getpid(), "started": psutil.Process().create_time()}


def fail_dead_trials(study: Study, *, unmarked_after: float | None = None) -> list[int]:
    """Fail running trials whose process on this machine is gone, and queue them again.

    Trials of other machines, and of objectives that leave no mark, are left alone. A trial is
    queued again at most three times.

    An objective of ours marks a trial as soon as it is called. A process that is killed while the
    sampler still decides leaves a trial without a mark, whose owner nobody knows.

    Args:
        study: Any study; call this before ``study.optimize``.
        unmarked_after: Seconds after which a running trial without a mark counts as dead too,
            more than any sampler takes; 0 if nobody else works on the study. None: never.

    Returns:
        The numbers of the failed trials.

    Example::

        from optuna_nas.objectives import fail_dead_trials

        fail_dead_trials(study)
        study.optimize(objective, n_trials=100)
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        retry = RetryHeartbeatStaleTrialCallback(max_retry=MAX_RETRIES)
    dead = []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if _is_dead(trial, unmarked_after):
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            history = seam.RETRY_HISTORY
            if history.key not in trial.system_attrs or history.read(trial) is not None:
                retry(study, trial)
            dead.append(trial.number)
    return dead


def _is_dead(trial: FrozenTrial, unmarked_after: float | None) -> bool:
    worker = WORKER.read(trial)
    if worker is not None:
        return _is_gone(worker)
    if unmarked_after is None or trial.datetime_start is None:
        return False
    return (datetime.datetime.now() - trial.datetime_start).total_seconds() >= unmarked_after


def _is_gone(worker: dict[str, Any]) -> bool:
    if worker["host"] != platform.node():
        return False
    try:
        process = psutil.Process(worker["pid"])
        if process.status() == psutil.STATUS_ZOMBIE:
            return True  # dead, but nobody has asked how it ended
        # A process id is given again; the start time is not.
        return bool(abs(process.create_time() - worker["started"]) > 1.0)
    except psutil.NoSuchProcess:
        return True
