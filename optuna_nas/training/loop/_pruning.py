"""Reports a run to its trial after every epoch, and ends it where the study's pruner says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna import TrialPruned

from optuna_nas._ground.checks import require_choice
from optuna_nas._ground.optuna_seam import reported_steps, study_of
from optuna_nas.training._distributed import processes, share
from optuna_nas.training.loop._history import EpochResult

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

__all__ = ["OptunaPruningCallback"]

_WORDS = {
    "val_metric": "validation metric",
    "val_loss": "validation loss",
    "train_loss": "training loss",
}
FIELDS = tuple(_WORDS)


class OptunaPruningCallback:
    """Ends a run whose intermediate values do not promise enough, by raising ``TrialPruned``.

    For :func:`fit` it is ``on_epoch=OptunaPruningCallback(trial)``. In a loop of your own call
    ``callback.report(value, epoch)`` after each epoch. It works with every pruner of Optuna; count
    epochs from 1, as ``fit`` does, where ``SuccessiveHalvingPruner(min_resource=1)`` and
    ``HyperbandPruner`` compare trials that have had 1, 3, 9, ... of them.

    In several processes (see :func:`distributed`) only the first one talks to the study: give the
    others None as their trial. All of them stop together.

    Studies with several objectives cannot prune: Optuna takes no reports for them. Ways out: make
    one value of them (a reward that falls with latency), set limits that are checked before the
    training, or leave the callback out and raise ``optuna.TrialPruned`` by a rule of your own.

    Example:
        >>> import optuna
        >>> import torch
        >>> from optuna_nas.training import OptunaPruningCallback, fit, load_data
        >>> data = load_data("digits")
        >>> def objective(trial):
        ...     width = trial.suggest_int("width", 1, 64, log=True)
        ...     layers = [torch.nn.Linear(64, width), torch.nn.Linear(width, 10)]
        ...     model = torch.nn.Sequential(torch.nn.Flatten(), *layers)
        ...     callback = OptunaPruningCallback(trial)
        ...     return fit(model, data, epochs=3, on_epoch=callback).last.val_metric
        >>> study = optuna.create_study(direction="maximize")
        >>> study.optimize(objective, n_trials=3)

    Args:
        trial: The trial that is run; None in processes other than the first.
        metric: Figure of an epoch that is reported: "val_metric", the task's metric, whose
            direction the study has; or for studies that minimise "val_loss" or "train_loss".
        name: Words for the figure in the message of a pruned trial, such as "validation MAE".
            Default: that of ``metric``.
        last_epoch: Where the run ends anyway, so that it is not pruned after it; None: unknown.

    Raises:
        ValueError: If the study has several objectives, or the metric is another.
    """

    def __init__(
        self,
        trial: BaseTrial | None,
        *,
        metric: str = "val_metric",
        name: str | None = None,
        last_epoch: int | None = None,
    ) -> None:
        require_choice("metric", metric, FIELDS)
        study = study_of(trial)
        if study is not None and len(study.directions) > 1:
            raise ValueError(
                f"`trial` must be of a study with one objective, but {study.study_name!r} "
                f"has {len(study.directions)}, for which Optuna takes no reports: leave the "
                "callback out, or return one value, such as a reward that falls with latency."
            )
        self._trial = trial
        self._metric = metric
        self._name = name or _WORDS[metric]
        self._last_epoch = last_epoch

    def __call__(self, result: EpochResult) -> None:
        """Report an epoch of :func:`fit`.

        One that a checkpoint restored is reported again if the trial does not know it, without
        asking the pruner, which has let it pass before.

        Raises:
            TrialPruned: If the trial shall end here.
        """
        value = getattr(result, self._metric)
        if not result.restored:
            self.report(value, result.epoch)
        elif self._trial is not None and result.epoch not in reported_steps(self._trial):
            self._trial.report(value, result.epoch)

    def report(self, value: float, epoch: int) -> None:
        """Report a value; in several processes, all of them must call this.

        Args:
            value: Value that the study optimises, so far.
            epoch: 1, 2, ... Each is reported once.

        Raises:
            TrialPruned: If the trial shall end here.
            ValueError: In the first process, if its trial is None.
            RuntimeError: In processes other than the first, if the study could not be asked.
        """
        error: Exception | None = None
        prune: bool | None = None  # unknown
        if processes().rank == 0:
            try:
                prune = self._ask(value, epoch)
            except Exception as e:  # the other processes wait for an answer
                error = e
        prune = share(prune)
        if error is not None:
            raise error
        if prune is None:
            raise RuntimeError(
                f"The first process could not report epoch {epoch} to the study: see its error."
            )
        if prune:
            raise TrialPruned(f"{self._name} {value:.4g} after epoch {epoch}")

    def _ask(self, value: float, epoch: int) -> bool:
        # Which process is the first is known only now: a callback may be made before torchrun's
        # processes have joined, as Lightning's Trainer does it.
        if self._trial is None:
            raise ValueError("`trial` must be a trial in the first process, but got None.")
        self._trial.report(value, epoch)
        return epoch != self._last_epoch and self._trial.should_prune()
