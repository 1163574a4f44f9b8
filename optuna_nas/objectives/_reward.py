"""One value of accuracy and cost: the reward of MnasNet.

References:
    - [Tan2019] Tan et al. MnasNet: Platform-Aware Neural Architecture Search for Mobile. CVPR
      2019. arXiv:1807.11626. The reward, soft and hard; the exponent -0.07: twice the latency is
      worth 5 % of the accuracy.
    - [TanLe2019] Tan, Le. EfficientNet. ICML 2019. arXiv:1905.11946. The same with multiply-adds.
"""

from __future__ import annotations

import dataclasses
import warnings
from typing import TYPE_CHECKING, Any

from optuna_nas._checks import is_number, shown

if TYPE_CHECKING:
    from optuna.trial import Trial

    from optuna_nas.objectives._training import TrainingObjective

__all__ = ["LatencyReward", "MacsReward", "Reward", "SizeReward", "mnasnet_reward"]

EXPONENT = -0.07


def mnasnet_reward(
    accuracy: float, cost: float, *, target: float, exponent: float = EXPONENT, hard: bool = False
) -> float:
    """Return ``accuracy * (cost / target) ** exponent``.

    For a training loop of your own: report and return it instead of the accuracy.

    Example:
        >>> from optuna_nas.objectives import mnasnet_reward
        >>> round(mnasnet_reward(0.5, 160, target=80), 5)
        0.47632
        >>> mnasnet_reward(0.5, 160, target=80, hard=True)
        0.25

    Args:
        accuracy: Of the network.
        cost: Its latency, multiply-adds or parameters, above 0.
        target: The paper's T, in the same unit.
        exponent: The paper's alpha = beta, at most 0.
        hard: Take alpha = 0 and beta = -1 instead: up to the target a cost is free, above it the
            accuracy is divided by the excess.

    Raises:
        ValueError: If an argument is out of range.
    """
    return accuracy * Reward(cost="cost", target=target, exponent=exponent, hard=hard).factor(cost)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reward:
    """What accuracies are multiplied by.

    Args:
        cost: "latency_ms", "macs" or "params".
        target: The paper's T.
        exponent: The paper's alpha = beta, at most 0.
        hard: Take alpha = 0 and beta = -1 instead.

    Raises:
        ValueError: If a number is out of range.
    """

    cost: str
    target: float
    exponent: float = EXPONENT
    hard: bool = False

    def __post_init__(self) -> None:
        if not is_number(self.target) or self.target <= 0:
            raise ValueError(f"`target` must be a number above 0, but got {shown(self.target)}.")
        if not is_number(self.exponent) or self.exponent > 0:
            raise ValueError(
                f"`exponent` must be at most 0, but got exponent={shown(self.exponent)}: above 0, "
                "networks would be paid for their cost."
            )
        if self.hard and self.exponent != EXPONENT:
            message = f"`exponent` is not used where hard=True, but got exponent={self.exponent}."
            warnings.warn(message, stacklevel=4)

    @property
    def identity(self) -> dict[str, Any]:
        """What a study keeps of it."""
        identity = dataclasses.asdict(self)
        if self.hard:
            del identity["exponent"]
        return identity

    def factor(self, cost: float) -> float:
        """What a network of this cost is worth per accuracy.

        Raises:
            ValueError: If the cost is not above 0.
        """
        if not is_number(cost) or cost <= 0:
            raise ValueError(f"`cost` must be above 0, but got {shown(cost)}.")
        over = cost / self.target
        if self.hard:
            return 1.0 if over <= 1.0 else 1.0 / over
        return float(over**self.exponent)  # eq. 2 of [Tan2019], w = alpha = beta


