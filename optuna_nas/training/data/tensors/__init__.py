"""Data that lie in memory as tensors."""

from optuna_nas.training.data.tensors._data import TensorData
from optuna_nas.training.data.tensors._split import TensorSplit
from optuna_nas.training.data.tensors._standardise import Standardiser

__all__ = ["Standardiser", "TensorData", "TensorSplit"]
