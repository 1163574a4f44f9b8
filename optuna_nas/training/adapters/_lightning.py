"""Reports a run of Lightning's Trainer to a trial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lightning.pytorch import Callback

from optuna_nas.training.adapters._reporting import Reporter

if TYPE_CHECKING:
    from optuna_nas.training.adapters._reporting import Target

__all__ = ["LightningPruning"]


class LightningPruning(Callback):  # type: ignore[misc, unused-ignore]
    """A callback of Lightning that ends a run by raising ``TrialPruned``.

    It reports what the last validation of each epoch has logged, at the epoch's end; epochs are
    counted from 1. In several processes all of them stop together, and the figure of the first
    one counts: log it with ``sync_dist=True``. Start them with ``torchrun``, so that there is one
    study: the scripts that Lightning starts by itself would each make their own.

    Example::

        from lightning.pytorch import Trainer
        from optuna_nas.training.adapters import LightningPruning

        @training_function(space=space, metric="MAE", direction="minimize")
        def objective(model, trial, report):
            pruning = LightningPruning(report, monitor="val_mae")
            trainer = Trainer(max_epochs=5, callbacks=[pruning])
            trainer.fit(Forecasts(model), train_loader, val_loader)

    Args:
        trial: The trial, None in processes other than the first; or the ``report`` of a
            training function, which knows it.
        monitor: Name under which the module logs the figure that the study optimises.
        step: Step of a report: "epoch", or "global_step", the optimizer steps so far, at every
            validation. Default: "epoch".

    Raises:
        ValueError: If ``step`` is another, or the study has several objectives.
    """

    def __init__(self, trial: Target, *, monitor: str = "val_loss", step: str = "epoch") -> None:
        super().__init__()
        self._report = Reporter(trial, monitor, step)
        self._waiting: float | None = None

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Take the figure, and report it unless that waits for the epoch's end."""
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        value = self._report.figure(trainer.callback_metrics, "monitor")
        if self._report.by_epoch:
            self._waiting = value
        else:
            self._report(value, trainer.global_step)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Report the figure of the epoch's last validation, if there was one."""
        if self._waiting is not None:
            value, self._waiting = self._waiting, None
            self._report(value, trainer.current_epoch + 1)
