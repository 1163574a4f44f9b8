"""Building blocks of networks: operations, cells, skeletons and heads."""

from optuna_nas.nn._chain import ConcatChain, concat_padded
from optuna_nas.nn._errors import ImageTooSmallError, check_image_size, check_positive
from optuna_nas.nn._head import ClassifierHead
from optuna_nas.nn._nasbench201 import NASBench201Cell, NASBench201Network
from optuna_nas.nn._ops import ConvNormAct, ReLUConvBN, avg_pool
from optuna_nas.nn._residual import ResidualReduction

__all__ = [
    "ClassifierHead",
    "ConcatChain",
    "ConvNormAct",
    "ImageTooSmallError",
    "NASBench201Cell",
    "NASBench201Network",
    "ReLUConvBN",
    "ResidualReduction",
    "avg_pool",
    "check_image_size",
    "check_positive",
    "concat_padded",
]
