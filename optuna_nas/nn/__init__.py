"""Building blocks of networks: operations, cells, skeletons and heads."""

from optuna_nas._genotype import Cell, Edge, Node
from optuna_nas.nn._allocation import NetworkTooLargeError, built_within_memory
from optuna_nas.nn._errors import (
    ImageTooSmallError,
    OddSizeError,
    check_image_size,
    check_positive,
)
from optuna_nas.nn.networks._cell_network import CellNetwork, cell_network
from optuna_nas.nn.networks._chain import ConcatChain, concat_padded
from optuna_nas.nn.networks._enas_macro import ENASMacroNetwork
from optuna_nas.nn.networks._head import AuxiliaryHead, ClassifierHead
from optuna_nas.nn.networks._mnasnet import MnasNetwork, Stage
from optuna_nas.nn.networks._nasbench201 import NASBench201Cell, NASBench201Network
from optuna_nas.nn.networks._resnet import RESNET_STEMS, ResNetBlock, ResNetwork
from optuna_nas.nn.ops._drop_path import DropPath, set_drop_path
from optuna_nas.nn.ops._factorized import FactorizedReduction
from optuna_nas.nn.ops._mbconv import ConvBlock, MBConv, ShortcutBlock, SqueezeExcite
from optuna_nas.nn.ops._operations import make_op
from optuna_nas.nn.ops._ops import ConvNormAct, ReLUConvBN, avg_pool
from optuna_nas.nn.ops._residual import ResidualReduction
from optuna_nas.nn.ops._widths import scaled_channels
from optuna_nas.nn.supernets._mixed import MixedOp, use_batch_statistics

__all__ = [
    "AuxiliaryHead",
    "Cell",
    "CellNetwork",
    "ClassifierHead",
    "ConcatChain",
    "ConvBlock",
    "ConvNormAct",
    "DropPath",
    "ENASMacroNetwork",
    "Edge",
    "FactorizedReduction",
    "ImageTooSmallError",
    "MBConv",
    "MixedOp",
    "MnasNetwork",
    "NASBench201Cell",
    "NASBench201Network",
    "NetworkTooLargeError",
    "Node",
    "OddSizeError",
    "RESNET_STEMS",
    "ReLUConvBN",
    "ResNetBlock",
    "ResNetwork",
    "ResidualReduction",
    "ShortcutBlock",
    "SqueezeExcite",
    "Stage",
    "avg_pool",
    "built_within_memory",
    "cell_network",
    "check_image_size",
    "check_positive",
    "concat_padded",
    "make_op",
    "scaled_channels",
    "set_drop_path",
    "use_batch_statistics",
]
