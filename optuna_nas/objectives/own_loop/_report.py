"""The reports of a training function: to the trial, by which the pruner stops it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from optuna_nas._ground.checks import require_int, shown
from optuna_nas.objectives.trial import NonFiniteMetricError
from optuna_nas.training import share
from optuna_nas.training.loop import processes

if TYPE_CHECKING:
    from optuna_nas.training import OptunaPruningCallback

__all__ = ["Report", "finite"]


class Report:
    """The third argument of a training function: ``report(value, epoch)`` after each epoch.

    In several processes all of them call it; the value of the first one counts, and all of them
    stop together.

    Args:
        metric: Words for the metric.
        callback: Reports to the trial and prunes it; None: nobody is told.
        factor: Number that reports are multiplied by, as the value of a trial is.

    Attributes:
        values: What was reported, by epoch.
    """

    def __init__(
        self, metric: str, callback: OptunaPruningCallback | None = None, *, factor: float = 1.0
    ) -> None:
        self.values: dict[int, float] = {}
        self._metric = metric
        self._callback = callback
        self._factor = factor

    def __call__(self, value: Any, epoch: int | None = None) -> None:
        """Report the metric after an epoch.

        Args:
            value: A number, or a tensor of one.
            epoch: At least 0, each one once; count from 1 where a pruner counts epochs, as
                ``HyperbandPruner`` does. Default: None, the one after the last.

        Raises:
            TrialPruned: If the trial shall end here.
            NonFiniteMetricError: If the value is NaN or infinite.
            TypeError: If it is no number.
        """
        if epoch is None:
            epoch = max(self.values, default=0) + 1
        require_int("epoch", epoch, at_least=0)
        metric = finite(value, self._metric, f" in epoch {epoch}")
        self.values[epoch] = metric
        if self._callback is not None:
            self._callback.report(self._factor * metric, epoch)

    @property
    def last(self) -> float | None:
        """Value of the last report; None before the first."""
        return list(self.values.values())[-1] if self.values else None


def finite(value: Any, metric: str, when: str = "") -> float:
    """Return the number that the first process has.

    Args:
        value: A number, or a tensor of one.
        metric: Words for it.
        when: Words that follow it in an error.

    Raises:
        NonFiniteMetricError: If it is NaN or infinite.
        TypeError: If it is no number.
    """
    if processes().rank > 0:  # which may have another one, or none
        value = 0.0
    if isinstance(value, bool | str) or value is None:
        raise _no_number(value, metric, when)
    try:
        number = float(value.detach() if isinstance(value, torch.Tensor) else value)
    except (TypeError, ValueError, RuntimeError) as e:
        raise _no_number(value, metric, when) from e
    number = share(number)
    if not math.isfinite(number):
        raise NonFiniteMetricError(f"the {metric} must be finite, but is {number}{when}.")
    return number


def _no_number(value: object, metric: str, when: str) -> TypeError:
    return TypeError(f"the {metric} must be a number, but is {shown(value)}{when}.")
