"""The size of a network: parameters, multiply-adds, measured latency.

:func:`profile` and :func:`layer_table` count and need no computing; :func:`measure_latency` runs
the network.
"""

from optuna_nas._ground.inputs import InputSpec
from optuna_nas.profiling._fold import FoldedNetwork, fold_batch_norm
from optuna_nas.profiling._latency import (
    Latency,
    LatencyTable,
    measure_latencies,
    measure_latency,
)
from optuna_nas.profiling._layers import LayerProfile, LayerTable, layer_table
from optuna_nas.profiling._memory import activation_memory
from optuna_nas.profiling._meter import LatencyMeter
from optuna_nas.profiling._profile import Profile, profile

__all__ = [
    "FoldedNetwork",
    "InputSpec",
    "Latency",
    "LatencyMeter",
    "LatencyTable",
    "LayerProfile",
    "LayerTable",
    "Profile",
    "activation_memory",
    "fold_batch_norm",
    "layer_table",
    "measure_latencies",
    "measure_latency",
    "profile",
]
