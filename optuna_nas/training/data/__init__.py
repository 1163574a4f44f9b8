"""Data sets, their splits, and the batches made of them: images, tensors, and any loaders."""

from optuna_nas.training.data._base import Data, DataSplit
from optuna_nas.training.data._feed import Batch, Feed
from optuna_nas.training.data._load import load_data
from optuna_nas.training.data.images import (
    AnySplit,
    ImageData,
    Normaliser,
    Split,
    StreamedSplit,
)
from optuna_nas.training.data.loaders import LoaderData, LoaderSplit
from optuna_nas.training.data.tensors import Standardiser, TensorData, TensorSplit

__all__ = [
    "AnySplit",
    "Batch",
    "Data",
    "DataSplit",
    "Feed",
    "ImageData",
    "LoaderData",
    "LoaderSplit",
    "Normaliser",
    "Split",
    "Standardiser",
    "StreamedSplit",
    "TensorData",
    "TensorSplit",
    "load_data",
]
