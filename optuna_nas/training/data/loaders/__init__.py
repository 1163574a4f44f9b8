"""Data that loaders read."""

from optuna_nas.training.data.loaders._data import LoaderData
from optuna_nas.training.data.loaders._split import LoaderSplit

__all__ = ["LoaderData", "LoaderSplit"]
