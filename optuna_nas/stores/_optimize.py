"""``study.optimize`` that outlives the loss of a trial: another process failed it meanwhile.

A worker that gives no heartbeat for two minutes, in a suspended machine for instance, counts as
dead: the next process fails its trial and queues it again. When the worker comes back, Optuna
5.0 ends it with ``ValueError("Cannot tell a FAIL trial.")`` or an ``AssertionError``.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from optuna import TrialPruned
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from optuna_nas._ground import optuna_seam as seam
from optuna_nas.stores._failures import chain

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

    Callback = Callable[[Study, FrozenTrial], None]

__all__ = ["optimize"]


def optimize(
    study: Study,
    objective: Callable[[Trial], Any],
    *,
    n_trials: int | None = None,
    timeout: float | None = None,
    callbacks: Iterable[Callback] = (),
    **options: Any,
) -> None:
    """Do ``study.optimize``, and go on where another process has failed the running trial.

    One warning names the trial. It counts as one of ``n_trials``, and callbacks are not called
    for it; its result is lost, since whoever failed it has queued it again.

    An objective of ours is asked first whether it fits the study (``objective.prepare(study)``):
    if it does not, its error is raised before a trial is created. Within plain ``study.optimize``
    there is a trial by then, which fails.

    Example:
        >>> import optuna
        >>> from optuna_nas.stores import open_storage, optimize
        >>> study = optuna.create_study(storage=open_storage("sqlite://"))
        >>> optimize(study, lambda trial: trial.suggest_int("x", 0, 3) ** 2, n_trials=3)
        >>> len(study.trials)
        3

    Args:
        study: The study.
        objective: Any objective of Optuna.
        n_trials: As for ``study.optimize``, and so are the two that follow.
        timeout: See there.
        callbacks: See there.
        **options: Further ones of ``study.optimize`` but ``n_jobs``.
    """
    prepare = getattr(objective, "prepare", None)
    if callable(prepare):
        prepare(study)
    run = _Run(objective)
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        try:
            study.optimize(
                run,
                n_trials=None if n_trials is None else n_trials - run.begun,
                timeout=None if end is None else end - time.monotonic(),
                callbacks=[run.told, *callbacks],
                **options,
            )
            return
        except Exception as e:
            warnings.warn(run.loss(e), stacklevel=2)


class _Run:
    """An objective that remembers which trial it evaluates, and how that ended."""

    def __init__(self, objective: Callable[[Trial], Any]) -> None:
        self._objective = objective
        self._trial: Trial | None = None
        self._error: Exception | None = None
        self.begun = 0

    def __call__(self, trial: Trial) -> Any:
        self.begun += 1
        self._trial, self._error = trial, None
        try:
            return self._objective(trial)
        except TrialPruned:
            raise
        except Exception as e:
            self._error = e
            raise

    def told(self, study: Study, trial: FrozenTrial) -> None:
        """Forget a trial whose end the study knows."""
        self._trial = None

    def loss(self, error: Exception) -> str:
        """Return the message of a lost trial.

        Args:
            error: Error that ended ``study.optimize``.

        Raises:
            Exception: ``error``, or the objective's own, if that is why it ended.
        """
        own, trial = self._error, self._trial
        if trial is None or error is own or seam.stored_state(trial) != TrialState.FAIL:
            raise error
        if not isinstance(error, ValueError | AssertionError | UpdateFinishedTrialError):
            raise error  # of the sampler, after a trial without a value
        if own is not None and not _is_of_a_finished_trial(own):
            raise own  # Optuna tells of the lost trial instead
        self._trial = None
        return (
            f"Trial {trial.number} was failed by another process while it ran here, as if this "
            "one were dead (its machine slept or was overloaded?): its result is lost, and the "
            "search goes on."
        )


def _is_of_a_finished_trial(error: Exception) -> bool:
    return any(isinstance(e, UpdateFinishedTrialError) for e in chain(error))