class _CostReward:
    """An objective whose values and reports are multiplied by a factor of the network's cost."""

    def __init__(self, objective: TrainingObjective, reward: Reward) -> None:
        if not hasattr(objective, "rewarded"):
            raise TypeError(
                "`objective` must be a TrainingObjective, but got "
                f"{type(objective).__name__}: in an objective of your own return and report "
                "mnasnet_reward(accuracy, cost, target=...)."
            )
        self.reward = reward
        self._objective = objective.rewarded(reward)

    def __call__(self, trial: Trial) -> float:
        """Judge one trial.

        Returns:
            The reward.

        Raises:
            TrialPruned: As of the objective.
            TrialError: As of the objective.
            ValueError: As of the objective.
        """
        return self._objective(trial)

    def __getattr__(self, name: str) -> Any:
        # Whatever else the objective offers, such as `space`, `identity` and `prepare`.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._objective, name)


class LatencyReward(_CostReward):
    """MnasNet's objective: accuracy times ``(latency / target) ** exponent``.

    Latency is measured before training, as the objective's ``latency`` says (see
    :class:`TrainingObjective`), and reports are multiplied as the value is, so that a pruner
    compares rewards. A trial keeps ``optuna_nas:latency_ms`` and its ``optuna_nas:accuracy``.

    When not to use it: where the limit is one that must hold, take ``max_latency_ms``; where the
    whole trade-off is wanted, :func:`multi_objective`. With the soft reward a search may end on
    either side of the target.

    Args:
        objective: What trains and validates.
        target_ms: The paper's T, in milliseconds of a batch as measured.
        exponent: The paper's alpha = beta, at most 0.
        hard: Take alpha = 0 and beta = -1: up to the target latency is free, above it the
            accuracy is divided by the excess.

    Raises:
        ValueError: If a number is out of range.
        TypeError: If the objective is none of ours, or returns a reward or costs already.

    Example::

        import optuna
        from optuna_nas.objectives import LatencyReward, TrainingObjective
        from optuna_nas.samplers import PPOSampler
        from optuna_nas.spaces import NASBench201Space

        objective = TrainingObjective(
            NASBench201Space(), "digits", epochs=2, build={"cells": 1, "channels": 4}
        )
        study = optuna.create_study(direction="maximize", sampler=PPOSampler(seed=0))
        study.optimize(LatencyReward(objective, target_ms=1.0), n_trials=10)
    """

    def __init__(
        self,
        objective: TrainingObjective,
        *,
        target_ms: float,
        exponent: float = EXPONENT,
        hard: bool = False,
    ) -> None:
        super().__init__(
            objective, Reward(cost="latency_ms", target=target_ms, exponent=exponent, hard=hard)
        )


class MacsReward(_CostReward):
    """Accuracy times ``(multiply-adds / target) ** exponent``: the objective of EfficientNet-B0.

    Nothing is measured, so that the result does not depend on a machine; two networks of equal
    multiply-adds may differ in latency several times.

    Args:
        objective: What trains and validates.
        target_macs: Multiply-adds for one image; the paper has 400 million.
        exponent: See :class:`LatencyReward`.
        hard: See :class:`LatencyReward`.

    Raises:
        ValueError: If a number is out of range.
        TypeError: If the objective is none of ours, or returns a reward or costs already.
    """

    def __init__(
        self,
        objective: TrainingObjective,
        *,
        target_macs: float,
        exponent: float = EXPONENT,
        hard: bool = False,
    ) -> None:
        super().__init__(
            objective, Reward(cost="macs", target=target_macs, exponent=exponent, hard=hard)
        )


class SizeReward(_CostReward):
    """Accuracy times ``(parameters / target) ** exponent``, for networks that must be stored.

    Args:
        objective: What trains and validates.
        target_params: Trainable parameters.
        exponent: See :class:`LatencyReward`.
        hard: See :class:`LatencyReward`.

    Raises:
        ValueError: If a number is out of range.
        TypeError: If the objective is none of ours, or returns a reward or costs already.
    """

    def __init__(
        self,
        objective: TrainingObjective,
        *,
        target_params: float,
        exponent: float = EXPONENT,
        hard: bool = False,
    ) -> None:
        super().__init__(
            objective, Reward(cost="params", target=target_params, exponent=exponent, hard=hard)
        )
