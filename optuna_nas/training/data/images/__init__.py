"""Images in memory or in files: read, resized, augmented, and split."""

from optuna_nas.training.data.images._augment import Normaliser
from optuna_nas.training.data.images._data import ImageData
from optuna_nas.training.data.images._split import AnySplit, Split
from optuna_nas.training.data.images._stream import StreamedSplit

__all__ = ["AnySplit", "ImageData", "Normaliser", "Split", "StreamedSplit"]
