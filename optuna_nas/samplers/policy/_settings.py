"""What a recurrent policy is made of and how it learns, checked; known without torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from optuna_nas._checks import is_int, is_number, require_share, shown

__all__ = ["ControllerShape", "PolicySettings", "Reward"]

LARGEST_PROBABILITY = 0.974  # of one choice, at a cap of 2.5 and five choices
UNBOUNDED = 1e9

Numbers = TypeVar("Numbers", bound=Any)
Reward = str | Callable[[float], float]


@dataclass(frozen=True, kw_only=True)
class ControllerShape:
    """What a controller is made of.

    Args:
        hidden_size: Units of every LSTM layer, H.
        num_layers: LSTM layers.
        init_range: All weights start uniform in [-init_range, init_range].
        temperature: Logits are divided by it before tanh; None: by the cap.
        tanh_constant: The cap on logits; None: no cap; ``"auto"``: by the number of choices.
        name_bias: Whether every name has biases of its own beside those of its list of choices.

    Raises:
        ValueError: If a size or number is out of range.
    """

    hidden_size: int
    num_layers: int
    init_range: float
    temperature: float | None
    tanh_constant: float | str | None
    name_bias: bool

    def __post_init__(self) -> None:
        whole(1, hidden_size=self.hidden_size, num_layers=self.num_layers)
        above_zero(init_range=self.init_range, temperature=self.temperature)
        if not isinstance(self.tanh_constant, str):
            above_zero(tanh_constant=self.tanh_constant)
        elif self.tanh_constant != "auto":
            raise ValueError(
                '`tanh_constant` must be a number above 0, "auto" or None, but got '
                f"tanh_constant={self.tanh_constant!r}."
            )

    def cap(self, size: int) -> float:
        """Bound on the logits of a decision with ``size`` choices."""
        if self.tanh_constant is None or size == 1:
            return UNBOUNDED
        if isinstance(self.tanh_constant, str):
            odds = LARGEST_PROBABILITY / (1.0 - LARGEST_PROBABILITY)
            return 0.5 * math.log(odds * (size - 1))
        return self.tanh_constant

    def shaped(self, logits: Numbers, cap: Any, *, tanh: Callable[[Any], Any]) -> Numbers:
        """Logits as they enter the softmax.

        Args:
            logits: An array or tensor of any shape.
            cap: Bound per logit, or one for all.
            tanh: That of the library of ``logits``.
        """
        if self.tanh_constant is None:
            result: Numbers = logits / (self.temperature or 1.0)
        else:
            result = cap * tanh(logits / (self.temperature or cap))
        return result


@dataclass(frozen=True, kw_only=True)
class PolicySettings:
    """How a policy learns. Letters are those of arXiv:1611.01578 and arXiv:1707.06347.

    Args:
        batch_size: Trials per update, m.
        inner_steps: Gradient steps per update.
        clip: Bound on the change of a trial's probability ratio per update, epsilon; None: plain
            REINFORCE.
        learning_rate: Of Adam.
        betas: Of Adam.
        eps: Of Adam.
        baseline_decay: Of the moving average b of rewards.
        entropy_weight: Of the entropy bonus.
        reward: ``"rank"``, ``"raw"`` or a function of the objective's value.
        elite_size: So many of the best trials are imitated.
        elite_weight: Of the imitation loss.
        skip_target: Wished-for probability of anchors; None: none.
        skip_weight: Of the divergence from it.

    Raises:
        ValueError: If a number is out of range, or ``reward`` is nothing that makes rewards.
    """

    batch_size: int
    inner_steps: int
    clip: float | None
    learning_rate: float
    betas: tuple[float, float]
    eps: float
    baseline_decay: float
    entropy_weight: float
    reward: Reward
    elite_size: int
    elite_weight: float
    skip_target: float | None
    skip_weight: float

    def __post_init__(self) -> None:
        whole(1, batch_size=self.batch_size, inner_steps=self.inner_steps)
        whole(0, elite_size=self.elite_size)
        at_least(0, elite_weight=self.elite_weight)
        at_least(0, entropy_weight=self.entropy_weight, skip_weight=self.skip_weight)
        above_zero(learning_rate=self.learning_rate, eps=self.eps, clip=self.clip)
        require_share("baseline_decay", self.baseline_decay)
        check_betas(self.betas)
        target = self.skip_target
        if target is not None and not (is_number(target) and 0.0 < target < 1.0):
            raise ValueError(
                f"`skip_target` must lie between 0 and 1, but got skip_target={shown(target)}."
            )
        if self.reward not in ("rank", "raw") and not callable(self.reward):
            raise ValueError(
                '`reward` must be "rank", "raw" or a function of the objective\'s value, but got '
                f"reward={self.reward!r}."
            )


def at_least(low: float, **settings: float) -> None:
    for name, value in settings.items():
        if not is_number(value) or value < low:
            raise ValueError(f"`{name}` must be {low} or more, but got {name}={shown(value)}.")


def whole(low: int, **settings: int) -> None:
    for name, value in settings.items():
        if not is_int(value) or value < low:
            raise ValueError(f"`{name}` must be {low} or more, but got {name}={shown(value)}.")


def check_betas(betas: tuple[float, float]) -> None:
    if not isinstance(betas, tuple) or len(betas) != 2:
        raise ValueError(f"`betas` must be two numbers in [0, 1), but got betas={shown(betas)}.")
    for beta in betas:
        require_share("betas", beta)


def above_zero(**settings: float | None) -> None:
    for name, value in settings.items():
        if value is not None and not (is_number(value) and value > 0):
            raise ValueError(f"`{name}` must be above 0, but got {name}={shown(value)}.")
