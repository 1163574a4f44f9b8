"""Which process runs a trial, so that trials of dead processes can be failed and tried again.

Databases have Optuna's heartbeats for this, which take minutes; a journal file has none, and a
killed worker would leave a running trial for ever. On the same machine the process itself tells.
"""

from __future__ import annotations

import os
import platform
import warnings
from typing import TYPE_CHECKING, Any

import psutil
from optuna.exceptions import ExperimentalWarning
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import TrialState

if TYPE_CHECKING:
    from optuna.study import Study

__all__ = ["WORKER_KEY", "fail_dead_trials", "this_worker"]

WORKER_KEY = "optuna_nas:worker"
"""User attribute of a trial: host, process id and start time of the process that runs it."""

MAX_RETRIES = 3


def this_worker() -> dict[str, Any]:
    """What identifies this process on its machine."""
    return {"host": platform.node(), "pid": os.getpid(), "started": psutil.Process().create_time()}


def fail_dead_trials(study: Study) -> list[int]:
    """Fail running trials whose process on this machine is gone, and queue them again.

    Trials of other machines, and of objectives that leave no mark, are left alone. A trial is
    queued again at most three times.

    Args:
        study: Any study; call this before ``study.optimize``.

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
        worker = trial.user_attrs.get(WORKER_KEY)
        if worker is not None and _is_gone(worker):
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            retry(study, trial)
            dead.append(trial.number)
    return dead


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
