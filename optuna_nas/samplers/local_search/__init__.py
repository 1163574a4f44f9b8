"""Hill climbing with restarts, by the mutations of evolution."""

from optuna_nas.samplers.local_search._local import LocalSearchSampler

__all__ = ["LocalSearchSampler"]
