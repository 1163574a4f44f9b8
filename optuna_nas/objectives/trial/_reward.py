"""Rewards: one value of metric and cost, as MnasNet's search maximises.

References:
    - [Tan2019] Tan et al. MnasNet: Platform-Aware Neural Architecture Search for Mobile. CVPR
      2019. arXiv:1807.11626. The reward, soft and hard; the exponent -0.07: twice the latency is
      worth 5 % of the metric.
    - [TanLe2019] Tan, Le. EfficientNet. ICML 2019. arXiv:1905.11946. The same with multiply-adds.
"""

from __future__ import annotations

import abc
import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

from optuna_nas._ground.checks import is_number, shown

__all__ = [
    "LatencyReward",
    "MacsReward",
    "Reward",
    "SizeReward",
    "mnasnet_reward",
    "reward_from_identity",
]

EXPONENT = -0.07


def mnasnet_reward(
    metric: float, cost: float, *, target: float, exponent: float = EXPONENT, hard: bool = False
) -> float:
    """Return ``metric * (cost / target) ** exponent``.

    For a training loop of your own: report and return it instead of a metric that is maximised.

    Example:
        >>> from optuna_nas.objectives import mnasnet_reward
        >>> round(mnasnet_reward(0.5, 160, target=80), 5)
        0.47632
        >>> mnasnet_reward(0.5, 160, target=80, hard=True)
        0.25

    Args:
        metric: Metric of the network, the higher the better.
        cost: Its latency, multiply-adds or parameters, above 0.
        target: The paper's T, in the same unit.
        exponent: The paper's alpha = beta, at most 0.
        hard: Take alpha = 0 and beta = -1 instead: up to the target a cost is free, above it the
            metric is divided by the excess.

    Raises:
        ValueError: If an argument is out of range.
    """
    _check(target, exponent, hard)
    return metric * _factor(cost, target, exponent, hard)


