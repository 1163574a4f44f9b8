"""A task as a value: loss, metric, direction, and hooks for what is special about its networks.

Letters: ``B`` examples in a batch, ``K`` classes or labels, ``O`` numbers that are predicted,
``H`` x ``W`` pixels, ``T`` tokens.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import torch

from optuna_nas._ground.checks import require_choice, shown
from optuna_nas._ground.inputs import call, length
from optuna_nas.training.task._identity import identity_of_callable
from optuna_nas.training.task._metrics import METRICS, MetricState, metric_state

if TYPE_CHECKING:
    from optuna_nas._ground.inputs import Inputs
    from optuna_nas.training._recipe import Recipe

__all__ = ["Task"]

DIRECTIONS = ("maximize", "minimize")

_NO_RANGE = (-math.inf, math.inf)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """What a network is trained for: loss, metric, direction.

    Example:
        >>> from torch import nn
        >>> from optuna_nas.training import Task
        >>> task = Task(loss=nn.L1Loss())  # the metric is the loss
        >>> task.direction, task.metric_name
        ('minimize', 'loss')
        >>> Task.regression(metric="r2").direction
        'maximize'
        >>> def largest_error(outputs, targets):
        ...     return (outputs - targets).abs().max()
        >>> Task(loss=nn.L1Loss(), metric=largest_error, direction="minimize").metric_name
        'largest_error'

    A subclass overrides the hooks: :meth:`forward`, :meth:`losses`, :meth:`check`,
    :meth:`weighted_loss`, :meth:`bound_to`.

    Attributes:
        loss: Mean loss of a batch, as a function of output and target: one of torch's modules,
            or one's own.
        metric: A name of ``METRICS``, such as "mae"; an object of torchmetrics; a function of
            all outputs and all targets of a split, on the CPU; or None: the loss.
        direction: "maximize" or "minimize"; None: that of the metric, if it has one.
        metric_name: Words for the metric; None: as it is called.
        name: Name of the task, in a study.

    Raises:
        ValueError: If the metric or the direction is unknown.
        TypeError: If the loss or the metric cannot be called.
    """

    loss: Callable[[Any, Any], torch.Tensor]
    metric: Any = None
    direction: str | None = None
    metric_name: str | None = None
    name: str = "task"

    kind = ""
    """Kind of the targets, by which metrics of one name differ."""

    def __post_init__(self) -> None:
        if not callable(self.loss):
            raise TypeError(
                "`loss` must be a function of output and target, such as nn.L1Loss(), but got "
                f"{shown(self.loss)}."
            )
        if self.direction is not None:
            require_choice("direction", self.direction, DIRECTIONS)
        if isinstance(self.metric, str):
            require_choice("metric", self.metric, tuple(METRICS))
            self._fill(METRICS[self.metric].direction, METRICS[self.metric].words)
        elif self.metric is None:
            self._fill("minimize", "loss")
        elif not callable(self.metric) and not isinstance(self.metric, MetricState):
            raise TypeError(
                "`metric` must be a name, a function of outputs and targets, or an object with "
                f"update() and compute(), but got {shown(self.metric)}."
            )
        else:
            self._fill(_known_direction(self.metric), _words(self.metric))
        if self.direction is None:
            raise ValueError(
                f'`direction` must be "maximize" or "minimize" for the metric '
                f"{self.metric_name!r}, which does not say it: pass direction=..."
            )

    def _fill(self, direction: str | None, words: str) -> None:
        if self.direction is None:
            object.__setattr__(self, "direction", direction)
        if self.metric_name is None:
            object.__setattr__(self, "metric_name", words)

    # The kinds are tasks themselves: they are imported where they are made.

    @staticmethod
    def classification(
        *,
        metric: Any = "accuracy",
        direction: str | None = None,
        label_smoothing: float | None = None,
        class_weights: Sequence[float] | str | None = None,
        num_classes: int | None = None,
    ) -> Task:
        """Return the task of one class of K: cross entropy of logits (B, K) and labels (B,).

        Args:
            metric: "accuracy", "balanced_accuracy", "macro_f1", "auroc", or as for ``Task``.
            direction: As for ``Task``.
            label_smoothing: In training, in [0, 1); None: as the recipe says.
            class_weights: Weights of the losses of each class; "balanced": inverse to their
                counts on ``data.train``; None: all equal.
            num_classes: K; None: as the data says.
        """
        from optuna_nas.training.task._kinds import Classification

        return Classification(
            metric=metric,
            direction=direction,
            label_smoothing=label_smoothing,
            class_weights=class_weights,
            num_classes=num_classes,
        )

    @staticmethod
    def multilabel(
        *,
        metric: Any = "macro_f1",
        direction: str | None = None,
        class_weights: Sequence[float] | str | None = None,
        num_labels: int | None = None,
    ) -> Task:
        """Return the task of K labels at once: logits (B, K) and targets (B, K) of 0 and 1.

        Args:
            metric: "macro_f1", "auroc", "accuracy" (of all labels), or as for ``Task``.
            direction: As for ``Task``.
            class_weights: Weights of the presence of each label; "balanced": the ratio of
                examples without to those with it; None: 1.
            num_labels: K; None: as the data says.
        """
        from optuna_nas.training.task._kinds import Multilabel

        return Multilabel(
            metric=metric,
            direction=direction,
            class_weights=class_weights,
            num_classes=num_labels,
        )

    @staticmethod
    def regression(
        *, loss: str = "mse", metric: Any = "rmse", direction: str | None = None
    ) -> Task:
        """Return the task of O numbers: outputs (B, O) and targets (B, O), or (B,) where O is 1.

        Losses are divided by the deviation ("mae"), or the variance, of the training targets,
        so that learning rates do not depend on their unit. Outputs are in the targets' own unit,
        as is the metric.

        Args:
            loss: "mse", "mae" or "huber" (which turns at one deviation).
            metric: "rmse", "mae", "r2", or as for ``Task``.
            direction: As for ``Task``.
        """
        from optuna_nas.training.task._kinds import Regression

        return Regression(loss_name=loss, metric=metric, direction=direction)

    @staticmethod
    def segmentation(
        *,
        metric: Any = "iou",
        direction: str | None = None,
        class_weights: Sequence[float] | str | None = None,
        num_classes: int | None = None,
    ) -> Task:
        """Return the task of a class for each pixel: logits (B, K, H, W), masks (B, H, W).

        Args:
            metric: "iou" (mean over classes), "accuracy", or as for ``Task``.
            direction: As for ``Task``.
            class_weights: As for :meth:`classification`.
            num_classes: K; None: as the data says.
        """
        from optuna_nas.training.task._kinds import Segmentation

        return Segmentation(
            metric=metric,
            direction=direction,
            class_weights=class_weights,
            num_classes=num_classes,
        )

    @staticmethod
    def next_token(
        *, metric: Any = "perplexity", direction: str | None = None, num_classes: int | None = None
    ) -> Task:
        """Return the task of the token after each: logits (B, T, K) and targets (B, T).

        Args:
            metric: "perplexity", "accuracy", or as for ``Task``.
            direction: As for ``Task``.
            num_classes: K, the size of the vocabulary; None: as the data says.
        """
        from optuna_nas.training.task._kinds import NextToken

        return NextToken(metric=metric, direction=direction, num_classes=num_classes)

    def forward(self, model: Callable[..., Any], inputs: Inputs) -> Any:
        """Run a network on a batch: parts of a tuple are positional, those of a dict named."""
        return call(model, inputs)

    def losses(self, output: Any, target: Any) -> torch.Tensor:
        """Return the loss of a batch in training, a mean; auxiliary outputs have their part."""
        return self.loss(output, target)

    def check(self, output: Any, target: Any) -> None:
        """Check what a network returns for a batch; by default anything goes.

        Raises:
            ValueError: If it does not fit.
        """

    def weighted_loss(self, output: Any, target: Any) -> tuple[torch.Tensor, torch.Tensor | int]:
        """Return the sum of a batch's losses in evaluation, and how many they are."""
        count = length(target)
        return self.loss(output, target) * count, count

    def bound_to(self, data: Any, recipe: Recipe | None = None) -> Self:
        """Return the task with what data and recipe say of it, such as the number of classes.

        Args:
            data: Data that networks are trained or evaluated on.
            recipe: Recipe of the training; None: in evaluation.
        """
        return self

    @property
    def build_arguments(self) -> Mapping[str, Any]:
        """Arguments of networks that a task that is bound to data decides."""
        return {}

    @property
    def count(self) -> int | None:
        """Number of classes or labels; None: there are none, or it is unknown."""
        return None

    def metric_state(self, device: torch.device) -> MetricState | None:
        """Make the state of the metric for one split; None: it is the loss."""
        if self.metric is None:
            return None
        return metric_state(self.metric, self.kind, self.count, device)

    @property
    def metric_range(self) -> tuple[float, float]:
        """Least and largest value of the metric."""
        return (0.0, 1.0) if self._named("percent", False) else _NO_RANGE

    def better(self, metric: float, other: float) -> bool:
        """Whether a metric is better than another one."""
        return metric > other if self.direction == "maximize" else metric < other

    def format(self, metric: float) -> str:
        """Write a value of the metric: a share as a percentage, else four digits."""
        return f"{metric:.2%}" if self._named("percent", False) else f"{metric:.4g}"

    def _named(self, field: str, otherwise: Any) -> Any:
        if not isinstance(self.metric, str):
            return otherwise
        return getattr(METRICS[self.metric], field)

    @property
    def identity(self) -> dict[str, Any]:
        """Settings that a study keeps, ready for JSON: callables by name and hash of source."""
        identity = {
            "name": self.name,
            "loss": identity_of_callable(self.loss),
            "metric": self.metric if self.metric is None else identity_of_callable(self.metric),
            "direction": self.direction,
        }
        if type(self).__module__.startswith("optuna_nas."):
            return identity
        return identity | {"class": identity_of_callable(type(self))}


def _known_direction(metric: Any) -> str | None:
    higher = getattr(metric, "higher_is_better", None)  # as torchmetrics' say it
    return None if higher is None else "maximize" if higher else "minimize"


def _words(metric: Any) -> str:
    return str(getattr(metric, "__name__", type(metric).__name__))
