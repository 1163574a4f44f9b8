"""The size of a network: parameters, multiply-adds, measured latency.

:func:`profile` counts and needs no computing; :func:`measure_latency` runs the network.
"""

from optuna_nas.profiling._latency import Latency, measure_latency
from optuna_nas.profiling._memory import activation_memory
from optuna_nas.profiling._profile import Profile, profile

__all__ = ["Latency", "Profile", "activation_memory", "measure_latency", "profile"]