class Reward(abc.ABC):
    """Base of what ``value=`` takes to make one value of the metric and a cost.

    One of your own is a frozen dataclass with ``cost``, ``factor`` and ``identity``; it must
    compare equal to another one with the same settings, and pickle.

    Example::

        import dataclasses

        from optuna_nas.objectives import Reward

        @dataclasses.dataclass(frozen=True)
        class Budget(Reward):
            macs: int

            cost = "macs"

            @property
            def identity(self):
                return {"cost": "macs", "kind": "budget", "target": self.macs}

            def factor(self, cost):
                return 1.0 if cost <= self.macs else 0.0
    """

    cost: ClassVar[str]
    """One of ``"latency_ms"``, ``"macs"`` and ``"params"``."""

    @property
    @abc.abstractmethod
    def identity(self) -> dict[str, Any]:
        """Settings, as a study keeps them: ``cost``, ``target`` and what else there is."""

    @abc.abstractmethod
    def factor(self, cost: float) -> float:
        """Return what the metric, and each report of it, is multiplied by."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _PowerReward(Reward):
    """``(cost / target) ** exponent``, or its hard form."""

    target_name: ClassVar[str]  # of the argument that is the paper's T

    exponent: float = EXPONENT
    hard: bool = False

    def __post_init__(self) -> None:
        _check(self.target, self.exponent, self.hard, name=self.target_name)

    @property
    def target(self) -> float:
        """The paper's T, in the unit of the cost."""
        target: float = getattr(self, self.target_name)
        return target

    @property
    def identity(self) -> dict[str, Any]:
        """Settings, as a study keeps them."""
        kept = {"cost": self.cost, "target": self.target, "hard": self.hard}
        return kept if self.hard else {**kept, "exponent": self.exponent}

    def factor(self, cost: float) -> float:
        """Return what the metric of a network of this cost is multiplied by.

        Raises:
            ValueError: If the cost is not above 0.
        """
        return _factor(cost, self.target, self.exponent, self.hard)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatencyReward(_PowerReward):
    """MnasNet's value of a trial: metric times ``(latency / target) ** exponent``.

    Given to an objective as ``value=``. Latency is measured before training, as the objective's
    ``latency`` says, and reports are multiplied as the value is, so that a pruner compares
    rewards. A trial keeps ``optuna_nas:latency_ms`` and its metric.

    When not to use it: where the limit is one that must hold, take ``max_latency_ms``; where the
    whole trade-off is wanted, ``value=("metric", "latency_ms")``. With the soft reward a search
    may end on either side of the target.

    Args:
        target_ms: The paper's T, in milliseconds of a batch as measured.
        exponent: The paper's alpha = beta, at most 0.
        hard: Take alpha = 0 and beta = -1: up to the target latency is free, above it the
            metric is divided by the excess.

    Raises:
        ValueError: If a number is out of range.

    Example::

        import optuna
        from optuna_nas.objectives import LatencyReward, TrainingObjective
        from optuna_nas.samplers import PPOSampler
        from optuna_nas.spaces import NASBench201Space

        objective = TrainingObjective(
            NASBench201Space(),
            "digits",
            epochs=2,
            value=LatencyReward(target_ms=1.0),
            build={"cells": 1, "channels": 4},
        )
        study = optuna.create_study(direction="maximize", sampler=PPOSampler(seed=0))
        study.optimize(objective, n_trials=10)
    """

    cost = "latency_ms"
    target_name = "target_ms"

    target_ms: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class MacsReward(_PowerReward):
    """Metric times ``(multiply-adds / target) ** exponent``, as EfficientNet-B0 was found.

    Nothing is measured, so that the result does not depend on a machine; two networks of equal
    multiply-adds may differ in latency several times.

    Args:
        target_macs: Multiply-adds for one input; the paper has 400 million.
        exponent: See :class:`LatencyReward`.
        hard: See :class:`LatencyReward`.

    Raises:
        ValueError: If a number is out of range.
    """

    cost = "macs"
    target_name = "target_macs"

    target_macs: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class SizeReward(_PowerReward):
    """Metric times ``(parameters / target) ** exponent``, for networks that must be stored.

    Args:
        target_params: Trainable parameters.
        exponent: See :class:`LatencyReward`.
        hard: See :class:`LatencyReward`.

    Raises:
        ValueError: If a number is out of range.
    """

    cost = "params"
    target_name = "target_params"

    target_params: float


def reward_from_identity(identity: Mapping[str, Any]) -> Reward:
    """Return the reward that a study keeps (see :attr:`Reward.identity`).

    Raises:
        ValueError: If it is of no kind that there is.
    """
    kinds = {kind.cost: kind for kind in (LatencyReward, MacsReward, SizeReward)}
    kind = kinds.get(identity.get("cost", LatencyReward.cost))
    own = identity.keys() - {"cost", "target", "exponent", "hard", "latency"}
    if kind is None or own:
        raise ValueError(
            f"The reward of a study must be one of this package, but got {shown(dict(identity))}: "
            "go on with such a study in Python, with the same value=."
        )
    shape = {name: identity[name] for name in ("exponent", "hard") if name in identity}
    return kind(**{kind.target_name: identity["target"]}, **shape)


def _check(target: float, exponent: float, hard: bool, *, name: str = "target") -> None:
    if not is_number(target) or target <= 0:
        raise ValueError(f"`{name}` must be a number above 0, but got {shown(target)}.")
    if not is_number(exponent) or exponent > 0:
        raise ValueError(
            f"`exponent` must be at most 0, but got exponent={shown(exponent)}: above 0, networks "
            "would be paid for their cost."
        )
    if hard and exponent != EXPONENT:
        message = f"`exponent` is not used where hard=True, but got exponent={exponent}."
        warnings.warn(message, stacklevel=5)


def _factor(cost: float, target: float, exponent: float, hard: bool) -> float:
    if not is_number(cost) or cost <= 0:
        raise ValueError(f"`cost` must be above 0, but got {shown(cost)}.")
    over = cost / target
    if hard:
        return 1.0 if over <= 1.0 else 1.0 / over
    return float(over**exponent)  # eq. 2 of [Tan2019], w = alpha = beta
