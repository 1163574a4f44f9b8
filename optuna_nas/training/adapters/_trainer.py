"""Reports a run of the Trainer of Hugging Face's transformers to a trial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from optuna_nas.training.adapters._reporting import Reporter

if TYPE_CHECKING:
    from optuna_nas.training.adapters._reporting import Target

__all__ = ["TrainerPruning"]


class TrainerPruning(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """A callback of transformers' ``Trainer`` that ends a run by raising ``TrialPruned``.

    It reports each evaluation while the network is trained. In several processes all of them
    stop together; start them with ``torchrun``.

    Example::

        from optuna_nas.training.adapters import TrainerPruning
        from transformers import Trainer, TrainingArguments

        @training_function(space=space, metric="loss", direction="minimize")
        def objective(model, trial, report):
            arguments = TrainingArguments("out", num_train_epochs=3, eval_strategy="epoch")
            trainer = Trainer(
                model,
                arguments,
                train_dataset=train,
                eval_dataset=val,
                callbacks=[TrainerPruning(report)],
            )
            trainer.train()

    Args:
        trial: The trial, None in processes other than the first; or the ``report`` of a
            training function, which knows it.
        metric: Figure that the study optimises, as the Trainer calls it: with "eval_" before it.
        step: Step of a report: "epoch", from 1, for ``eval_strategy="epoch"``; or "global_step",
            the optimizer steps so far. Default: "epoch".

    Raises:
        ValueError: If ``step`` is another, or the study has several objectives.
    """

    def __init__(self, trial: Target, *, metric: str = "eval_loss", step: str = "epoch") -> None:
        super().__init__()
        self._report = Reporter(trial, metric, step)

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Any = None, **others: Any
    ) -> None:
        """Report an evaluation.

        Raises:
            TrialPruned: If the trial shall end here.
            ValueError: If there is no such figure, or it is evaluated within an epoch.
        """
        if not state.epoch:  # evaluated before it is trained
            return
        value = self._report.figure(metrics or {}, "metric")
        if self._report.by_epoch and state.epoch != round(state.epoch):
            raise ValueError(
                '`step` must be "global_step" where the network is evaluated within an epoch, but '
                f'got step="epoch" after {state.epoch:g} epochs.'
            )
        self._report(value, round(state.epoch) if self._report.by_epoch else state.global_step)
