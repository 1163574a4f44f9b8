"""Model-based search: a surrogate model says what to evaluate next, and what is best."""

from optuna_nas.samplers.predictor._best import best_architecture
from optuna_nas.samplers.predictor._predictor import PredictorSampler

__all__ = ["PredictorSampler", "best_architecture"]
