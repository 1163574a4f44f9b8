"""Reinforcement learning: a recurrent controller, trained by REINFORCE or PPO."""

from optuna_nas.samplers.policy._ppo import PPOSampler
from optuna_nas.samplers.policy._reinforce import ReinforceSampler
from optuna_nas.samplers.policy._settings import (
    AdamOptions,
    ControllerNetwork,
    Imitation,
    SkipPenalty,
)

__all__ = [
    "AdamOptions",
    "ControllerNetwork",
    "Imitation",
    "PPOSampler",
    "ReinforceSampler",
    "SkipPenalty",
]
