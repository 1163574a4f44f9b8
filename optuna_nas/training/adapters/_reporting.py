"""Reports of a callback: to a trial, or by the report function of a training function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from optuna_nas._ground.checks import require_choice
from optuna_nas.training.loop import OptunaPruningCallback

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

__all__ = ["Reporter", "Target"]

Target: TypeAlias = "BaseTrial | Callable[[float, int], None] | None"
"""A trial, None in processes other than the first, or what is called as ``(value, step)``."""

STEPS = ("epoch", "global_step")


class Reporter:
    """Reports one logged figure, each step once.

    Args:
        target: Where to.
        name: Name of the figure.
        step: "epoch" or "global_step".

    Raises:
        ValueError: If ``step`` is another, or the study has several objectives.
    """

    def __init__(self, target: Target, name: str, step: str) -> None:
        require_choice("step", step, STEPS)
        self.name = name
        self.by_epoch = step == "epoch"
        self._report = (
            target if callable(target) else OptunaPruningCallback(target, name=name).report
        )
        self._last: int | None = None

    def figure(self, logged: Mapping[str, Any], argument: str) -> float:
        """Return the figure among what was logged.

        Args:
            logged: By name.
            argument: Argument that names the figure, for the message.

        Raises:
            ValueError: If it is not there.
        """
        if self.name not in logged:
            raise ValueError(
                f"`{argument}` must be a figure that is logged when the network is validated, but "
                f"got {argument}={self.name!r}, and there are {sorted(logged)}."
            )
        return float(logged[self.name])

    def __call__(self, value: float, step: int) -> None:
        """Report a value, unless its step has been reported.

        Raises:
            TrialPruned: If the trial shall end here.
        """
        if step != self._last:
            self._last = step
            self._report(value, step)
