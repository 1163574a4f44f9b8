"""Reinforcement learning: a recurrent controller, trained by REINFORCE or PPO."""

from optuna_nas.samplers.policy._ppo import PPOSampler
from optuna_nas.samplers.policy._reinforce import ReinforceSampler

__all__ = ["PPOSampler", "ReinforceSampler"]
