"""Members: the finished trials of a study as samplers see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

if TYPE_CHECKING:
    from datetime import datetime

    from optuna.trial import FrozenTrial

    from optuna_nas.samplers.base._decisions import Assignment
    from optuna_nas.samplers.base._outcomes import Outcome

__all__ = ["Member"]


@dataclass(frozen=True, eq=False)
class Member:
    """A finished trial, reduced to the decisions that the sampler makes.

    Members are compared by identity: a study has one for each trial.

    Args:
        trial: The trial as the storage has it; not to be changed.
        decisions: Its decisions by name, in the order of asking.
        outcome: Rank key, smaller is better: complete trials by value, then pruned, infeasible
            and failed ones. With several objectives, complete feasible trials are all equal.

    Example::

        best = min(history.members, key=lambda member: member.outcome)
        best.params  # {"op_0": "skip_connect", "op_1": "none"}
    """

    trial: FrozenTrial
    decisions: dict[str, Assignment]
    outcome: Outcome

    @property
    def number(self) -> int:
        """Number of the trial."""
        return self.trial.number

    @property
    def state(self) -> TrialState:
        """State of the trial: COMPLETE, PRUNED or FAIL."""
        return self.trial.state

    @property
    def failed(self) -> bool:
        """Whether the trial ended in an error."""
        return self.trial.state == TrialState.FAIL

    @property
    def params(self) -> dict[str, Any]:
        """The decisions as parameters: values by name, without those of ``hp_sampler``."""
        return {name: made.decision.value(made.index) for name, made in self.decisions.items()}

    @property
    def value(self) -> float | None:
        """Value of the objective, of a pruned trial the last one reported; None without one.

        Raises:
            RuntimeError: If the study has several objectives; see :attr:`values`.
        """
        return self.trial.value

    @property
    def values(self) -> list[float] | None:
        """Values of all objectives; None if the trial has none."""
        values: list[float] | None = self.trial.values
        return values

    @property
    def age(self) -> tuple[datetime, int]:
        """Sort key of the order in which trials finished: (time of completion, number)."""
        assert self.trial.datetime_complete is not None
        return self.trial.datetime_complete, self.trial.number
