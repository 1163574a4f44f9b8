"""The value of a trial: the metric, a reward of metric and cost, or the metric beside costs.

One argument of an objective, ``value=``, says which; so that a reward of a reward, or costs around
a reward, cannot be written.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from optuna_nas._ground.checks import shown
from optuna_nas.objectives.trial._costs import COSTS
from optuna_nas.objectives.trial._reward import Reward

__all__ = ["METRIC", "Direction", "TrialValue", "Value", "trial_value"]

METRIC = "metric"

Direction: TypeAlias = Literal["minimize", "maximize"]

Value: TypeAlias = "str | Reward | Sequence[str]"
"""``"metric"``; a reward such as ``LatencyReward(target_ms=80)``; or ``("metric", cost, ...)``
with costs of ``"latency_ms"``, ``"macs"`` and ``"params"``, for several objectives."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrialValue:
    """Value, or values, that the trials of one objective return.

    Attributes:
        reward: Reward that multiplies the metric, or None.
        beside: Costs that are values of their own, after the metric.
        direction: Direction of the metric.
    """

    reward: Reward | None = None
    beside: tuple[str, ...] = ()
    direction: Direction = "maximize"

    @property
    def costs(self) -> tuple[str, ...]:
        """The costs that must be known of every network."""
        return self.beside if self.reward is None else (self.reward.cost,)

    @property
    def directions(self) -> list[Direction]:
        """Directions of a study, for ``optuna.create_study``."""
        costs: list[Direction] = ["minimize"] * len(self.beside)
        return [self.direction, *costs]

    def names(self, metric: str) -> list[str]:
        """Names of the values, in plots and in the dashboard.

        Args:
            metric: Name of the metric.
        """
        return [metric, *self.beside] if self.reward is None else ["reward"]

    def identity(self, meter: Any) -> dict[str, Any]:
        """Settings as a study keeps them, with the keys that studies have had from the start.

        Args:
            meter: Identity of what measures latency, which is kept where a value depends on it.
        """
        measured = {"latency": meter} if "latency_ms" in self.costs else {}
        if self.reward is not None:
            return {"reward": self.reward.identity | measured}
        return {"costs": list(self.beside), **measured} if self.beside else {}

    def factor(self, costs: Mapping[str, float]) -> float:
        """Return what reports of the metric are multiplied by.

        Args:
            costs: Costs of the network by name, as :attr:`costs` lists them.
        """
        if self.reward is None:
            return 1.0
        factor = self.reward.factor(costs[self.reward.cost])
        # A cost above the target makes a value worse, which a smaller one is not where errors
        # are minimised.
        return factor if self.direction == "maximize" else 1.0 / factor

    def of(self, metric: float, costs: Mapping[str, float]) -> float | tuple[float, ...]:
        """Return the value, or the values, of a trial.

        Args:
            metric: Metric of the network.
            costs: Costs of the network by name.
        """
        if self.beside:
            return metric, *(costs[cost] for cost in self.beside)
        return self.factor(costs) * metric


def trial_value(value: Value, direction: Direction = "maximize") -> TrialValue:
    """Read the argument ``value`` of an objective.

    Raises:
        ValueError: If a name is none of the metric and the costs, or the metric is not the first.
        TypeError: If it is something else.
    """
    if isinstance(value, Reward):
        return TrialValue(reward=value, direction=direction)
    if value == METRIC:
        return TrialValue(direction=direction)
    if isinstance(value, str):
        raise ValueError(_wrong(value))
    if not isinstance(value, Sequence):
        raise TypeError(_wrong(value))
    costs = tuple(value[1:])
    known = all(cost in COSTS for cost in costs) and len(set(costs)) == len(costs)
    if not costs or value[0] != METRIC or not known:
        raise ValueError(_wrong(value))
    return TrialValue(beside=costs, direction=direction)


def _wrong(value: object) -> str:
    return (
        f'`value` must be "{METRIC}", a reward such as LatencyReward(target_ms=80), or '
        f'("{METRIC}", ...) with different ones of {COSTS} after it, but got value={shown(value)}.'
    )
