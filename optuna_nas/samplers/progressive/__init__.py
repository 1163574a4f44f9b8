"""Beam search from small cells to large ones, which a predictor ranks."""

from optuna_nas.samplers.progressive._progressive import ProgressiveSampler

__all__ = ["ProgressiveSampler"]
