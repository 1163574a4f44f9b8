"""Settings of a recurrent policy: its network and how it learns, checked; known without torch.

References:
    [Zoph2017] Zoph and Le, Neural Architecture Search with Reinforcement Learning,
    arXiv:1611.01578.
    [Pham2018] Pham et al., Efficient Neural Architecture Search via Parameter Sharing,
    arXiv:1802.03268.
    [Schulman2017] Schulman et al., Proximal Policy Optimization Algorithms, arXiv:1707.06347.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from optuna_nas._ground.checks import is_int, is_number, require_bool, require_share, shown

__all__ = [
    "DEFAULT_CONTROLLER",
    "DEFAULT_IMITATION",
    "DEFAULT_OPTIMIZER",
    "AdamOptions",
    "ControllerNetwork",
    "Imitation",
    "PolicySettings",
    "Reward",
    "SkipPenalty",
]

LARGEST_PROBABILITY = 0.974  # of one choice, at a cap of 2.5 and five choices
UNBOUNDED = 1e9

Numbers = TypeVar("Numbers", bound=Any)
Reward = str | Callable[[float], float]


@dataclass(frozen=True, kw_only=True)
class ControllerNetwork:
    """Size and shape of the controller, an LSTM with a softmax for each list of choices.

    Args:
        hidden_size: Units of every LSTM layer, the papers' H; at least 1.
        num_layers: LSTM layers, at least 1.
        init_range: Weights start uniform in [-init_range, init_range]; above 0.
        temperature: Divisor of the logits before tanh, above 0; None: ``tanh_constant``.
        tanh_constant: Bound on the logits [Pham2018], above 0, which keeps the policy from
            collapsing. ``"auto"``: by the number of choices, such that no choice gets a
            probability above 0.974 (2.5 for five choices); None: no bound.
        name_bias: Whether every parameter name has biases of its own beside those that it shares
            with equal lists of choices. In a few hundred trials the recurrent state alone does
            not learn to tell positions apart.

    Raises:
        ValueError: If a setting is out of range.

    Example:
        >>> ControllerNetwork(hidden_size=100, num_layers=1).num_layers
        1
    """

    hidden_size: int = 35
    num_layers: int = 2
    init_range: float = 0.08
    temperature: float | None = None
    tanh_constant: float | str | None = "auto"
    name_bias: bool = True

    def __post_init__(self) -> None:
        require_whole(1, hidden_size=self.hidden_size, num_layers=self.num_layers)
        require_above_zero(init_range=self.init_range, temperature=self.temperature)
        require_bool("name_bias", self.name_bias)
        if not isinstance(self.tanh_constant, str):
            require_above_zero(tanh_constant=self.tanh_constant)
        elif self.tanh_constant != "auto":
            raise ValueError(
                '`tanh_constant` must be a number above 0, "auto" or None, but got '
                f"tanh_constant={self.tanh_constant!r}."
            )

    def cap(self, size: int) -> float:
        """Return the bound on the logits of a decision with ``size`` choices.

        With logits in [-c, c], the largest probability of one of ``size`` choices is that of c
        against -c of all others, 1 / (1 + (size - 1) exp(-2 c)); ``"auto"`` solves it for c.
        """
        if self.tanh_constant is None or size == 1:
            return UNBOUNDED
        if isinstance(self.tanh_constant, str):
            odds = LARGEST_PROBABILITY / (1.0 - LARGEST_PROBABILITY)
            return 0.5 * math.log(odds * (size - 1))
        return self.tanh_constant

    def shaped(self, logits: Numbers, cap: Any, *, tanh: Callable[[Any], Any]) -> Numbers:
        """Apply temperature and bound to logits, as they enter the softmax.

        Args:
            logits: An array or tensor of any shape.
            cap: Bound per logit, or one for all.
            tanh: The function of the library of ``logits``.
        """
        if self.tanh_constant is None:
            result: Numbers = logits / (self.temperature or 1.0)
        else:
            result = cap * tanh(logits / (self.temperature or cap))
        return result


@dataclass(frozen=True, kw_only=True)
class AdamOptions:
    """Options of ``torch.optim.Adam``, which trains the controller.

    Args:
        lr: Learning rate, above 0.
        betas: Decay rates of the moments, in [0, 1).
        eps: Term added to the denominator, above 0.

    Raises:
        ValueError: If an option is out of range.

    Example:
        >>> AdamOptions(lr=0.00035)
        AdamOptions(lr=0.00035, betas=(0.9, 0.999), eps=1e-08)
    """

    lr: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8

    def __post_init__(self) -> None:
        require_above_zero(lr=self.lr, eps=self.eps)
        if not isinstance(self.betas, tuple) or len(self.betas) != 2:
            raise ValueError(
                f"`betas` must be two numbers in [0, 1), but got betas={shown(self.betas)}."
            )
        for beta in self.betas:
            require_share("betas", beta)


@dataclass(frozen=True, kw_only=True)
class Imitation:
    """Imitation of the best trials at every update; in none of the papers.

    It raises the likelihood of the best trials so far, weighted by the logarithm of their rank,
    which makes a policy learn in hundreds instead of thousands of trials.

    Args:
        size: Number of trials that are imitated, at least 1.
        weight: Weight of the loss, at least 0.

    Raises:
        ValueError: If a setting is out of range.
    """

    size: int = 10
    weight: float = 0.3

    def __post_init__(self) -> None:
        require_whole(1, size=self.size)
        require_at_least(0, weight=self.weight)


@dataclass(frozen=True, kw_only=True)
class SkipPenalty:
    """Penalty on the number of skip connections [Pham2018].

    The Kullback-Leibler divergence of the probabilities of anchors from a target.

    Args:
        target: Prior probability of an anchor, between 0 and 1.
        weight: Weight of the penalty, at least 0.

    Raises:
        ValueError: If a setting is out of range.
    """

    target: float = 0.4
    weight: float = 0.8

    def __post_init__(self) -> None:
        if not (is_number(self.target) and 0.0 < self.target < 1.0):
            raise ValueError(
                f"`target` must lie between 0 and 1, but got target={shown(self.target)}."
            )
        require_at_least(0, weight=self.weight)


@dataclass(frozen=True, kw_only=True)
class PolicySettings:
    """How a policy learns, as the samplers with a controller hand it on.

    Args:
        batch_size: Trials per update, m of [Zoph2017].
        inner_steps: Gradient steps per update, K of [Schulman2017].
        clip: Bound on the change of a trial's probability ratio per update, epsilon of
            [Schulman2017]; None: plain REINFORCE.
        optimizer: Options of the optimiser.
        baseline_decay: Decay of the moving average b of rewards, in [0, 1).
        entropy_weight: Weight of the entropy bonus, at least 0.
        reward: ``"rank"``, ``"raw"`` or a function of the objective's value.
        imitation: Imitation of the best trials; None: none.
        skip_penalty: Penalty on anchors; None: none.

    Raises:
        ValueError: If a number is out of range, or ``reward`` is nothing that makes rewards.
    """

    batch_size: int
    inner_steps: int
    clip: float | None
    optimizer: AdamOptions
    baseline_decay: float
    entropy_weight: float
    reward: Reward
    imitation: Imitation | None
    skip_penalty: SkipPenalty | None

    def __post_init__(self) -> None:
        require_whole(1, batch_size=self.batch_size, inner_steps=self.inner_steps)
        require_at_least(0, entropy_weight=self.entropy_weight)
        require_above_zero(clip=self.clip)
        require_share("baseline_decay", self.baseline_decay)
        if self.reward not in ("rank", "raw") and not callable(self.reward):
            raise ValueError(
                '`reward` must be "rank", "raw" or a function of the objective\'s value, but got '
                f"reward={self.reward!r}."
            )


def require_kind(name: str, value: object, kind: type, *, optional: bool = False) -> None:
    """Raise unless a value is of one of the classes of this module."""
    if isinstance(value, kind) or (optional and value is None):
        return
    rule = f"{kind.__name__}(...)" + " or None" * optional
    raise TypeError(f"`{name}` must be {rule}, but got {name}={shown(value)}.")


def require_at_least(low: float, **settings: float) -> None:
    """Raise unless all settings are numbers of at least ``low``."""
    for name, value in settings.items():
        if not is_number(value) or value < low:
            raise ValueError(f"`{name}` must be {low} or more, but got {name}={shown(value)}.")


def require_whole(low: int, **settings: int) -> None:
    """Raise unless all settings are integers of at least ``low``."""
    for name, value in settings.items():
        if not is_int(value) or value < low:
            raise ValueError(f"`{name}` must be {low} or more, but got {name}={shown(value)}.")


def require_above_zero(**settings: float | None) -> None:
    """Raise unless all settings are numbers above 0 or None."""
    for name, value in settings.items():
        if value is not None and not (is_number(value) and value > 0):
            raise ValueError(f"`{name}` must be above 0, but got {name}={shown(value)}.")


DEFAULT_CONTROLLER = ControllerNetwork()
DEFAULT_OPTIMIZER = AdamOptions()
DEFAULT_IMITATION = Imitation()
