"""The loss of a controller: REINFORCE or PPO, imitation of the best, and the skip penalty.

Letters: ``m`` trials of the update.

References:
    Zoph and Le, Neural Architecture Search with Reinforcement Learning, arXiv:1611.01578.
    Schulman et al., Proximal Policy Optimization Algorithms, arXiv:1707.06347.
    Pham et al., Efficient Neural Architecture Search via Parameter Sharing, arXiv:1802.03268 (the
    skip penalty).

Differences from the papers:
    1. PPO's ratio is that of a whole trial, and its logarithm is bounded.
    2. Imitation of the best trials is in none of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from optuna_nas.samplers.policy._settings import Imitation, PolicySettings, SkipPenalty

__all__ = [
    "behaviour",
    "imitation_loss",
    "policy_loss",
    "skip_loss",
]

MAX_LOG_RATIO = 20.0


def policy_loss(
    log_prob: Tensor, entropy: Tensor, advantage: Tensor, before: Tensor, s: PolicySettings
) -> Tensor:
    """Compute the loss of the trials of an update.

    Args:
        log_prob: Log-probability of the decisions under the policy, (m,).
        entropy: Entropy of the policy along them, (m,).
        advantage: Reward minus baseline, (m,).
        before: ``log_prob`` under the policy that proposed the trials, (m,).
        s: How the policy learns.
    """
    if s.clip is None:
        gain = log_prob * advantage  # section 3.2 of arXiv:1611.01578
    else:
        ratio = (log_prob - before).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()
        clipped = ratio.clamp(1.0 - s.clip, 1.0 + s.clip)
        gain = torch.minimum(ratio * advantage, clipped * advantage)  # eq. 7 of arXiv:1707.06347
    return -(gain + s.entropy_weight * entropy).mean()


def imitation_loss(log_prob: Tensor, imitation: Imitation | None) -> Tensor | float:
    """Compute the negative log-likelihood of the elites, weighted by the logarithm of their rank.

    Args:
        log_prob: Log-probability of the elites, best first, (elites,).
        imitation: Its settings; None: no loss.
    """
    count = len(log_prob)
    if imitation is None or count == 0:
        return 0.0
    # The weights of CMA-ES: the best elite counts most, the last one least, but above 0.
    weights = torch.tensor([math.log(count + 1) - math.log(k + 1) for k in range(count)])
    return -imitation.weight * (weights / weights.sum() * log_prob).sum()


def skip_loss(probabilities: Tensor, penalty: SkipPenalty | None) -> Tensor | float:
    """Compute the mean divergence of anchor probabilities, (anchors,), from the target."""
    if penalty is None or len(probabilities) == 0:
        return 0.0
    target = penalty.target
    p = probabilities.clamp(1e-6, 1.0 - 1e-6)
    each = p * torch.log(p / target) + (1.0 - p) * torch.log((1.0 - p) / (1.0 - target))
    return penalty.weight * each.mean()


def behaviour(recorded: Sequence[float | None], now: Tensor) -> Tensor:
    """Return log-probabilities under the policies that proposed the trials, (m,).

    Args:
        recorded: Log-probabilities written when they were proposed; None for trials of other
            samplers, which count as proposed by the present policy.
        now: Log-probabilities under the present policy, (m,).
    """
    return torch.tensor(
        [float(now[i]) if value is None else value for i, value in enumerate(recorded)]
    )
